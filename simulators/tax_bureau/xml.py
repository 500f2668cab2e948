"""The invoice as XML: 数电票 `EInvoice`, the attachment of older OFD, a rail ticket's XBRL."""

from __future__ import annotations

from decimal import Decimal
from xml.etree import ElementTree as ET

from .invoice import Invoice, Party, Trip

OLD = "http://www.edrm.org.cn/schema/e-invoice/2019"
RAIL = "http://xbrl.mof.gov.cn/taxonomy/2023-12-31/rai"
XBRL = "http://www.xbrl.org/2003/instance"


def _add(parent: ET.Element, tag: str, text: str | None = None) -> ET.Element:
    child = ET.SubElement(parent, tag)
    child.text = text
    return child


def _bytes(root: ET.Element) -> bytes:
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def issue_xml(invoice: Invoice) -> bytes:
    """A 数电票 as the tax bureau hands it out."""
    root = ET.Element("EInvoice")
    header = _add(root, "Header")
    _add(header, "EIid", invoice.number)
    _add(header, "EInvoiceTag", f"SWEI{invoice.number[2:4]}00")
    _add(header, "Version", "0.32")
    labels = _add(header, "InherentLabel")
    for tag, code, name in (
        ("InIssuType", "N" if invoice.red_of else "Y", "是否蓝字发票标志"),
        ("EInvoiceType", "01", "电子发票"),
        ("GeneralOrSpecialVAT", "01" if invoice.special else "02", invoice.title[5:-1]),
    ):
        label = _add(labels, tag)
        _add(label, "LabelCode", code)
        _add(label, "LabelName", name)
    data = _add(root, "EInvoiceData")
    for who, party in (("Seller", invoice.seller), ("Buyer", invoice.buyer)):
        element = _add(data, f"{who}Information")
        _add(element, f"{who}IdNum", party.tax_id)
        _add(element, f"{who}Name", party.name)
        _add(element, f"{who}Addr")
    basic = _add(data, "BasicInformation")
    _add(basic, "TotalAmWithoutTax", f"{invoice.net:.2f}")
    _add(basic, "TotalTaxAm", f"{invoice.tax:.2f}")
    _add(basic, "TotalTax-includedAmount", f"{invoice.total:.2f}")
    _add(basic, "TotalTax-includedAmountInChinese", invoice.words)
    _add(basic, "Drawer", invoice.drawer)
    _add(basic, "RequestTime", f"{invoice.issued.isoformat()} 10:08:05")
    for line in invoice.lines:
        item = _add(data, "IssuItemInformation")
        _add(item, "ItemName", line.name)
        _add(item, "Quantity", line.quantity)
        _add(item, "Amount", f"{line.net:.2f}")
        _add(item, "TaxRate", f"{Decimal(line.rate):.6f}" if line.rate[:1].isdigit() else line.rate)
        _add(item, "ComTaxAm", f"{line.tax_amount:.6f}")
        _add(item, "TotaltaxIncludedAmount", f"{line.net + line.tax_amount:.6f}")
    specific = _add(data, "SpecificInformation")
    for trip in invoice.trips:
        _trip(specific, trip)
    if invoice.red_of:
        _add(_add(specific, "RedEInvoice"), "OriginalInvoiceCode", invoice.red_of)
    _add(_add(data, "AdditionalInformation"), "Remark", invoice.note)
    supervision = _add(root, "TaxSupervisionInfo")
    _add(supervision, "InvoiceNumber", invoice.number)
    _add(supervision, "IssueTime", f"{invoice.issued.isoformat()} 10:08:55")
    _add(supervision, "TaxBureauName", "国家税务总局示例税务局")
    return _bytes(root)


def _trip(parent: ET.Element, trip: Trip) -> None:
    element = _add(parent, "PassengerTransportation")
    _add(element, "Departure", trip.start)
    _add(element, "Destination", trip.end)
    _add(element, "Traveler", trip.traveller)
    _add(element, "TravelDate", trip.day.isoformat())
    _add(element, "Grade", trip.grade)
    _add(element, "Vehicletype", trip.vehicle)


