"""统一社会信用代码 of invented companies: the check of the organisation code (GB 11714) inside the check of all."""

from __future__ import annotations

from viatica.offices.invoices.readers.taxpayer import check_character

ORGANISATION_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def tax_id(region: str, organisation: str) -> str:
    """For a company (`91`) of a six-digit `region`, with eight characters of its own."""
    body = f"91{region}{organisation}{_organisation_check(organisation)}"
    return body + check_character(body)


def _organisation_check(organisation: str) -> str:
    values = map(ORGANISATION_DIGITS.index, organisation)
    rest = 11 - sum(v * w for v, w in zip(values, ORGANISATION_WEIGHTS, strict=True)) % 11
    return {10: "X", 11: "0"}.get(rest, str(rest))
