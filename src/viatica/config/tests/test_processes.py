"""Children never outlive us."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from viatica.config.processes import ChildDied, Family, Stopped, free_port, stoppable

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT = """
import os, sys, time
from pathlib import Path
from viatica.config.processes import Family
child = Family(Path(sys.argv[1])).start("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], os.environ)
print(child.process.pid, flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def until(what: object, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if callable(what) and what():
            return True
        time.sleep(0.02)
    return False


def test_a_child_that_does_not_go_is_killed(tmp_path: Path) -> None:
    family = Family(tmp_path)
    child = family.start("stubborn", [sys.executable, "-c", STUBBORN], os.environ)
    assert until(lambda: "up" in child.log.read_text())
    family.stop(seconds=0.2)
    assert child.process.returncode == -signal.SIGKILL
    assert family.children == []


def test_a_child_that_ends_is_reported_with_what_it_said(tmp_path: Path) -> None:
    family = Family(tmp_path)
    child = family.start(
        "short", [sys.executable, "-c", "import sys; sys.exit('no such tenant')"], os.environ
    )
    child.process.wait()
    with pytest.raises(ChildDied, match="no such tenant"):
        family.check()
    family.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_children_of_a_killed_parent_end(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_alive(child)
    parent.kill()
    parent.wait()
    assert until(lambda: not is_alive(child))


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) != port


def test_being_asked_to_stop_is_an_exception_once() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped), stoppable():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert signal.getsignal(signal.SIGTERM) == before
