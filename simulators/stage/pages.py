"""The frame of every simulator's pages: who are you, the look of it all, files; each product has its own desk inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Generic
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from simulators.stage.control import S
from simulators.stage.gate import Upload
from simulators.stage.org import Org
from simulators.stage.showing import Brand, Face, initial, money, when

HERE = Path(__file__).parent / "templates"


class PagesBase(Generic[S]):
    brand: ClassVar[Brand]
    here: ClassVar[Path]  # the product's own templates
    script: ClassVar[str]  # its client's JavaScript

    def __init__(self, simulator: S) -> None:
        self.sim = simulator
        self.cookie = f"{self.brand.english.lower()}_user"
        self.templates = Environment(
            loader=FileSystemLoader([self.here, HERE]),
            autoescape=select_autoescape(),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters |= {"when": when, "money": money, "initial": initial}
        self.templates.globals |= {"brand": self.brand, "corp": self.corp}

    # The product's own.

    @property
    def company(self) -> Org[Any, Any, Any]:
        raise NotImplementedError

    def corp(self) -> str:
        raise NotImplementedError

    def face(self, user: Any) -> Face:
        raise NotImplementedError

    def name_of_room(self, key: Any) -> str:
        raise NotImplementedError

    def waiting(self, userid: str) -> int:
        """How many papers wait for this person."""
        raise NotImplementedError

    def welcome(self) -> str:
        """What can be done here, in a sentence."""
        raise NotImplementedError

    def linked(self, key: str) -> Upload | None:
        """The file behind a link that still holds."""
        raise NotImplementedError

    def routes(self) -> list[Route]:
        return [
            Route("/", self.people),
            Route(f"/client/{self.script}", self.client_script),
            Route("/files/{key}", self.file),
            Route("/style.css", self.style),
        ]

    # Pages.

    def page(self, template: str, status: int = 200, /, **context: Any) -> HTMLResponse:
        return HTMLResponse(self.templates.get_template(template).render(**context), status_code=status)

    def message(self, status: int, title: str, text: str) -> HTMLResponse:
        return self.page("message.html", status, title=title, text=text)

    def missing(self, what: str) -> HTMLResponse:
        return self.message(404, "找不到", what)

    def remember(self, page: Response, userid: str) -> Response:
        """Who was picked: pages opened "in the client" are opened by them."""
        page.set_cookie(self.cookie, userid, samesite="lax")
        return page

    def last(self, request: Request) -> str:
        userid = request.cookies.get(self.cookie, "")
        return userid if userid in self.company.users else ""

    def faces(self, *, but: str = "", first: str = "") -> list[Face]:
        """Everybody but those of a crowd, `first` before all others."""
        faces = [self.face(user) for user in self.company.users.named()]
        return sorted((face for face in faces if face.id != but), key=lambda face: face.id != first)

    # Who am I?

    async def people(self, request: Request) -> Response:
        wanted = request.query_params.get("who", "").strip()
        if wanted in self.company.users:
            return RedirectResponse(f"/u/{quote(wanted)}", status_code=303)
        groups = self._groups()
        busy = [pair for _, members in groups for pair in members if pair[1]]
        crowd = self.company.users.crowd
        return self.page(
            "people.html",
            welcome=self.welcome(),
            groups=groups,
            waiting=sorted(busy, key=lambda pair: -pair[1])[:12],
            crowd=crowd.people if crowd else 0,
            wanted=wanted,
        )

    def _groups(self) -> list[tuple[str, list[tuple[Face, int]]]]:
        groups = []
        named = {self.company.id_of(user): user for user in self.company.users.named()}
        for key in self.company.below(self.company.root):
            members = [named[userid] for userid in self.company.members.get(key, ()) if userid in named]
            if members:
                faces = [self.face(user) for user in members]
                groups.append((self.name_of_room(key), [(face, self.waiting(face.id)) for face in faces]))
        return groups

    # What pages are made of.

    async def client_script(self, request: Request) -> Response:
        return Response((self.here / self.script).read_bytes(), media_type="text/javascript")

    async def style(self, request: Request) -> Response:
        shared = (HERE / "style.css").read_text("utf-8")
        return Response(shared + self.brand.style(), media_type="text/css")

    async def file(self, request: Request) -> Response:
        upload = self.linked(request.path_params["key"])
        if upload is None:
            return self.missing("链接已失效")
        # Whatever was uploaded is shown as data, never run as a page of ours.
        headers = {"content-security-policy": "sandbox", "x-content-type-options": "nosniff"}
        return Response(upload.data, media_type=upload.media_type, headers=headers)
