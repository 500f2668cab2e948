"""python -m simulators.dingtalk --port P --json"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from simulators.dingtalk.app import dingtalk
from simulators.dingtalk.simulator import Simulator
from simulators.stage.command import run


def main(argv: Sequence[str] | None = None) -> int:
    return run(argv, name=("钉钉", "DingTalk"), build=Simulator, serve_as=dingtalk)


if __name__ == "__main__":
    sys.exit(main())
