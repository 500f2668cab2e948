"""财政部 电子凭证会计数据标准: XBRL instances, alone or attached to PDF and OFD. Source: domain facts §5.4."""

from __future__ import annotations

from lxml import etree

from .reading import Kind, Raw, Source

NAMESPACE = "http://www.xbrl.org/2003/instance"
TAXONOMY = "http://xbrl.mof.gov.cn/taxonomy/"
_PARTIES = {
    "NameOfPurchaser": "buyer_name",
    "UnifiedSocialCreditCodeOfPurchaser": "buyer_tax_id",
    "NameOfSeller": "seller_name",
    "UnifiedSocialCreditCodeOfSeller": "seller_tax_id",
    "Remarks": "remark",
}
RAIL = _PARTIES | {
    "ElectronicInvoiceRailwayETicketNumber": "number",
    "DateOfIssue": "issued",
    "IssueParty": "seller_name",
    "IssuePartyCode": "seller_tax_id",
    "Fare": "total",
    "TotalAmountExcludingTax": "net",
    "TaxAmount": "tax",
}
AIR = _PARTIES | {
    "ElectronicInvoiceAirTransportReceiptNumber": "number",
    "IssueDate": "issued",
    "IssueParty": "seller_name",
    "VatTaxAmount": "tax",
    "TotalAmount": "total",
}
VAT = _PARTIES | {
    "NumberOfInvoice": "number",
    "InvoiceNumber": "number",
    "CodeOfInvoice": "code",
    "DateOfIssue": "issued",
    "IdentifyingCode": "check_code",
    "TaxpayerIdentificationNumberUnifiedSocialCreditCodeOfPurchaser": "buyer_tax_id",
    "TaxpayerIdentificationNumberUnifiedSocialCreditCodeOfSeller": "seller_tax_id",
    "TotalAmountExcludingTax": "net",
    "TotalTaxAmount": "tax",
    "TaxIncludedAmountInFigures": "total",
    "TaxIncludedAmountInWords": "words",
}
_LINE = {
    "NameOfTaxableGoodsOrServices": "name",
    "AmountExcludingTax": "net",
    "TaxAmount": "tax",
    "TaxRate": "rate",
}
SETS: dict[str, tuple[dict[str, str], Kind | None]] = {
    "rai": (RAIL, Kind.RAIL),
    "atr": (AIR, Kind.AIR),
    "inv": (VAT, None),
    "inv_ord": (VAT, Kind.ELECTRONIC_ORDINARY),
    "inv_spcl": (VAT, Kind.ELECTRONIC_SPECIAL),
    "inv_tlf": (VAT, Kind.TOLL),
}


def read(root: etree._Element) -> Raw | None:
    """What the instance says, or None when it is of a set that is no ticket of ours (bank slips, 入账 records)."""
    known = _set_of(root)
    if known is None:
        return None
    table, kind = SETS[known]
    said = Raw(Source.XBRL)
    if kind:
        said.say("kind", kind)
    leaves = [
        (etree.QName(e).localname, (e.text or "").strip(), e) for e in root.iter() if isinstance(e.tag, str)
    ]
    in_tuples = {id(leaf) for _, _, e in leaves if "Tuple" in str(e.tag) for leaf in e.iter()}
    for name, text, element in leaves:
        if name in table and id(element) not in in_tuples:
            said.say(table[name], text)
    values = {name: text for name, text, element in leaves if text and len(element) == 0}
    if kind is Kind.RAIL:
        _rail(said, values)
    elif kind is Kind.AIR:
        _air(said, values, leaves)
    else:
        _lines(said, leaves)
    return said


def _set_of(root: etree._Element) -> str | None:
    """The last segment of the taxonomy's namespace, without `_issuer`."""
    namespaces = {str(uri) for element in root.iter() for uri in (element.nsmap or {}).values()}
    for uri in sorted(uri for uri in namespaces if uri.startswith(TAXONOMY)):
        last = uri.rstrip("/").rsplit("/", 1)[-1].removesuffix("_issuer")
        if last in SETS:
            return last
    return None


def _rail(said: Raw, values: dict[str, str]) -> None:
    said.trips.append(
        {
            "day": values.get("TravelDate", ""),
            "start": values.get("DepartureStation", ""),
            "end": values.get("DestinationStation", ""),
            "vehicle": f"铁路 {values.get('TrainNumber', '')}".strip(),
            "grade": values.get("SeatLevel", ""),
            "traveller": values.get("Name", ""),
        }
    )
    if values.get("TypeOfBusiness") == "退" and values.get("AmountRefunded") and "total" not in said.texts:
        said.say("total", values["AmountRefunded"])


def _air(said: Raw, values: dict[str, str], leaves: list[tuple[str, str, etree._Element]]) -> None:
    for name, _, element in leaves:
        if name == "DetailInformationOfAirTicketTuple":
            flight = {
                etree.QName(e).localname: (e.text or "").strip()
                for e in element.iter()
                if isinstance(e.tag, str)
            }
            said.trips.append(
                {
                    "day": flight.get("CarrierDate", ""),
                    "start": flight.get("DepartureStation", ""),
                    "end": flight.get("DestinationStation", ""),
                    "vehicle": f"飞机 {flight.get('Flight', '')}".strip(),
                    "grade": flight.get("Class", ""),
                    "traveller": values.get("PassengerName", ""),
                }
            )


def _lines(said: Raw, leaves: list[tuple[str, str, etree._Element]]) -> None:
    for name, _, element in leaves:
        if name.startswith("InformationOfTaxableGoodsOrServices") and name.endswith("Tuple"):
            parts = {
                etree.QName(e).localname: (e.text or "").strip()
                for e in element.iter()
                if isinstance(e.tag, str)
            }
            said.items.append({ours: parts[theirs] for theirs, ours in _LINE.items() if parts.get(theirs)})
