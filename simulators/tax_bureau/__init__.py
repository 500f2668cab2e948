"""A simulated issuer of e-invoices: the same invoice as XML, OFD and PDF, for demos, rehearsals and tests.

It imports nothing of the product, so that what the product reads was written by other hands. The files carry the
marks real ones have (tags, QR code with its checksum, digests) and no signature of any authority.
"""

from .invoice import Invoice, Line, Party, Trip, in_words, make_invoice, uscc
from .ofd import issue_ofd
from .pdf import find_font, issue_pdf
from .samples import odd_invoices, trip_invoices, write_trip
from .xml import issue_old_xml, issue_rail_xbrl, issue_xml

__all__ = [
    "Invoice",
    "Line",
    "Party",
    "Trip",
    "find_font",
    "in_words",
    "issue_ofd",
    "issue_old_xml",
    "issue_pdf",
    "issue_rail_xbrl",
    "issue_xml",
    "make_invoice",
    "odd_invoices",
    "trip_invoices",
    "uscc",
    "write_trip",
]
