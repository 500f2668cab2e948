"""The shapes doors of every room share: what may stand in an address, a page of a list, a short text."""

from __future__ import annotations

from typing import Annotated

from ninja import Schema
from pydantic import Field, StringConstraints

LARGEST_ID = 2**62
LARGEST_VERSION = 2**31 - 1

Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Version = Annotated[int, Field(ge=1, le=LARGEST_VERSION)]
Number = Annotated[str, StringConstraints(max_length=24, pattern=r"^[0-9A-Za-z-]+$")]
Slug = Annotated[str, StringConstraints(max_length=40, pattern=r"^[0-9A-Za-z_-]+$")]
EmployeeNumber = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(max_length=2000)]


class Listing(Schema):
    """Newest first; `before` is what the page before gave as `next`."""

    before: int | None = Field(None, ge=1, le=LARGEST_ID)
    size: int = Field(50, ge=1, le=200)
