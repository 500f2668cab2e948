"""XML invoices: 数电票 `EInvoice`, the old `eInvoice` (also attached to OFD), and tag sets of GB/T 42965.

Decided by root element and namespace, never by name. Nothing outside the bytes is ever read.
"""

from __future__ import annotations

import re

from lxml import etree

from . import xbrl
from .reading import HostileFile, Kind, NotAnInvoice, Raw, Source, TooLarge, Unreadable

LARGEST = 5 * 1024 * 1024
MOST_ELEMENTS = 100_000
OLD_NAMESPACE = "http://www.edrm.org.cn/schema/e-invoice/2019"

# Other dialects: pinyin initials of GB/T 42965 and Chinese tags, by local name.
DIALECT = {
    "FPHM": "number", "FPDM": "code", "KPRQ": "issued", "KPSJ": "issued",
    "XSFMC": "seller_name", "XSFNSRSBH": "seller_tax_id", "XSFSH": "seller_tax_id",
    "GMFMC": "buyer_name", "GMFNSRSBH": "buyer_tax_id", "GMFSH": "buyer_tax_id",
    "HJJE": "net", "HJSE": "tax", "JSHJ": "total", "JSHJXX": "total", "JSHJDX": "words", "JYM": "check_code", "BZ": "remark",
    "发票号码": "number", "数电票号码": "number", "发票代码": "code", "开票日期": "issued",
    "销售方名称": "seller_name", "销售方纳税人识别号": "seller_tax_id", "销方名称": "seller_name", "销方识别号": "seller_tax_id",
    "购买方名称": "buyer_name", "购买方纳税人识别号": "buyer_tax_id", "购方名称": "buyer_name", "购方识别号": "buyer_tax_id",
    "合计金额": "net", "合计税额": "tax", "价税合计": "total", "价税合计小写": "total", "价税合计大写": "words",
    "校验码": "check_code", "备注": "remark",
}  # fmt: skip


