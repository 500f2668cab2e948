"""One attempt: call the handler, and turn what it returns or raises into news."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import datetime

import structlog
from django.conf import settings
from django.utils import translation

from viatica.kernel.errors import (
    Conflict,
    OutsideError,
    OutsideRefused,
    OutsideUnavailable,
    ViaticaError,
)
from viatica.kernel.words import N_
from viatica.spine import backoff, capabilities, connections, correlation, inbox, quotas, wire
from viatica.spine.claims import Ending, Job, News
from viatica.spine.exchanges import Gathering
from viatica.spine.handlers import handler_of, traits_of
from viatica.spine.outcomes import Delivery, Done, Later, Outcome, Park
from viatica.spine.rounds import paper_of

log = structlog.get_logger(__name__)

NOBODY = N_("Nothing here knows how to handle this.")
NOBODY_HINT = N_("The part that knows it may be switched off or missing in this version; then replay.")
SWITCHED_OFF = N_("The connection is switched off.")
GAVE_UP_HINT = N_("It was tried for three days. Mend the cause, then replay.")
QUOTA_USED_UP = N_("A quota of the connection is used up; it goes out when the count starts anew.")


def attempt(job: Job, at: datetime) -> News:
    """Deliver or translate `job`, at `at`. Never raises."""
    capability = capabilities.CALLBACKS if job.box == "in" else traits_of(job.kind).capability
    with (
        correlation.carried(job.correlation),
        Gathering(job.connection_id, capability, job.box, job.id) as gathering,
    ):
        news = _tried(job, at)
    if ref := gathering.ref or (paper_of(job.lane) if job.box == "out" and gathering.rows else None):
        gathering.name(ref)
    if not (gathering.holds_something or news.reason or news.hint):
        return news
    return replace(
        news,
        reason=wire.storable(news.reason),
        hint=wire.storable(news.hint),
        gathering=gathering if gathering.holds_something else None,
    )


def _kept_back(job: Job, at: datetime) -> News | None:
    """Given back untried, when it may wait for the connection's quota and has to."""
    if job.box == "in" or not traits_of(job.kind).can_wait:
        return None
    seconds = quotas.wait(job.connection_id, at)
    return News(job, Ending.RELEASED, wait=seconds, reason=QUOTA_USED_UP) if seconds else None


def _tried(job: Job, at: datetime) -> News:
    try:
        if kept_back := _kept_back(job, at):
            return kept_back
        outcome = _translate(job, at) if job.box == "in" else _deliver(job)
    except ViaticaError as error:
        return _because(job, error, at)
    except Exception as error:
        # Our own mistake, perhaps after the call was made: so it may have happened.
        log.exception("relay.handler_failed", box=job.box, id=job.id, kind=job.kind)
        return _again(job, at, reason=f"{type(error).__name__}: {error}", unknown=True)
    return _as_news(job, outcome, at)


def _deliver(job: Job) -> Outcome:
    handler = handler_of(job.kind)
    if handler is None:
        return Park(NOBODY, NOBODY_HINT)
    return handler(
        Delivery(
            id=job.id,
            kind=job.kind,
            lane=job.lane,
            payload=json.loads(job.payload),
            connection_id=job.connection_id,
            attempt=job.number,
            earlier_unknown=job.earlier_unknown,
        )
    )


def _translate(job: Job, at: datetime) -> Outcome:
    connection = connections.by_id(job.connection_id or 0)
    if connection is None:
        return Later(60, SWITCHED_OFF)
    translator = inbox.translator_of(connection.kind)
    if translator is None:
        return Park(NOBODY, NOBODY_HINT)
    return translator(connection, json.loads(job.payload), at)


def _as_news(job: Job, outcome: Outcome, at: datetime) -> News:
    match outcome:
        case Done(result=result):
            return News(job, Ending.DONE, result=result)
        case Later(seconds=seconds, reason=reason):
            if _is_hopeless(job, at):
                return News(job, Ending.PARK, reason=reason, hint=GAVE_UP_HINT)
            return News(job, Ending.LATER, wait=max(0.0, float(seconds)), reason=reason)
        case Park(reason=reason, hint=hint):
            return News(job, Ending.PARK, reason=reason, hint=hint)


def _because(job: Job, error: ViaticaError, at: datetime) -> News:
    with translation.override(settings.LANGUAGE_CODE):  # kept for the operators, whoever they are
        said, advice = error.said(translation.gettext), error.advice(translation.gettext)
    match error:
        case OutsideRefused():
            return News(job, Ending.PARK, reason=said, hint=advice)
        case OutsideUnavailable():
            return _again(job, at, reason=said, failed=True, retry_after=error.retry_after)
        case OutsideError():
            return _again(job, at, reason=said, failed=True, unknown=True)
        case Conflict():
            return _again(job, at, reason=said)
        case _:
            return News(job, Ending.PARK, reason=said, hint=advice)


def _again(
    job: Job,
    at: datetime,
    *,
    reason: str,
    unknown: bool = False,
    failed: bool = False,
    retry_after: float | None = None,
) -> News:
    ending, wait, hint = Ending.UNKNOWN if unknown else Ending.LATER, 0.0, ""
    if _is_hopeless(job, at):
        ending, hint = Ending.PARK, GAVE_UP_HINT
    else:
        wait = backoff.before_next_try(job.number, random.uniform, retry_after)
    return News(
        job,
        ending,
        wait=wait,
        reason=reason,
        hint=hint,
        unknown=unknown,
        failed=failed,
        retry_after=retry_after,
    )


def _is_hopeless(job: Job, at: datetime) -> bool:
    return at - job.first_try_at >= backoff.GIVE_UP_AFTER
