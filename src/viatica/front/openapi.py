"""What the OpenAPI description says of every door alike: its problems, and the key that makes a write happen once."""

from __future__ import annotations

import json
import re
from typing import Any

from viatica.spine.idempotency import LONGEST_KEY

WRITES = ("post", "put", "patch", "delete")

PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457 problem details. Clients match `code`; the words are in the reader's language.",
    "type": "object",
    "required": ["type", "title", "status", "code", "hint"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:viatica:error:document.changed_meanwhile"]},
        "title": {"type": "string", "description": "What happened."},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable."},
        "hint": {"type": "string", "description": "What to do next."},
        "field": {"type": "string", "description": "The value to mend, as a path: `lines.2.amount`."},
        "said": {"type": "string", "description": "What could not be parsed, in the parser's words."},
        "errors": {
            "type": "array",
            "description": "Every value that is not as described here.",
            "items": {
                "type": "object",
                "required": ["field", "said"],
                "properties": {"field": {"type": "string"}, "said": {"type": "string"}},
            },
        },
    },
}
ANSWERS: dict[str, Any] = {
    "description": "400, 401, 403, 404, 409, 422: a problem, with what to do next",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
KEY: dict[str, Any] = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "A new random value for each new request. The same request with the same key gets the first answer "
    "again and has no second effect; kept for a day at least.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]+$"},
}


def complete(schema: dict[str, Any]) -> None:
    schema["components"]["schemas"]["Problem"] = PROBLEM
    for path in schema["paths"].values():
        for method, operation in path.items():
            operation["responses"]["default"] = ANSWERS
            if method in WRITES:
                operation["parameters"] = [*operation["parameters"], KEY]
    _keep_used(schema)


def _keep_used(schema: dict[str, Any]) -> None:
    """Filters of a list are told parameter by parameter: their schemas are not used and would only mislead."""
    shapes = schema["components"]["schemas"]
    used: set[str] = set()
    waiting = _named_in(schema["paths"])
    while waiting:
        name = waiting.pop()
        used.add(name)
        waiting |= _named_in(shapes[name]) - used
    for name in set(shapes) - used:
        del shapes[name]


def _named_in(part: Any) -> set[str]:
    return set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(part)))