def parse(data: bytes, name: str, *, largest: int = LARGEST) -> etree._Element:
    """The root element. Raises TooLarge, HostileFile (a DTD or entities), Unreadable."""
    if len(data) > largest:
        raise TooLarge(name=name, limit=largest // 1024 // 1024)
    # UTF-16 is looked at without its zero bytes: the parser must not meet a DTD in any coding.
    shown = data.replace(b"\0", b"") if b"\0" in data[:8] else data
    if b"<!DOCTYPE" in shown or b"<!ENTITY" in shown:
        raise HostileFile(name=name)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise Unreadable(name=name) from error
    tree = root.getroottree()
    if (
        tree.docinfo.internalDTD is not None or tree.docinfo.doctype
    ):  # one in UTF-16 passes the look at the bytes
        raise HostileFile(name=name)
    if sum(1 for _ in root.iter()) > MOST_ELEMENTS:
        raise HostileFile(name=name)
    return root


def local(element: etree._Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def texts(root: etree._Element, *path: str) -> list[str]:
    """Texts of all elements at `path` of local names below `root`."""
    found = [root]
    for step in path:
        found = [child for element in found for child in element if local(child) == step]
    return ["".join(str(part) for part in element.itertext()).strip() for element in found]


def text(root: etree._Element, *path: str) -> str:
    return next(iter(texts(root, *path)), "")


def read(data: bytes, name: str) -> list[Raw]:
    """What the XML says. Raises the refusals of `parse`, and NotAnInvoice."""
    return read_root(parse(data, name), name)


def read_root(root: etree._Element, name: str, source: Source = Source.XML) -> list[Raw]:
    tag = etree.QName(root)
    if tag.localname == "EInvoice":
        return [_digital(root, source)]
    if tag.localname == "eInvoice":
        return [_old(root, source)]
    if tag.namespace == xbrl.NAMESPACE:
        said = xbrl.read(root)
        if said is not None:
            return [said]
        raise NotAnInvoice(name=name)
    said = _dialect(root, source)
    if "number" not in said.texts:
        raise NotAnInvoice(name=name)
    return [said]


def _digital(root: etree._Element, source: Source) -> Raw:
    """Source: domain facts §5.1. The number of the tax bureau wins over the header's."""
    said = Raw(source)
    said.say("number", text(root, "TaxSupervisionInfo", "InvoiceNumber") or text(root, "Header", "EIid"))
    basic = ("EInvoiceData", "BasicInformation")
    said.say("issued", text(root, "TaxSupervisionInfo", "IssueTime") or text(root, *basic, "RequestTime"))
    for party in ("Seller", "Buyer"):
        said.say(f"{party.lower()}_name", text(root, "EInvoiceData", f"{party}Information", f"{party}Name"))
        said.say(
            f"{party.lower()}_tax_id", text(root, "EInvoiceData", f"{party}Information", f"{party}IdNum")
        )
    said.say("net", text(root, *basic, "TotalAmWithoutTax"))
    said.say("tax", text(root, *basic, "TotalTaxAm"))
    said.say("total", text(root, *basic, "TotalTax-includedAmount"))
    said.say("words", text(root, *basic, "TotalTax-includedAmountInChinese"))
    said.say("remark", text(root, "EInvoiceData", "AdditionalInformation", "Remark"))
    labels = ("Header", "InherentLabel")
    special = text(root, *labels, "GeneralOrSpecialVAT", "LabelCode")
    if special in ("01", "02"):
        said.say("kind", Kind.DIGITAL_SPECIAL if special == "01" else Kind.DIGITAL_ORDINARY)
    if text(root, *labels, "InIssuType", "LabelCode").upper() == "N" or text(
        root, "EInvoiceData", "SpecificInformation", "RedEInvoice", "OriginalInvoiceCode"
    ):
        said.say("red", "yes")
    marks = [*texts(root, "Header", "UndefinedLabel", "Label", "LabelCode")]
    if any("KCE" in mark.split(",") for mark in marks):
        said.say("differential", "yes")
    for data in (child for child in root if local(child) == "EInvoiceData"):
        said.items += [_digital_item(child) for child in data if local(child) == "IssuItemInformation"]
        for specific in (child for child in data if local(child) == "SpecificInformation"):
            said.trips += [
                _digital_trip(child) for child in specific if local(child) == "PassengerTransportation"
            ]
    return said


def _digital_item(line: etree._Element) -> dict[str, str]:
    return {
        "name": text(line, "ItemName"),
        "net": text(line, "Amount"),
        "tax": text(line, "ComTaxAm"),
        "rate": text(line, "TaxRate"),
        "quantity": text(line, "Quantity"),
        "price": text(line, "UnPrice"),
    }


def _digital_trip(trip: etree._Element) -> dict[str, str]:
    # The passenger's ID number is there too; nothing here needs it, so it is not kept.
    return {
        "day": text(trip, "TravelDate"),
        "start": text(trip, "Departure"),
        "end": text(trip, "Destination"),
        "vehicle": text(trip, "Vehicletype") or text(trip, "VehicleType"),
        "grade": text(trip, "Grade"),
        "traveller": text(trip, "Traveler"),
    }


def _old(root: etree._Element, source: Source) -> Raw:
    """`original_invoice.xml`. Source: domain facts §5.3."""
    said = Raw(source)
    for field, path in {
        "number": ("InvoiceNo",),
        "code": ("InvoiceCode",),
        "issued": ("IssueDate",),
        "check_code": ("InvoiceCheckCode",),
        "buyer_name": ("Buyer", "BuyerName"),
        "buyer_tax_id": ("Buyer", "BuyerTaxID"),
        "seller_name": ("Seller", "SellerName"),
        "seller_tax_id": ("Seller", "SellerTaxID"),
        "total": ("TaxInclusiveTotalAmount",),
        "net": ("TaxExclusiveTotalAmount",),
        "tax": ("TaxTotalAmount",),
        "remark": ("Note",),
        "graph": ("GraphCode",),
    }.items():
        said.say(field, text(root, *path))
    for goods in (child for child in root if local(child) == "GoodsInfos"):
        said.items += [
            {
                "name": text(line, "Item"),
                "net": text(line, "Amount"),
                "tax": text(line, "TaxAmount"),
                "rate": text(line, "TaxScheme"),
                "quantity": text(line, "Quantity"),
                "price": text(line, "Price"),
            }
            for line in goods
            if local(line) == "GoodsInfo"
        ]
    return said


def _dialect(root: etree._Element, source: Source) -> Raw:
    said = Raw(source)
    for element in root.iter():
        field = DIALECT.get(re.sub(r"[（(].*", "", local(element)))
        if field and len(element) == 0:
            said.say(field, element.text)
    return said
