"""Every test that asks for the database gets a real PostgreSQL: `DATABASE_URL`, or the embedded one in var/test."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("VIATICA_HOME", str(Path(__file__).parent / "var" / "test"))
os.environ["DJANGO_SETTINGS_MODULE"] = "viatica.config.settings"

from viatica.config.database import ensure_database, forget_dead_tests

pytest.register_assert_rewrite("viatica.connectors.testing", "viatica.connectors.conformance")

# Tests kill processes, never the machine: what the kernel has is safe enough, and much faster.
if "DATABASE_URL" not in os.environ:
    forget_dead_tests(
        ensure_database(Path(os.environ["VIATICA_HOME"]), "fsync = off\nfull_page_writes = off\n")
    )


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """Partitioned tables are ours to make, so Django does not empty them after a transactional test unless told to."""
    from viatica.spine.models import Attempt, Exchange, Fact

    Attempt._meta.managed = Exchange._meta.managed = Fact._meta.managed = True


# Where everything a test needs can be installed (.ci/run), a skipped test is a broken promise.
NO_SKIPS = os.environ.get("VIATICA_NO_SKIPS") == "1"
MAY_BE_ABSENT = "VIATICA_SAMPLES"  # files of a customer, not ours to install


def _is_broken_promise(report: Any) -> bool:
    if not (NO_SKIPS and report.skipped) or hasattr(report, "wasxfail"):
        return False
    return MAY_BE_ABSENT not in str(report.longrepr)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _is_broken_promise(report):
        report.outcome = "failed"
        report.longrepr = f"skipped, where nothing may be (VIATICA_NO_SKIPS=1): {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if _is_broken_promise(report):
        report.outcome = "failed"
        report.longrepr = f"skipped, where nothing may be (VIATICA_NO_SKIPS=1): {report.longrepr}"
    return report
