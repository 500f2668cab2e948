"""Why a directory is not merged."""

from __future__ import annotations

from viatica.kernel.errors import Conflict, Refused
from viatica.kernel.words import N_


class Busy(Conflict):
    """Two at once for one connection would merge an old reading over a new one."""

    code = "company.directory_busy"
    message = N_("The directory of {connection} is being synchronised already.")
    hint = N_("Wait until that run has ended; its result is listed with the others.")


class NotWaiting(Conflict):
    code = "company.directory_run_over"
    message = N_("This run of the directory does not wait for a decision any more.")
    hint = N_("Start a new one.")


class EmptyDirectory(Refused):
    code = "company.directory_empty"
    message = N_("The directory of {connection} came back with {people} people in {departments} departments.")
    hint = N_("Check which departments the app may see in the OA's console; nobody was changed here.")


class TooManyGone(Refused):
    code = "company.directory_too_many_gone"
    message = N_(
        "This run of {connection} would deactivate {gone} of {people} people; without asking, {most} are allowed."
    )
    hint = N_(
        "Look at who is gone. If it is right, apply the run anyway; if not, check what the app may see."
    )


class NoGrade(Refused):
    code = "company.no_grade"
    message = N_("There is no grade {grade} for people who come from the directory.")
    hint = N_("Make a grade, or name one in the connection's settings under directory.grade.")


class NoSuchEntity(Refused):
    code = "company.no_such_entity"
    message = N_("The connection's settings name legal entities that do not exist: {codes}.")
    hint = N_("Correct directory.entities in the connection's settings, or make the entities.")


class DepartmentWithoutEntity(Refused):
    code = "company.department_without_entity"
    message = N_("No legal entity is named for the department “{name}” ({id}).")
    hint = N_(
        "Name one for it, or for a department above it, under directory.entities in the connection's settings."
    )


class NoSuchMember(Refused):
    code = "company.no_such_member"
    message = N_("{userid} waits for no decision in this connection.")
    hint = N_("Reload the list of conflicts: it may have been settled meanwhile.")


class StagingLost(Refused):
    code = "company.directory_staging_lost"
    message = N_("What this run had read is not here any more.")
    hint = N_("Start a new one.")


class BrokeOff(Refused):
    code = "company.directory_broke_off"
    message = N_("Reading the directory of {connection} was interrupted.")
    hint = N_("Start a new run; nobody was changed here.")
