"""Posting. A voucher is written once, numbered without a gap, and undone only by a red one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import F, Q

from viatica.kernel.errors import NotFound, Refused
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.offices.company.categories import Category
from viatica.offices.ledger import queries
from viatica.offices.ledger.models import (
    BANK,
    INPUT_TAX,
    PAYABLE,
    ROLE_NAMES,
    AccountMapping,
    Purpose,
    Voucher,
    VoucherLine,
)
from viatica.spine import facts

__all__ = [
    "NoAccount",
    "NotPosted",
    "NothingToPost",
    "Posting",
    "post",
    "post_payment",
    "reverse",
    "seed_accounts",
]


@dataclass(frozen=True, slots=True)
class Posting:
    """What one line of a paper costs: `net` to its category's account, `tax` (deductible; may be zero) to input tax."""

    category: str
    department_id: int | None
    cost_center_id: int | None
    project_id: int | None
    employee_id: int | None
    net: Money
    tax: Money


class NoAccount(Refused):
    code = "ledger.no_account"
    message = N_("Nobody has said which account “{role}” is booked to.")
    hint = N_("Ask finance to add it to the account mapping, then try again.")


class NothingToPost(Refused):
    code = "ledger.nothing_to_post"
    message = N_("{number} has no amount to book.")
    hint = N_("Only papers with an amount become vouchers.")


class NotPosted(NotFound):
    code = "ledger.not_posted"
    message = N_("There is no voucher of {ref} to reverse.")
    hint = N_("Check the paper: it may not have been booked yet.")


def post(
    *,
    ref: Ref,
    number: str,
    entity_id: int,
    day: date,
    summary: str,
    lines: Sequence[Posting],
    payee_employee_id: int,
    at: datetime,
    actor: str,
    via: str = "web",
) -> Voucher:
    """Dr the categories' accounts and input tax, Cr owed to the payee. Posting twice gives the same voucher.

    Raises NoAccount when something has no account, NothingToPost when there is no amount; no number is used then.
    """
    lines = [line for line in lines if line.net or line.tax]
    total = Money.total((line.net + line.tax for line in lines), lines[0].net.currency) if lines else None
    if not total:
        raise NothingToPost(number=number)
    sides = _claim_sides(lines, entity_id, total, payee_employee_id)
    head = Voucher(
        entity_id=entity_id, day=day, summary=summary, ref=str(ref), purpose=Purpose.CLAIM, document_number=number,
        payee_id=payee_employee_id, total=total.amount, currency=total.currency, posted_by=actor, posted_at=at,
    )  # fmt: skip
    return _write(head, sides, ref=ref, via=via)


def preview(*, lines: Sequence[Posting], entity_id: int, payee_employee_id: int) -> list[VoucherLine]:
    """The sides `post` would write now; nothing is kept. Raises NoAccount. Empty without an amount."""
    lines = [line for line in lines if line.net or line.tax]
    if not lines:
        return []
    total = Money.total((line.net + line.tax for line in lines), lines[0].net.currency)
    return _claim_sides(lines, entity_id, total, payee_employee_id)


def post_payment(
    *,
    ref: Ref,
    number: str,
    entity_id: int,
    day: date,
    summary: str,
    money: Money,
    payee_employee_id: int,
    at: datetime,
    actor: str,
    via: str = "web",
) -> Voucher:
    """Dr owed to the payee, Cr bank: what was owed for `ref` is paid. Posting twice gives the same voucher."""
    if not money:
        raise NothingToPost(number=number)
    accounts = _accounts(entity_id, [PAYABLE, BANK])
    sides = [
        _side(accounts[PAYABLE], debit=money, employee_id=payee_employee_id),
        _side(accounts[BANK], credit=money),
    ]
    head = Voucher(
        entity_id=entity_id, day=day, summary=summary, ref=str(ref), purpose=Purpose.PAYMENT, document_number=number,
        payee_id=payee_employee_id, total=money.amount, currency=money.currency, posted_by=actor, posted_at=at,
    )  # fmt: skip
    return _write(head, sides, ref=ref, via=via)


def reverse(
    *, ref: Ref, day: date, at: datetime, actor: str, via: str = "web", purpose: Purpose = Purpose.CLAIM
) -> Voucher:
    """The red voucher (红字) of what is posted for `ref`: same sides, negative amounts. Repeated: the same one.

    Afterwards `ref` may be posted anew. Raises NotPosted when it never was.
    """
    original = queries.latest_of(ref, purpose)
    if original is None:
        raise NotPosted(ref=str(ref))
    if not Voucher.objects.filter(pk=original.pk, reversed_at=None).update(reversed_at=at):
        return Voucher.objects.get(reverses=original)
    red = Voucher(
        entity_id=original.entity_id, day=day, summary=f"红冲 {original} {original.summary}"[:200], ref=original.ref,
        purpose=purpose, document_number=original.document_number, payee_id=original.payee_id, total=-original.total,
        currency=original.currency, reverses=original, posted_by=actor, posted_at=at,
    )  # fmt: skip
    return _write(red, [_negated(side) for side in original.lines.all()], ref=ref, via=via)


def _accounts(entity_id: int, roles: Iterable[str]) -> dict[str, AccountMapping]:
    """Role → its account; the entity's own before everybody's. Raises NoAccount."""
    wanted = list(roles)
    rows = (
        AccountMapping.objects.filter(Q(entity_id=entity_id) | Q(entity=None), role__in=wanted)
        .order_by("role", F("entity_id").asc(nulls_last=True))
        .distinct("role")
    )
    accounts = {row.role: row for row in rows}
    for role in wanted:
        if role not in accounts:
            raise NoAccount(role=ROLE_NAMES.get(role, role))
    return accounts


