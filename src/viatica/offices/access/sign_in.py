"""From a person an outside system vouches for to a user here."""

from __future__ import annotations

from viatica.kernel.errors import NotAllowed
from viatica.kernel.words import N_
from viatica.offices.access.models import User
from viatica.offices.access.ports import SignedIn
from viatica.offices.company.queries import employee_behind
from viatica.spine.models import Connection


class Stranger(NotAllowed):
    code = "access.stranger"
    message = N_("{name} is not known here as an active employee.")
    hint = N_("Ask your administrator to synchronise the directory, or to add you.")


def user_behind(*, connection: Connection, who: SignedIn) -> User:
    """The user of an employee linked to `who`; made on the first sign-in. Raises Stranger."""
    employee = employee_behind(connection.pk, who.userid)
    if employee is None or not employee.is_active:
        raise Stranger(name=who.name or who.userid)
    user = User.objects.filter(employee=employee).first()
    if user is None:
        user = User(username=employee.number, employee=employee)
        user.set_unusable_password()
        user.save()
    if not user.is_active:
        raise Stranger(name=employee.name)
    return user
