"""python -m simulators.feishu --port P --json"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from simulators.feishu.app import feishu
from simulators.feishu.simulator import Simulator
from simulators.stage.command import run


def main(argv: Sequence[str] | None = None) -> int:
    return run(argv, name=("飞书", "Feishu"), build=Simulator, serve_as=feishu)


if __name__ == "__main__":
    sys.exit(main())