def issue_old_xml(invoice: Invoice) -> bytes:
    """`original_invoice.xml`, as older OFD e-invoices attach it."""
    ET.register_namespace("fp", OLD)

    def tag(name: str) -> str:
        return f"{{{OLD}}}{name}"

    root = ET.Element("eInvoice", {"Version": "1.0"})
    _add(root, tag("DocID"), f"{invoice.code}_{invoice.number}")
    _add(root, tag("InvoiceCode"), invoice.code)
    _add(root, tag("InvoiceNo"), invoice.number)
    _add(root, tag("IssueDate"), f"{invoice.issued:%Y年%m月%d日}")
    _add(root, tag("InvoiceCheckCode"), invoice.check_code)
    for who, party in (("Buyer", invoice.buyer), ("Seller", invoice.seller)):
        element = _add(root, tag(who))
        _add(element, tag(f"{who}Name"), party.name)
        _add(element, tag(f"{who}TaxID"), party.tax_id)
    _add(root, tag("TaxInclusiveTotalAmount"), f"{invoice.total:.2f}")
    _add(root, tag("TaxTotalAmount"), f"{invoice.tax:.2f}")
    _add(root, tag("TaxExclusiveTotalAmount"), f"{invoice.net:.2f}")
    _add(root, tag("Note"), invoice.note)
    _add(root, tag("GraphCode"), invoice.qr.rstrip(","))
    goods = _add(root, tag("GoodsInfos"))
    for line in invoice.lines:
        element = _add(goods, tag("GoodsInfo"))
        _add(element, tag("Item"), line.name)
        _add(element, tag("Amount"), f"{line.net:.2f}")
        _add(element, tag("TaxScheme"), line.rate_text)
        _add(element, tag("TaxAmount"), f"{line.tax_amount:.2f}")
    return _bytes(root)


def issue_rail_xbrl(invoice: Invoice, buyer: Party | None = None) -> bytes:
    """A rail e-ticket's `rai_issuer` instance: the first trip, the fare as total. IssueParty is nil, as usual."""
    ET.register_namespace("rai", RAIL)
    root = ET.Element(f"{{{XBRL}}}xbrl")
    context = _add(root, f"{{{XBRL}}}context")
    context.set("id", "now")
    entity = _add(_add(context, f"{{{XBRL}}}entity"), f"{{{XBRL}}}identifier", invoice.number)
    entity.set("scheme", "http://xbrl.mof.gov.cn")
    _add(_add(context, f"{{{XBRL}}}period"), f"{{{XBRL}}}instant", invoice.issued.isoformat())
    trip = invoice.trips[0]
    party = buyer or invoice.buyer
    for name, text in {
        "TypeOfVoucher": "电子发票（铁路电子客票）",
        "ElectronicInvoiceRailwayETicketNumber": invoice.number,
        "DateOfIssue": invoice.issued.isoformat(),
        "IssueParty": "",
        "TypeOfBusiness": "售",
        "DepartureStation": trip.start,
        "DestinationStation": trip.end,
        "TrainNumber": "G1281",
        "TravelDate": trip.day.isoformat(),
        "SeatLevel": trip.grade,
        "Fare": f"{invoice.total:.2f}",
        "Name": trip.traveller,
        "TotalAmountExcludingTax": f"{invoice.net:.2f}",
        "TaxRate": invoice.lines[0].rate,
        "TaxAmount": f"{invoice.tax:.2f}",
        "NameOfPurchaser": party.name,
        "UnifiedSocialCreditCodeOfPurchaser": party.tax_id,
    }.items():
        _add(root, f"{{{RAIL}}}{name}", text or None).set("contextRef", "now")
    return _bytes(root)
