"""The master data: entities, people, places. Set by set, so that 300 people take a second."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

from django.contrib.auth.hashers import make_password

from viatica.config.demo import plan
from viatica.config.demo.names import people
from viatica.config.demo.registry import tax_id
from viatica.offices.access.models import Grant, User
from viatica.offices.company.models import (
    City,
    CostCenter,
    CurrencyRate,
    Delegation,
    Department,
    Employee,
    Grade,
    LegalEntity,
    Project,
)

BANKS = ("招商银行上海分行", "中国工商银行", "中国建设银行", "中国银行", "交通银行", "浦发银行", "平安银行")
# Ranks of those who lead nobody, most of them in the middle.
MEMBER_GRADES = {"P4": 12, "P5": 28, "P6": 30, "P7": 18, "P8": 9, "P9": 3}


@dataclass(slots=True)
class Company:
    """What later steps need by name. `members` are a department's own people, its head first."""

    entities: dict[str, LegalEntity] = field(default_factory=dict)
    grades: dict[str, Grade] = field(default_factory=dict)
    departments: dict[str, Department] = field(default_factory=dict)
    members: dict[str, list[Employee]] = field(default_factory=dict)
    cities: dict[str, City] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    logins: dict[str, Employee] = field(default_factory=dict)

    @property
    def people(self) -> list[Employee]:
        return list(self.logins.values())

    def head(self, key: str) -> Employee:
        return self.members[key][0]


def build(*, random: Random, at: datetime) -> Company:
    company = Company()
    _entities(company)
    _departments(company)
    _people(company, random)
    _heads_and_managers(company)
    _sign_ins(company)
    _places(company, random, at.date())
    _delegations(company, at)
    return company


def _entities(company: Company) -> None:
    rows = [
        LegalEntity(
            code=one.code, name=one.name, tax_id=tax_id(one.region, one.organisation), currency="CNY",
            bank_name=one.bank, bank_account=one.account,
        )
        for one in plan.ENTITIES
    ]  # fmt: skip
    company.entities = {row.code: row for row in LegalEntity.objects.bulk_create(rows)}
    grades = Grade.objects.bulk_create(
        Grade(code=code, name=name, rank=rank) for code, name, rank in plan.GRADES
    )
    company.grades = {row.code: row for row in grades}


def _departments(company: Company) -> None:
    centers = CostCenter.objects.bulk_create(
        CostCenter(code=f"CC-{one.key}", name=one.name) for one in plan.DEPARTMENTS
    )
    for one, center in zip(plan.DEPARTMENTS, centers, strict=True):
        company.departments[one.key] = Department.objects.create(
            name=one.name,
            entity=company.entities[one.key[:2]],
            parent=company.departments.get(one.parent),
            cost_center=center,
        )


def _people(company: Company, random: Random) -> None:
    names = people(random, {role.login: role.name for role in plan.CAST})
    rows: list[tuple[str, Employee]] = []
    for one in plan.DEPARTMENTS:
        cast = sorted(
            (role for role in plan.CAST if role.department == one.key), key=lambda role: not role.head
        )
        wanted = one.people + 1  # and its head
        if not any(role.head for role in cast):
            name, login = next(names)
            cast.insert(0, plan.Role(login, name, one.key, one.head_title, one.head_grade, head=True))
        while len(cast) < wanted:
            name, login = next(names)
            grade = random.choices(list(MEMBER_GRADES), list(MEMBER_GRADES.values()))[0]
            cast.append(plan.Role(login, name, one.key, one.title, grade))
        for role in cast:
            rows.append((one.key, _person(company, role, len(rows) + 1, random)))
    Employee.objects.bulk_create(person for _key, person in rows)
    for key, person in rows:
        company.members.setdefault(key, []).append(person)
        company.logins[person.email.split("@")[0]] = person


def _person(company: Company, role: plan.Role, serial: int, random: Random) -> Employee:
    return Employee(
        number=f"XY{serial:05d}",
        name=role.name,
        entity=company.entities[role.department[:2]],
        department=company.departments[role.department],
        grade=company.grades[role.grade],
        title=role.title,
        mobile=f"1{random.choice((38, 39, 58, 86, 88))}{random.randrange(10**8):08d}",
        email=f"{role.login}@xingyuan.example",
        bank_name=random.choice(BANKS),
        bank_account=_card(random),
    )


def _card(random: Random) -> str:
    """A debit card number with a valid Luhn digit, in a range no bank has given out."""
    body = f"620000{random.randrange(10**12):012d}"
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body))]
    return body + str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def _heads_and_managers(company: Company) -> None:
    for one in plan.DEPARTMENTS:
        head, *others = company.members[one.key]
        head.manager = company.head(one.parent) if one.parent else None
        for person in others:
            person.manager = head
        company.departments[one.key].head = head
    # The two subsidiaries report to the president.
    for key in ("BJ00", "SZ00"):
        company.head(key).manager = company.head("SH00")
    Employee.objects.bulk_update(company.people, ["manager"], batch_size=500)
    Department.objects.bulk_update(company.departments.values(), ["head"])
    centers = []
    for department in company.departments.values():
        center = department.cost_center
        assert center is not None
        center.owner = department.head
        centers.append(center)
    CostCenter.objects.bulk_update(centers, ["owner"])
    projects = Project.objects.bulk_create(
        Project(code=code, name=name, owner=company.head(key)) for code, name, key in plan.PROJECTS
    )
    company.projects = {row.code: row for row in projects}


def _sign_ins(company: Company) -> None:
    """The cast first: the sign-in page offers the oldest accounts."""
    password = make_password(plan.PASSWORD)
    logins = dict.fromkeys([*(role.login for role in plan.CAST), *company.logins])
    users = User.objects.bulk_create(
        User(username=login, employee=company.logins[login], password=password) for login in logins
    )
    by_login = {user.username: user for user in users}
    Grant.objects.bulk_create(
        Grant(user=by_login[role.login], role=name, entity=company.entities.get(entity))
        for role in plan.CAST
        for name, entity in role.grants
    )


def _places(company: Company, random: Random, today: date) -> None:
    cities = City.objects.bulk_create(
        City(name=name, tier=tier, adcode=code) for name, tier, code in plan.CITIES
    )
    company.cities = {row.name: row for row in cities}
    first = (today.replace(day=1) - timedelta(days=200)).replace(day=1)
    rates = []
    for currency, rate in plan.RATES.items():
        value, day = Decimal(rate), first
        while day <= today:
            rates.append(
                CurrencyRate(
                    currency=currency, base="CNY", day=day, rate=value, source="中国外汇交易中心 中间价"
                )
            )
            value = (value * Decimal(1000 + random.randint(-9, 9)) / 1000).quantize(Decimal("0.000001"))
            day = (day + timedelta(days=32)).replace(day=1)
    CurrencyRate.objects.bulk_create(rates)


def _delegations(company: Company, at: datetime) -> None:
    """Two heads are away for a fortnight; one was, a month ago."""
    away = (("SH12", 3, 11), ("SZ40", 1, 13), ("BJ20", 40, -26))
    Delegation.objects.bulk_create(
        Delegation(
            principal=company.head(key),
            delegate=company.members[key][1],
            starts_at=at - timedelta(days=before),
            ends_at=at + timedelta(days=after),
        )
        for key, before, after in away
    )
