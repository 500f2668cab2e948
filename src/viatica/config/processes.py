"""Child processes that never outlive us: started, watched, stopped in order."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
LARGEST_LOG = 20 * 1024 * 1024


def die_with_parent() -> None:
    """Linux: have the kernel end this process when the one that started it ends. Elsewhere: nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def viatica(*arguments: str) -> list[str]:
    """The command line of one of our own verbs, run by this very Python."""
    return [sys.executable, "-m", "viatica.config.command", *arguments]


def free_port(host: str, wanted: int) -> int:
    """`wanted` if nobody listens there, otherwise the next free one after it; 0: any free one."""
    for port in [*range(wanted, wanted + 20), 0] if wanted else [0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                taken: int = probe.getsockname()[1]
                return taken
    raise OSError(f"no free port on {host}")


class ChildDied(RuntimeError):
    """A child ended by itself; the message names its log."""


@dataclass(slots=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path


@dataclass(slots=True)
class Family:
    """Our children. Each writes to `logs`/<name>.log."""

    logs: Path
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> Child:
        """In a session of its own, so that Ctrl-C reaches only us and we stop the children in order."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{name}.log"
        if log.exists() and log.stat().st_size > LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as lines:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=lines, stderr=subprocess.STDOUT,
                env=dict(environment), start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def wait_for(
        self, child: Child, host: str, port: int, path: str = "/readyz", seconds: float = 60
    ) -> None:
        """Until the child answers `path` with success. Raises ChildDied, TimeoutError with what it said last."""
        end = time.monotonic() + seconds
        answer = "nothing"
        while time.monotonic() < end:
            self.check()
            try:
                with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=5):
                    return
            except urllib.error.HTTPError as error:
                answer = f"{error.code} {error.reason}"
            except OSError:
                answer = "nothing"
            time.sleep(0.05)
        raise TimeoutError(
            f"{child.name} answered {answer} for {seconds:.0f} s; see {child.log}\n{tail(child.log)}"
        )

    def check(self) -> None:
        """Raises ChildDied when one has ended."""
        for child in self.children:
            code = child.process.poll()
            if code is not None:
                raise ChildDied(f"{child.name} ended ({code}); see {child.log}\n{tail(child.log)}")

    def stop(self, seconds: float = 20) -> None:
        """The last started first; whoever does not go in time is killed."""
        for child in reversed(self.children):
            if child.process.poll() is None:
                child.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(seconds)
            if child.process.poll() is None:
                child.process.kill()
                child.process.wait()
        self.children.clear()


def tail(log: Path, lines: int = 12) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


class Stopped(Exception):
    """Somebody asked us to stop."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Inside, Ctrl-C, SIGTERM and a closed terminal raise Stopped once; later ones are ignored while we tidy up."""

    def stop(number: int, frame: FrameType | None) -> None:
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(signal.Signals(number).name)

    before = {
        number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
