"""python -m simulators.<product> --port P --json"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simulators.stage.app import Build, read_state
from simulators.stage.server import App, listen, serve


def run(
    argv: Sequence[str] | None,
    *,
    name: tuple[str, str],
    build: Build,
    serve_as: Callable[[Any, Path | None], App],
) -> int:
    """`name` is the product's, in Chinese and in English. The exit code: 1 when it could not start."""
    options = _options(argv, name[1])
    try:
        org = json.loads(options.org.read_text(encoding="utf-8")) if options.org else None
        bound = listen(options.host, options.port)
        base_url = options.public_url or f"http://{options.host}:{bound.getsockname()[1]}"
        simulator = build(base_url.rstrip("/"), seed=options.seed, org=org)
        simulator.settings.change({"latency_ms": options.latency})
    except (OSError, ValueError) as error:
        print(f"The {name[1]} simulator cannot start: {error}", file=sys.stderr)
        return 1
    if options.state and options.state.exists():
        simulator.resume(read_state(options.state))

    def announce() -> None:
        if options.json:
            print(json.dumps(simulator.facts(), ensure_ascii=False), flush=True)
        else:
            print(f"{name[0]}模拟器已启动：{simulator.base_url}", flush=True)

    serve(serve_as(simulator, options.state), bound, when_ready=announce)
    return 0


def _options(argv: Sequence[str] | None, name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"simulate {name.lower()}", description=f"A {name} to try things on."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (0: a free one)")
    parser.add_argument("--public-url", help="how others reach this server, when not by host and port")
    parser.add_argument("--json", action="store_true", help="print the connection's facts as one JSON line")
    parser.add_argument(
        "--latency", type=float, default=0.0, metavar="MS", help="every API call takes this long"
    )
    parser.add_argument("--org", type=Path, metavar="FILE", help="departments and users as JSON")
    parser.add_argument("--seed", type=int, default=0, help="identity of the app, and the dice of the faults")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="keep what people did between runs in this file"
    )
    return parser.parse_args(argv)
