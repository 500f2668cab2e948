"""A worker without scheduled jobs, so that none falls into a measurement. `bench.deliver` is answered at once."""

from __future__ import annotations

import signal
from types import FrameType

import django

django.setup()

from viatica.config import logs  # noqa: E402 - Django comes first
from viatica.spine.outcomes import Delivery, Done, Outcome  # noqa: E402
from viatica.spine.relay import Worker, deliver_with  # noqa: E402


def receive(delivery: Delivery) -> Outcome:
    return Done({"id": delivery.id})


def main() -> None:
    logs.configure("WARNING")
    deliver_with("bench.deliver", receive)
    worker = Worker()

    def stop(_number: int, _frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    worker.run()


if __name__ == "__main__":
    main()
