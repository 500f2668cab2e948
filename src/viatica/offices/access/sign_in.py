"""From a person an outside system vouches for to a user here."""

from __future__ import annotations

from urllib.parse import urlencode

from django.conf import settings

from viatica.kernel.errors import NotAllowed
from viatica.kernel.words import N_
from viatica.offices.access.models import User
from viatica.offices.access.ports import SignedIn
from viatica.offices.company.models import Employee
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
    user = User.objects.filter(employee=employee).first() or _first_sign_in(employee)
    if not user.is_active:
        raise Stranger(name=employee.name)
    return user


def _first_sign_in(employee: Employee) -> User:
    """Two at once make one user; a user name somebody else has already gets a number of its own."""
    is_taken = User.objects.filter(username=employee.number).exists()
    name = f"{employee.number[:40]}-{employee.pk}" if is_taken else employee.number
    user = User(username=name, employee=employee)
    user.set_unusable_password()
    User.objects.bulk_create([user], ignore_conflicts=True)
    return User.objects.get(employee=employee)


def page_through(connection: Connection, url: str) -> str:
    """A link to a page of ours that signs in whoever opens it, in a browser and inside the product's client (免登).

    `url` itself where the connection signs nobody in.
    """
    if "sign_in" not in connection.uses or not url.startswith(settings.PUBLIC_URL):
        return url
    page = urlencode({"next": url.removeprefix(settings.PUBLIC_URL) or "/"})
    return f"{settings.PUBLIC_URL}/sign-in/with/{connection.slug}?{page}"
