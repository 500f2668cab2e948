"""A small real receiver with the answers an app may give."""

from __future__ import annotations

import threading
from typing import Any

from lxml import etree
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from simulators.wecom.crypto import CallbackCrypto, encrypted_in, read_xml
from simulators.wecom.testing import Running
from simulators.wecom.xml import document


class Receiver:
    """What an app does: answer the echostr bare; open, note, say success."""

    def __init__(self, wecom: Running, server: HTTPServer, kind: str = "app") -> None:
        prefix = "contacts_" if kind == "contacts" else ""
        token, aes_key = wecom.facts[f"{prefix}token"], wecom.facts[f"{prefix}aes_key"]
        self.crypto = CallbackCrypto(token, aes_key, wecom.corp_id)
        self.url = server.url_for(f"/hooks/{kind}")
        self.envelopes: list[dict[str, str]] = []
        self.queries: list[dict[str, str]] = []
        self.texts: list[str] = []
        self.failures = 0  # how many pushes to answer with 500 before being well again
        self.wrapping = ""  # around the echostr
        self.reply: dict[str, Any] | None = None  # of an encrypted passive reply
        self.lock = threading.Lock()
        server.expect_request(f"/hooks/{kind}").respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        query = dict(request.args)
        sealed = {
            "signature": query["msg_signature"],
            "timestamp": query["timestamp"],
            "nonce": query["nonce"],
        }
        if request.method == "GET":
            said = self.crypto.open(encrypt=query["echostr"], **sealed)
            return Response(self.wrapping + said + self.wrapping, content_type="text/plain")
        envelope = read_xml(request.get_data())
        opened = self.crypto.open(encrypt=encrypted_in(envelope), **sealed)
        with self.lock:
            if self.failures:
                self.failures -= 1
                return Response("sorry", status=500)
            self.envelopes.append(envelope)
            self.queries.append(query)
            self.texts.append(opened)
        return Response(self._sealed_reply() if self.reply else "success", content_type="text/xml")

    def _sealed_reply(self) -> str:
        encrypt = self.crypto.encrypt(document(self.reply or {}))
        signature = self.crypto.sign(timestamp="1700000000", nonce="abc", encrypt=encrypt)
        reply = {"Encrypt": encrypt, "MsgSignature": signature, "TimeStamp": 1700000000, "Nonce": "abc"}
        return document(reply)

    def heard(self) -> list[etree._Element]:
        return [etree.fromstring(text.encode()) for text in self.texts]

    def changes(self) -> list[tuple[int, int]]:
        """StatuChangeEvent and SpStatus, as they came."""
        return [
            (
                int(row.findtext("ApprovalInfo/StatuChangeEvent", "0")),
                int(row.findtext("ApprovalInfo/SpStatus", "0")),
            )
            for row in self.heard()
        ]


def shape(text: str) -> list[str]:
    """The paths of an XML document's elements in order, to compare what is pushed with what is documented."""
    paths: list[str] = []

    def walk(element: etree._Element, above: str) -> None:
        for child in element:
            paths.append(f"{above}/{child.tag}")
            walk(child, f"{above}/{child.tag}")

    walk(etree.fromstring(text.encode()), "")
    return paths
