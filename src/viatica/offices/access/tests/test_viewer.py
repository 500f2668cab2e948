from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from viatica.kernel.errors import NotSignedIn
from viatica.offices.access import queries, services
from viatica.offices.access.models import Grant, Role, User
from viatica.offices.access.viewer import RoleNeeded, Viewer, system
from viatica.offices.company.models import Department, Employee, Grade, LegalEntity

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 24, 4, tzinfo=UTC)


@pytest.fixture
def entity() -> LegalEntity:
    return LegalEntity.objects.create(code="SH", name="行远科技（上海）有限公司")


@pytest.fixture
def sales(entity: LegalEntity) -> Department:
    return Department.objects.create(name="销售部", entity=entity)


def hire(name: str, department: Department) -> User:
    grade, _ = Grade.objects.get_or_create(code="P5", defaults={"name": "P5", "rank": 5})
    employee = Employee.objects.create(
        number=name, name=name, entity=department.entity, department=department, grade=grade
    )
    return User.objects.create(username=name, employee=employee)


def viewer(user: User) -> Viewer:
    return queries.viewer_of(user.pk)


def seen_by(user: User) -> set[str]:
    rows = viewer(user).scope(Employee.objects.all(), owner="pk")
    return set(rows.values_list("name", flat=True))


def test_an_employee_sees_only_himself(sales: Department) -> None:
    owner, _ = hire("owner", sales), hire("colleague", sales)
    assert seen_by(owner) == {"owner"}


def test_a_head_sees_the_subtree_and_nothing_beside_it(entity: LegalEntity, sales: Department) -> None:
    team = Department.objects.create(name="华东组", entity=entity, parent=sales)
    head, member = hire("head", sales), hire("member", team)
    hire("stranger", Department.objects.create(name="研发部", entity=entity))
    sales.head = head.employee
    sales.save()
    assert seen_by(head) == {"head", "member"}
    assert seen_by(member) == {"member"}


def test_a_path_is_a_prefix_of_whole_numbers_only(entity: LegalEntity, sales: Department) -> None:
    assert not Viewer(1, 1, "", 1, 1).sees(owner_id=2, entity_id=entity.pk, path=f"{sales.path}9/")
    assert sales.path == f"/{sales.pk}/"


def test_finance_sees_its_entity_and_no_other(entity: LegalEntity, sales: Department) -> None:
    other = LegalEntity.objects.create(code="BJ", name="行远科技（北京）有限公司")
    hire("there", Department.objects.create(name="销售部", entity=other))
    finance = hire("finance", sales)
    hire("owner", sales)
    Grant.objects.create(user=finance, role=Role.FINANCE, entity=entity)
    assert seen_by(finance) == {"finance", "owner"}
    assert viewer(finance).has(Role.FINANCE, entity.pk)
    assert not viewer(finance).has(Role.FINANCE, other.pk)
    with pytest.raises(RoleNeeded):
        viewer(finance).need(Role.FINANCE, entity_id=other.pk)
    with pytest.raises(RoleNeeded):
        viewer(finance).need(Role.CASHIER)


def test_one_row_and_the_list_follow_one_rule(entity: LegalEntity, sales: Department) -> None:
    auditor, owner = hire("auditor", sales), hire("owner", sales)
    Grant.objects.create(user=auditor, role=Role.AUDITOR)
    assert owner.employee is not None
    for asker in (viewer(auditor), viewer(owner), system(), viewer(hire("stranger", sales))):
        listed = asker.scope(Employee.objects.filter(pk=owner.employee.pk), owner="pk").exists()
        assert asker.sees(owner_id=owner.employee.pk, entity_id=entity.pk, path=sales.path) == listed


def test_a_token_is_one_statement(
    sales: Department, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    user = hire("owner", sales)
    raw = services.issue_token(user=user, name="test", at=AT)
    with django_assert_num_queries(1):
        assert queries.viewer_of_token(raw, AT).user_id == user.pk


def test_wrong_expired_and_departed_tokens_are_refused(sales: Department) -> None:
    user = hire("owner", sales)
    raw = services.issue_token(user=user, name="test", at=AT, expires_at=AT + timedelta(days=1))
    with pytest.raises(NotSignedIn):
        queries.viewer_of_token("via_guess", AT)
    with pytest.raises(NotSignedIn):
        queries.viewer_of_token(raw, AT + timedelta(days=1))
    User.objects.filter(pk=user.pk).update(is_active=False)
    with pytest.raises(NotSignedIn):
        queries.viewer_of_token(raw, AT)


def test_who_left_the_company_is_let_in_no_more(sales: Department) -> None:
    user = hire("owner", sales)
    raw = services.issue_token(user=user, name="test", at=AT)
    Employee.objects.filter(user=user).update(is_active=False)
    with pytest.raises(NotSignedIn):
        queries.viewer_of_token(raw, AT)
    with pytest.raises(NotSignedIn):
        queries.viewer_of(user.pk)
