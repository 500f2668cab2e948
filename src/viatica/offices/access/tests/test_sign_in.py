"""From the directory to a sign-in: who is in it gets one, a stranger and who left get none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection as database

from viatica.kernel.errors import NotSignedIn
from viatica.offices.access.models import User
from viatica.offices.access.ports import SignedIn
from viatica.offices.access.queries import viewer_of, viewer_of_token
from viatica.offices.access.services import issue_token
from viatica.offices.access.sign_in import Stranger, user_behind
from viatica.offices.company.models import Employee
from viatica.offices.company.tests.toy import AT, Office, open_directory, open_office


@pytest.fixture
def office(db: None) -> Office:
    found = open_office()
    found.first_sync()
    return found


def behind(office: Office, userid: str) -> User:
    return user_behind(connection=office.connection, who=SignedIn(userid=userid, name="somebody"))


def test_person_of_the_directory_gets_a_user_at_the_first_sign_in_and_keeps_it(office: Office) -> None:
    assert not User.objects.exists()

    user = behind(office, "zhang")

    assert (user.username, user.employee, user.has_usable_password()) == (
        "E3",
        Employee.objects.get(number="E3"),
        False,
    )
    assert behind(office, "zhang") == user
    assert behind(office, "ZHANG") == user
    assert viewer_of(user.pk).name == "张三"
    assert User.objects.count() == 1


def test_stranger_gets_none(office: Office) -> None:
    other, _directory = open_directory("toy-2")
    for connection, userid in ((office.connection, "stranger"), (office.connection, ""), (other, "zhang")):
        with pytest.raises(Stranger):
            user_behind(connection=connection, who=SignedIn(userid=userid, name="路人"))

    assert not User.objects.exists()


def test_who_left_cannot_sign_in_nor_go_on(office: Office) -> None:
    user = behind(office, "zhang")
    token = issue_token(user=user, name="t", at=AT)
    assert viewer_of_token(token, AT).name == "张三"
    office.directory.leaves("zhang")

    office.sync()

    with pytest.raises(Stranger):
        behind(office, "zhang")
    with pytest.raises(NotSignedIn):
        viewer_of(user.pk)
    with pytest.raises(NotSignedIn):
        viewer_of_token(token, AT + timedelta(minutes=1))


def test_who_comes_back_has_their_old_user(office: Office) -> None:
    user = behind(office, "zhang")
    member = office.directory.people["zhang"]
    office.directory.leaves("zhang")
    office.sync()
    office.directory.people["zhang"] = member
    office.sync()

    assert behind(office, "zhang") == user
    assert viewer_of(user.pk).name == "张三"


def test_user_name_of_somebody_else_is_left_to_them(office: Office) -> None:
    operator = User.objects.create(username="E3")

    user = behind(office, "zhang")

    assert user.username == f"E3-{user.employee_id}"
    operator.refresh_from_db()
    assert operator.employee is None


@pytest.mark.django_db(transaction=True)
def test_two_first_sign_ins_at_once_make_one_user() -> None:
    office = open_office()
    office.first_sync()

    def sign_in() -> int:
        try:
            return behind(office, "zhang").pk
        finally:
            database.close()

    with ThreadPoolExecutor(6) as pool:
        users = set(pool.map(lambda _: sign_in(), range(6)))

    assert users == set(User.objects.values_list("pk", flat=True))
    assert len(users) == 1
