"""`/api/v1/me`: who the token stands for, and what they may do."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from viatica.offices.access import queries, services
from viatica.offices.access.doors import viewer, write_once
from viatica.offices.access.viewer import Viewer

router = Router(tags=["me"])


class Place(Schema):
    code: str
    name: str


class RoleOut(Schema):
    role: str
    entity: str | None = Field(description="Code of the legal entity it is held for; null: for all.")
    department: str | None = Field(description="Name of the department it reaches down from; null: all.")


class MeOut(Schema):
    number: str
    name: str
    title: str
    entity: Place
    currency: str = Field(description="In which reports and trips are added up.")
    department: str
    grade: Place
    language: str = Field(description="zh-hans or en; empty: the company's.")
    roles: list[RoleOut]


class LanguageIn(Schema):
    language: Literal["zh-hans", "en"]


@router.get("", response=MeOut, summary="Who you are: company, department, grade, roles")
def me(request: HttpRequest) -> MeOut:
    return _out(viewer(request))


@router.put("/language", response=MeOut, summary="The language you are written to in")
def choose_language(request: HttpRequest, body: LanguageIn) -> Any:
    def run(asker: Viewer, at: datetime) -> MeOut:
        services.choose_language(user_id=asker.user_id, language=body.language)
        return _out(asker)

    return write_once(request, run)


def _out(asker: Viewer) -> MeOut:
    known = queries.profile(asker)
    return MeOut(
        number=known.employee.number,
        name=known.employee.name,
        title=known.employee.title,
        entity=Place(code=known.employee.entity.code, name=known.employee.entity.name),
        currency=known.employee.entity.currency,
        department=known.employee.department.name,
        grade=Place(code=known.employee.grade.code, name=known.employee.grade.name),
        language=known.language,
        roles=[
            RoleOut(role=str(one.role), entity=one.entity, department=one.department) for one in known.roles
        ],
    )
