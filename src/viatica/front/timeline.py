"""A paper's facts in people's words: who did what, when, through which system."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import CharField, Count, Max, QuerySet, Subquery
from django.db.models.functions import Cast
from django.utils.translation import gettext

from viatica.documents.expense.models import ExpenseReport
from viatica.documents.travel.models import TravelRequest
from viatica.front import shown
from viatica.kernel.money import Money
from viatica.kernel.refs import Ref
from viatica.kernel.words import N_
from viatica.offices.company.models import Employee, OutsideIdentity
from viatica.spine import facts
from viatica.spine.facts import FactRow
from viatica.spine.models import Fact

# fact → (what it says after the person's name, tone)
WORDS: dict[str, tuple[str, str]] = {
    "trip.created": (N_("started this trip request"), ""),
    "trip.edited": (N_("changed it"), ""),
    "trip.submitted": (N_("submitted it for approval"), "accent"),
    "trip.approved": (N_("approved: the trip may go ahead"), "good"),
    "trip.rejected": (N_("rejected the trip"), "bad"),
    "trip.returned": (N_("sent it back"), "bad"),
    "trip.withdrawn": (N_("withdrew it"), ""),
    "report.created": (N_("started this report"), ""),
    "report.edited": (N_("changed it"), ""),
    "report.lines_added": (N_("added {count} expenses"), ""),
    "report.line_changed": (N_("changed expense {no}"), ""),
    "report.line_removed": (N_("removed expense {no}"), ""),
    "report.submitted": (N_("submitted it for approval"), "accent"),
    "report.approved": (N_("approval is complete"), "good"),
    "report.rejected": (N_("rejected the report"), "bad"),
    "report.returned": (N_("sent it back"), "bad"),
    "report.withdrawn": (N_("withdrew it"), ""),
    "report.audited": (N_("audited it: all is right"), "good"),
    "report.sent_back": (N_("sent it back from the audit"), "bad"),
    "report.paid": (N_("paid {amount}"), "good"),
    "budget.reserved": (N_("held the budget"), ""),
    "budget.released": (N_("gave the budget back"), ""),
    "budget.consumed": (N_("booked it to the budget"), ""),
    "budget.reversed": (N_("took it off the budget again"), ""),
    "voucher.posted": (N_("posted the voucher"), ""),
    "voucher.reversed": (N_("reversed the voucher"), ""),
    "payment.ordered": (N_("ordered the payment of {amount}"), ""),
    "payment.batched": (N_("put the payment into batch {batch}"), ""),
    "payment.taken_out": (N_("took the payment out of batch {batch}"), ""),
    "payment.exported": (N_("gave batch {batch} to the bank"), ""),
    "payment.cancelled": (N_("cancelled the payment"), ""),
    "case.sent": (N_("created the approval in the OA"), "news"),
    "case.shown": (N_("shows the tasks to the approvers"), "news"),
    "case.commented": (N_("commented"), ""),
    "case.withdrawn": (N_("withdrew it"), ""),
    "case.handed_over": (N_("handed it over to {to}"), ""),
    "case.reassigned": (N_("{who} has left: {to} decides instead"), ""),
    "case.undone": (N_("took the approval back: it must not be paid"), "bad"),
    "case.signer_added": (N_("asked {who} to sign as well"), ""),
    "case.urged": (N_("urged the approvers"), ""),
    "case.copied": (N_("sent a copy"), ""),
    "case.condition_failed": (N_("could not judge a condition of the flow: the step was kept"), "bad"),
    "news.ignored": (N_("said something that no longer mattered"), ""),
    "message.parked": (N_("a message stopped and waits for an administrator: {reason}"), "bad"),
    "message.replayed": (N_("sent the stopped message again"), ""),
    "message.dropped": (N_("gave the stopped message up"), "bad"),
}
VERDICTS: dict[str, tuple[str, str]] = {
    "approve": (N_("approved"), "good"),
    "reject": (N_("rejected"), "bad"),
    "send_back": (N_("sent it back"), "bad"),
}
# Told already by the decision that caused it.
ECHOES = {"trip.rejected", "trip.returned", "report.rejected", "report.returned"}
WITHDRAWALS = {"trip.withdrawn", "report.withdrawn"}  # told by case.withdrawn, with the comment
# Machinery that says nothing new to people; what it caused is told by another fact.
SILENT = {
    "budget.reserved", "budget.consumed", "budget.released", "case.opened", "case.step_opened", "case.step_passed",
    "case.concluded", "payment.paid",
}  # fmt: skip
SYSTEMS = {
    "web": "Viatica", "api": "API", "cli": "Viatica", "system": "Viatica", "worker": "Viatica",
    "dingtalk": N_("DingTalk"), "feishu": N_("Feishu"), "wecom": N_("WeCom"),
}  # fmt: skip
MINOR = {"trip.edited", "report.edited", "report.lines_added", "report.line_changed", "report.line_removed"}


@dataclass(slots=True)
class Event:
    at: datetime
    who: str
    did: str
    tone: str
    system: str
    comment: str = ""
    folded: list[Event] = field(default_factory=list)


def of(ref: Ref) -> list[Event]:
    """Newest first, for a page. Two statements; a third when someone is known only to an OA."""
    whole = facts.timeline(ref)
    told = {row.fact for row in whole}
    quiet = (
        SILENT
        | (ECHOES if "case.decided" in told else set())
        | (WITHDRAWALS if "case.withdrawn" in told else set())
    )
    rows = [row for row in whole if row.fact not in quiet]
    names = names_of({row.actor for row in rows})
    events: list[Event] = []
    for row in rows:
        event = _event(row, names)
        last = events[-1] if events else None
        if row.fact in MINOR and last and last.who == event.who and last.folded:
            last.folded.append(event)
            last.at = event.at
        elif row.fact in MINOR:
            events.append(_fold(event))
        else:
            events.append(event)
    return [_unfold(event) for event in reversed(events)]


def _fold(event: Event) -> Event:
    return Event(event.at, event.who, gettext("made changes"), "", event.system, folded=[event])


def _unfold(event: Event) -> Event:
    return event.folded[0] if len(event.folded) == 1 else event


def _event(row: FactRow, names: dict[str, str]) -> Event:
    words, tone = (
        VERDICTS.get(row.data.get("verdict", ""), ("", "")) if row.fact == "case.decided" else ("", "")
    )
    if not words:
        words, tone = WORDS.get(row.fact, (row.fact, ""))
    said = gettext(words).format_map(_Values(row.data))
    system = SYSTEMS.get(row.via, row.via)
    return Event(
        at=row.at,
        who=names.get(row.actor, row.actor),
        did=said,
        tone=tone,
        system=gettext(system),
        comment=str(row.data.get("comment") or ""),
    )


class _Values(dict[str, Any]):
    """A fact's data as parameters: money written for people, what is missing left out."""

    def __getitem__(self, key: str) -> Any:
        value = super().get(key, "…")
        return _plain(value)


