"""Which of our people somebody over there is: by employee number, else by mobile. Names no vendor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from django.db import transaction

from viatica.connectors.registry import LinkReport
from viatica.offices.company.models import Employee, OutsideIdentity
from viatica.spine.models import Connection

MOST_NAMES = 200  # unmatched people named in a report


class OutsidePersonFound(Protocol):
    """What a directory must say of a person."""

    @property
    def userid(self) -> str: ...
    @property
    def unionid(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def dept_ids(self) -> tuple[str, ...]: ...
    @property
    def job_number(self) -> str: ...
    @property
    def mobile(self) -> str: ...


@transaction.atomic
def link(connection: Connection, people: Sequence[OutsidePersonFound]) -> LinkReport:
    """Nobody is added or changed. A number or mobile that fits two people links neither."""
    known = {one.userid: one for one in OutsideIdentity.objects.filter(connection=connection)}
    linked_employees = {one.employee_id for one in known.values()}
    numbers, mobiles = _employees()
    fresh: list[OutsideIdentity] = []
    unmatched: list[str] = []
    for one in people:
        if one.userid in known:
            continue
        employee_id = numbers.get(one.job_number) or mobiles.get(_mobile(one.mobile))
        if employee_id is None or employee_id in linked_employees:
            unmatched.append(one.name)
            continue
        linked_employees.add(employee_id)
        fresh.append(
            OutsideIdentity(
                employee_id=employee_id,
                connection=connection,
                userid=one.userid,
                unionid=one.unionid,
                dept_id=one.dept_ids[0] if one.dept_ids else "",
            )
        )
    OutsideIdentity.objects.bulk_create(fresh, batch_size=1000)
    already = len(people) - len(fresh) - len(unmatched)
    return LinkReport(len(people), len(fresh), already, tuple(unmatched[:MOST_NAMES]))


def _employees() -> tuple[dict[str, int], dict[str, int]]:
    """Active employees by number and by mobile; a mobile two of them share is nobody's."""
    numbers: dict[str, int] = {}
    mobiles: dict[str, int | None] = {}
    rows = Employee.objects.filter(is_active=True).values_list("pk", "number", "mobile")
    for employee_id, number, mobile in rows.iterator(chunk_size=5000):
        numbers[number] = employee_id
        if plain := _mobile(mobile):
            mobiles[plain] = None if plain in mobiles else employee_id
    return numbers, {mobile: one for mobile, one in mobiles.items() if one is not None}


def _mobile(text: str) -> str:
    """Digits only, without China's country code."""
    digits = "".join(sign for sign in text if sign.isdecimal())
    return digits[2:] if len(digits) == 13 and digits.startswith("86") else digits
