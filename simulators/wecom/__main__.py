"""python -m simulators.wecom --port P --json"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from simulators.stage.command import run
from simulators.wecom.app import wecom
from simulators.wecom.simulator import Simulator


def main(argv: Sequence[str] | None = None) -> int:
    return run(argv, name=("企业微信", "WeCom"), build=Simulator, serve_as=wecom)


if __name__ == "__main__":
    sys.exit(main())
