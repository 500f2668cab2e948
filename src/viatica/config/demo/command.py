"""`viatica demo`: the demo company from nothing, with web, worker and a simulated OA."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import time
import unicodedata
from functools import partial
from pathlib import Path
from typing import Any

from viatica.config import simulated
from viatica.config.database import DatabaseFailed, ensure_database, start_embedded, stop_embedded
from viatica.config.demo import plan
from viatica.config.processes import ChildDied, Family, Stopped, stoppable
from viatica.config.simulated.product import Product
from viatica.config.up import prepare, step, watch

MADE = ("postgres", "archive", "static", "demo", "log", "secret_key", "seal_key")


def demo(options: argparse.Namespace) -> int:
    home = Path(os.environ["VIATICA_HOME"])
    if options.reset:
        return reset(home)
    os.environ["VIATICA_DEMO"] = "true"
    print("行资 Viatica · 演示公司 demo company", flush=True)
    family = Family(home / "log")
    try:
        with stoppable(), _only_one(home):
            _run(family, home, options.oa, seed_only=options.seed_only)
    except Stopped:
        pass
    except (ChildDied, DatabaseFailed, DatabaseInUse, TimeoutError, AlreadyRunning, AnotherOA) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    finally:
        if family.children:
            print("\n  停止中 · stopping …", flush=True)
        family.stop()
        stop_embedded(home)
    return 0


def _run(family: Family, home: Path, oa: str, *, seed_only: bool) -> None:
    started = time.monotonic()
    folder = home / "demo"
    if (folder / "making").exists():
        with step("清除上次未完成的数据 · clearing a half-made company"):
            clear(home)
    with step("数据库 · PostgreSQL"):
        ensure_database(home)
    with step("数据库结构 · migrations"):
        prepare(home)
    from viatica.config.simulated import starting

    product = _product(folder, oa)
    facts = _make_company(family, folder, product)
    if seed_only:
        return
    with step("网站与后台 · web and worker"):
        url = starting.serve(family, product, facts)
    print(f"  ✓ 就绪 · ready · {time.monotonic() - started:.1f} s\n", flush=True)
    print(welcome(url, product, facts["base_url"], folder / "invoices"), flush=True)
    watch(family)


def _product(folder: Path, oa: str) -> Product:
    """The OA asked for; later starts keep the one the company was made with. Raises AnotherOA."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "oa"
    made_with = kept.read_text() if kept.exists() else ""
    if made_with and oa and oa != made_with:
        raise AnotherOA(
            f"演示公司用的是 {made_with}：先 make demo-reset。 Made with {made_with}: reset first."
        )
    kept.write_text(made_with or oa or "dingtalk")
    return simulated.of(kept.read_text())


def _make_company(family: Family, folder: Path, product: Product) -> dict[str, Any]:
    """The company, if the database is empty, and its OA. What the simulator says of itself."""
    from viatica.config.demo import seed
    from viatica.config.demo.folder import fill
    from viatica.config.simulated import starting
    from viatica.kernel import clock
    from viatica.spine.models import Connection

    at = clock.now()
    company = None
    if seed.is_empty():
        # While this mark lies here the company is half made, and a new start clears it away.
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "making").touch()
        with step("公司、部门与员工 · company, departments, people"):
            company = seed.people_and_places(at=at)
            starting.write_organisation(company, product, folder)
    with step(f"模拟{product.name} · simulated {product.english}"):
        facts = starting.start(family, folder, product)
    if company is not None:
        with step("三个月的差旅与报销 · three months of trips and reports"):
            connect = partial(starting.connect, company, product, facts, uses=product.uses)
            seed.three_months(company, connect=connect, at=at, folder=folder)
        with step("示例发票 · sample invoices"):
            fill(folder / "invoices", traveller="林晓雨")
        (folder / "making").unlink()
    else:
        # Ports may differ from the last run.
        connection = Connection.objects.get(slug=product.kind)
        starting.point_at(connection, product, facts)
        connection.save(update_fields=["settings", "secrets_sealed"])
    return facts


# One at a time, and starting over


class AlreadyRunning(RuntimeError):
    pass


class AnotherOA(RuntimeError):
    pass


class DatabaseInUse(RuntimeError):
    pass


@contextlib.contextmanager
def _only_one(home: Path) -> Any:
    import fcntl

    home.mkdir(parents=True, exist_ok=True)
    with (home / "demo.running").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(
                "演示已在运行：先按 Ctrl-C 停止它。 The demo is running: stop it first."
            ) from error
        yield


def reset(home: Path) -> int:
    """Throw away what the demo made; only where the demo made it."""
    if (home / "postgres").exists() and not (home / "demo").exists():
        print(f"✗ {home} 不是演示数据，未删除。 Not made by the demo; nothing was deleted.", file=sys.stderr)
        return 1
    try:
        with _only_one(home):
            clear(home)
    except (AlreadyRunning, DatabaseInUse) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    print("✓ 已清空；make demo 重新开始。 Cleared; `make demo` starts over.")
    return 0


def clear(home: Path) -> None:
    """Raises DatabaseInUse."""
    if (home / "postgres").exists():
        start_embedded(home)
        if not stop_embedded(home):
            raise DatabaseInUse("数据库正被别的命令使用。 Another command is using the database.")
    for name in MADE:
        path = home / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


# The welcome


def welcome(url: str, product: Product, oa_url: str, invoices: Path) -> str:
    people = [(role.name, role.login, role.part) for role in plan.CAST if role.part]
    rows = [
        ("网站 · Viatica", url),
        (f"模拟{product.name} · {product.english}", f"{oa_url}/u/zhouming"),
        ("示例发票 · invoices", str(invoices)),
        ("接口文档 · API", f"{url}/api/v1/docs"),
    ]
    lines = [f"  {_wide(label, 22)}{value}" for label, value in rows]
    lines += ["", f"  登录 · sign in（密码 · password：{plan.PASSWORD}）"]
    lines += [f"  {_wide(name, 8)}{_wide(login, 14)}{part}" for name, login, part in people]
    lines += [
        "",
        "  先试试 · try this",
        "  1. 用 linxiaoyu 登录，打开“南京”出差，新建报销，把示例发票拖进去，提交。",
        "     Sign in as linxiaoyu, open the 南京 trip, start a report, drop the invoices in, submit.",
        f"  2. 在模拟{product.name}里以周明的身份同意；报销单页面会立即变化。",
        f"     Approve as 周明 in the simulated {product.english}; the report's page changes at once.",
        "  3. 用 suwanqing 审核，用 jinke 建付款批次，用 qiansiyuan 确认付款。",
        "     Audit as suwanqing, make the payment batch as jinke, confirm it as qiansiyuan.",
        "",
        "  Ctrl-C 停止全部 · stops everything",
    ]
    return "\n".join(lines)


def _wide(text: str, width: int) -> str:
    """Padded on the screen, where a Chinese character takes two places."""
    taken = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    return text + " " * max(1, width - taken)