def _plain(value: Any) -> Any:
    match value:
        case {"amount": str(), "currency": str()}:
            return shown.money(Money.parse(value))
        case {"name": str(name)}:
            return name
        case list():
            return "、".join(str(_plain(one)) for one in value)
        case _:
            return value


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """`employee:12`, `dingtalk:u1`, `system` → what people call them."""
    found = {"system": gettext("the system"), "viatica": gettext("the system"), "": gettext("the system")}
    employees, outside = set(), set()
    for actor in actors:
        kind, _colon, key = actor.partition(":")
        if kind == "employee" and key.isdecimal():
            employees.add(int(key))
        elif key:
            outside.add((kind, key))
    if employees:
        found |= {
            f"employee:{pk}": name
            for pk, name in Employee.objects.filter(pk__in=employees).values_list("pk", "name")
        }
    if outside:
        rows = OutsideIdentity.objects.filter(
            connection__kind__in={kind for kind, _key in outside}, userid__in={key for _kind, key in outside}
        ).values_list("connection__kind", "userid", "employee__name")
        found |= {f"{kind}:{userid}": name for kind, userid, name in rows}
    return found


def token(ref: Ref) -> str:
    """Changes whenever anything happens to the paper. One small statement; pages ask it every second and a half.

    To be taken before what it stands for is read: taken after, it would call old content new, and keep it on the page.
    Counted as well: facts carry the OA's own time, and a transaction that began earlier may end later.
    """
    return _token(Fact.objects.filter(ref_kind=ref.kind, ref_key=ref.key))


def token_of(paper: type[ExpenseReport | TravelRequest], number: str) -> str:
    """The same, before the paper itself is read."""
    key = paper.objects.filter(number=number).values_list(Cast("pk", CharField()))
    return _token(Fact.objects.filter(ref_kind=paper.KIND, ref_key=Subquery(key)))


def _token(facts: QuerySet[Fact]) -> str:
    seen = facts.aggregate(count=Count("id"), last=Max("id"))
    return f"{seen['count']}.{seen['last'] or 0}"
