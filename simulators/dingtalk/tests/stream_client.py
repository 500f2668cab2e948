"""The vendor's own Stream client in a process of its own: it reads the platform's address when it is imported.

Prints one JSON line for every event and callback heard; the first `failures` events make its handler raise.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from dingtalk_stream import AckMessage, CallbackHandler, Credential, DingTalkStreamClient, EventHandler
from dingtalk_stream.frames import CallbackMessage, EventMessage


def say(what: dict[str, Any]) -> None:
    print(json.dumps(what, ensure_ascii=False), flush=True)


class Events(EventHandler):  # type: ignore[misc]  # it has no types
    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    async def process(self, event: EventMessage) -> tuple[int, str]:
        headers = event.headers
        say({"kind": headers.event_type, "id": headers.event_id, "corp": headers.event_corp_id, **event.data})
        if self.failures:
            self.failures -= 1
            raise ValueError("this handler fails")
        return AckMessage.STATUS_OK, "OK"


class Cards(CallbackHandler):  # type: ignore[misc]  # it has no types
    async def process(self, message: CallbackMessage) -> tuple[int, dict[str, Any]]:
        say({"callback": message.headers.topic, **message.data})
        answer = {
            "cardUpdateOptions": {"updateCardDataByKey": True},
            "cardData": {"cardParamMap": {"状态": "已同意"}},
        }
        return AckMessage.STATUS_OK, answer


def main(app_key: str, app_secret: str, failures: int) -> None:
    client = DingTalkStreamClient(Credential(app_key, app_secret))
    client.register_all_event_handler(Events(failures))
    client.register_callback_handler(CallbackHandler.TOPIC_CARD_CALLBACK, Cards())
    asyncio.run(client.start())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