def _claim_sides(lines: list[Posting], entity_id: int, total: Money, payee_id: int) -> list[VoucherLine]:
    tax = Money.total((line.tax for line in lines), total.currency)
    tax_role = [INPUT_TAX] if tax else []
    accounts = _accounts(entity_id, [*{line.category for line in lines}, *tax_role, PAYABLE])
    costs = [_cost(line, accounts[line.category]) for line in lines if line.net]
    taxes = [_side(accounts[role], debit=tax) for role in tax_role]
    return [*costs, *taxes, _side(accounts[PAYABLE], credit=total, employee_id=payee_id)]


def _cost(line: Posting, account: AccountMapping) -> VoucherLine:
    return _side(
        account, debit=line.net, category=line.category, department_id=line.department_id,
        cost_center_id=line.cost_center_id, project_id=line.project_id, employee_id=line.employee_id,
    )  # fmt: skip


def _side(
    account: AccountMapping, *, debit: Money | None = None, credit: Money | None = None, **dimensions: Any
) -> VoucherLine:
    return VoucherLine(
        account_code=account.code,
        account_name=account.name,
        debit=debit.amount if debit else 0,
        credit=credit.amount if credit else 0,
        **dimensions,
    )


def _negated(side: VoucherLine) -> VoucherLine:
    return VoucherLine(
        account_code=side.account_code, account_name=side.account_name, debit=-side.debit, credit=-side.credit,
        category=side.category, department_id=side.department_id, cost_center_id=side.cost_center_id,
        project_id=side.project_id, employee_id=side.employee_id,
    )  # fmt: skip


def _write(voucher: Voucher, sides: list[VoucherLine], *, ref: Ref, via: str) -> Voucher:
    """Number and keep it; or give back the live one of the same paper, when there is one already."""
    voucher.month, voucher.lines_count = voucher.day.replace(day=1), len(sides)
    _take_counter(voucher)
    if not _insert_numbered(voucher):
        return queries.live_of(ref, Purpose(voucher.purpose))
    for no, side in enumerate(sides, start=1):
        side.voucher, side.no = voucher, no
    VoucherLine.objects.bulk_create(sides)
    facts.record(
        ref=ref,
        fact="voucher.reversed" if voucher.reverses_id else "voucher.posted",
        actor=voucher.posted_by,
        via=via,
        at=voucher.posted_at,
        data={"voucher": str(voucher), "purpose": voucher.purpose, "amount": voucher.money.json()},
    )
    return voucher


# The law wants numbers without gaps, so whoever numbers makes the others of that entity and month wait until it has
# committed. It is taken as late as possible, and before looking whether a twin has posted.
_TAKE_COUNTER = """
INSERT INTO ledger_vouchercounter AS c (entity_id, month, last) VALUES (%s, %s, 0)
    ON CONFLICT (entity_id, month) DO UPDATE SET last = c.last
"""

_INSERT_NUMBERED = """
WITH live AS (
    SELECT 1 FROM ledger_voucher
     WHERE ref = %(ref)s AND purpose = %(purpose)s AND reversed_at IS NULL AND reverses_id IS NULL
       AND %(reverses_id)s::bigint IS NULL
), numbered AS (
    UPDATE ledger_vouchercounter SET last = last + 1
     WHERE entity_id = %(entity_id)s AND month = %(month)s AND NOT EXISTS (SELECT 1 FROM live)
    RETURNING last
)
INSERT INTO ledger_voucher (
    number, entity_id, month, day, summary, ref, purpose, document_number, payee_id, total, currency, lines_count,
    reverses_id, posted_by, posted_at)
SELECT last, %(entity_id)s, %(month)s, %(day)s, %(summary)s, %(ref)s, %(purpose)s, %(document_number)s, %(payee_id)s,
       %(total)s, %(currency)s, %(lines_count)s, %(reverses_id)s, %(posted_by)s, %(posted_at)s
  FROM numbered
RETURNING id, number
"""


def _take_counter(voucher: Voucher) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_COUNTER, [voucher.entity_id, voucher.month])


def _insert_numbered(voucher: Voucher) -> bool:
    """False, and no number used, when its paper has a live voucher of this purpose."""
    values = {field.attname: getattr(voucher, field.attname) for field in Voucher._meta.concrete_fields}
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_NUMBERED, values)
        row = cursor.fetchone()
    if row is None:
        return False
    voucher.pk, voucher.number = row
    voucher._state.adding = False
    return True


# Typical four-digit chart; a company replaces it with its own.
_TYPICAL: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        [Category.AIR, Category.RAIL, Category.COACH, Category.TAXI, Category.LODGING, Category.MEALS],
        ("660201", "管理费用—差旅费"),
    ),
    Category.ENTERTAINMENT: ("660202", "管理费用—业务招待费"),
    Category.CONFERENCE: ("660203", "管理费用—会议费"),
    Category.COMMUNICATION: ("660204", "管理费用—通讯费"),
    Category.OFFICE: ("660205", "管理费用—办公费"),
    Category.OTHER: ("660299", "管理费用—其他"),
    PAYABLE: ("2241", "其他应付款—员工"),
    INPUT_TAX: ("22210101", "应交税费—应交增值税—进项税额"),
    BANK: ("1002", "银行存款"),
}


def seed_accounts(*, entity_id: int | None = None) -> None:
    """The typical accounts for every role that has none yet, for one entity or (None) for all."""
    AccountMapping.objects.bulk_create(
        [
            AccountMapping(entity_id=entity_id, role=role, code=code, name=name)
            for role, (code, name) in _TYPICAL.items()
        ],
        ignore_conflicts=True,
    )
