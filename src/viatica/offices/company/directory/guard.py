"""What a run may do without asking: a directory that hides people from the app must not dismiss them here."""

from __future__ import annotations

from viatica.offices.company.directory.errors import EmptyDirectory, StagingLost, TooManyGone
from viatica.offices.company.directory.models import DirectoryRun, Scope, StagedMember
from viatica.offices.company.directory.statements import rows
from viatica.offices.company.directory.terms import NEVER_TOO_MANY, Terms

# Whom the connection leads, before the run.
_LED = """
SELECT count(*) FROM company_outsideidentity i JOIN company_employee e ON e.id = i.employee_id
 WHERE i.connection_id = %(connection)s AND e.is_active AND e.entity_id = ANY(%(led)s)
"""


def refuse_unusable(run: DirectoryRun) -> None:
    """Raises EmptyDirectory, and StagingLost when what was read is not here any more."""
    if run.scope == Scope.FULL and not (run.people and run.departments):
        raise EmptyDirectory(connection=run.connection.name, people=run.people, departments=run.departments)
    if run.people and not StagedMember.objects.filter(run=run).exists():
        raise StagingLost()


def refuse_too_many_gone(terms: Terms) -> None:
    """Raises TooManyGone."""
    gone = terms.run.counts["person"].get("gone", 0)
    if gone <= NEVER_TOO_MANY:
        return
    ((people,),) = rows(_LED, terms.params)
    most = terms.most_gone(people)
    if gone > most:
        raise TooManyGone(connection=terms.connection.name, gone=gone, people=people, most=most)
