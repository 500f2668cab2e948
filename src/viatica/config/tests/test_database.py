"""The embedded server: joined by many, stopped by the last, whatever way they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg

HOLD = """
import sys
from pathlib import Path
from viatica.config.database import start_embedded
print(start_embedded(Path(sys.argv[1])), flush=True)
sys.stdin.readline()
"""


def hold(home: Path) -> tuple[subprocess.Popen[str], str]:
    """A process that has joined the server, and the address it got."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    return holder, holder.stdout.readline().strip()


def leave(holder: subprocess.Popen[str]) -> None:
    holder.communicate("\n")
    assert holder.returncode == 0


def runs(home: Path) -> bool:
    return (home / "postgres" / "postmaster.pid").exists()


def is_at_work(pid: int) -> bool:
    """Not even a zombie nobody has buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_the_last_to_leave_stops_it(tmp_path: Path) -> None:
    first, url = hold(tmp_path)
    second, same = hold(tmp_path)
    assert url == same
    with psycopg.connect(url) as line:
        assert line.execute("SELECT current_setting('fsync')").fetchone() == ("on",)
    leave(first)
    assert runs(tmp_path)
    leave(second)
    assert not runs(tmp_path)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    killed, url = hold(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert runs(tmp_path)
    other, same = hold(tmp_path)
    assert same == url
    leave(other)
    assert not runs(tmp_path)


def test_a_crashed_server_is_started_again_with_its_data(tmp_path: Path) -> None:
    holder, url = hold(tmp_path)
    with psycopg.connect(url, autocommit=True) as line:
        line.execute("CREATE TABLE kept (n int)")
        line.execute("INSERT INTO kept VALUES (7)")
    pid = int((tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGQUIT)
    holder.kill()
    holder.wait()
    while is_at_work(pid):
        time.sleep(0.02)
    # What a crash leaves behind: a note that names a process which is another program by now.
    note = tmp_path / "postgres" / "postmaster.pid"
    if note.exists():
        note.write_text(note.read_text().replace(str(pid), str(os.getpid()), 1))
    again, url = hold(tmp_path)
    with psycopg.connect(url) as line:
        assert line.execute("SELECT n FROM kept").fetchone() == (7,)
    leave(again)
