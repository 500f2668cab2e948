"""One run at a time for each connection, whoever starts it: a worker, a page, a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import InterfaceError, OperationalError

from viatica.offices.company.directory.errors import Busy
from viatica.offices.company.directory.statements import execute, rows
from viatica.spine.models import Connection

_TAKE = "SELECT pg_try_advisory_lock(hashtext('company.directory'), %(connection)s)"
_TAKE_IN_TRANSACTION = "SELECT pg_try_advisory_xact_lock(hashtext('company.directory'), %(connection)s)"
_GIVE_BACK = "SELECT pg_advisory_unlock(hashtext('company.directory'), %(connection)s)"
# Readers and the checks of foreign keys pass; whoever would change people meanwhile waits a moment.
_HOLD_STILL = """
LOCK TABLE company_department, company_employee, company_outsideidentity, company_departmentidentity
IN SHARE ROW EXCLUSIVE MODE
"""


@contextmanager
def only_one(connection: Connection) -> Iterator[None]:
    """For a whole run, transactions and the network between them; a lost database lets go. Raises Busy."""
    _take(_TAKE, connection)
    try:
        yield
    finally:
        with suppress(InterfaceError, OperationalError):  # a lost database holds no lock
            execute(_GIVE_BACK, {"connection": connection.pk})


def only_one_in_transaction(connection: Connection) -> None:
    """Until the open transaction ends. Whoever is inside `only_one` passes. Raises Busy."""
    _take(_TAKE_IN_TRANSACTION, connection)


def hold_still() -> None:
    """Nobody changes people and departments between the comparison and the merge."""
    execute(_HOLD_STILL)


def _take(sql: str, connection: Connection) -> None:
    ((is_ours,),) = rows(sql, {"connection": connection.pk})
    if not is_ours:
        raise Busy(connection=connection.name)
