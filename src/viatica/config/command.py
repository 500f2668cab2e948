"""The `viatica` command. A verb is one function, here or in the room that owns it, named in the table below."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from viatica.config.database import DatabaseFailed, ensure_database


def option(*names: str, **settings: Any) -> Callable[[argparse.ArgumentParser], None]:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(*names, **settings)

    return add


def moment(text: str) -> datetime:
    """ISO 8601; without a zone it is UTC."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


OAS = ("dingtalk", "feishu", "wecom")  # those we can simulate
JSON = option("--json", action="store_true", help="机器可读 · one JSON object")
CONNECTION = option("--connection", metavar="SLUG", help="只处理这一个连接 · only this connection")


@dataclass(frozen=True, slots=True)
class Verb:
    """`run` is "module:function"; the function takes the parsed options and returns the exit code.

    `database`: with the database's address known, the embedded one started. `django`: with Django set up, too.
    """

    name: str
    help: str
    run: str
    options: tuple[Callable[[argparse.ArgumentParser], None], ...] = ()
    database: bool = True
    django: bool = True
    log_level: str = "WARNING"  # when the environment does not say; what serves says more


VERBS = (
    Verb(
        "up", "启动全部：数据库、网站、后台 · database, migrations, web and worker", "viatica.config.up:up",
        django=False,
    ),
    Verb(
        "demo", "演示公司 · the demo company with a simulated OA", "viatica.config.demo.command:demo",
        (
            option("--oa", choices=OAS, default="", help="在哪里审批 · where approvals happen"),
            option("--reset", action="store_true", help="清空演示数据 · throw the demo data away"),
            option("--seed-only", action="store_true", help="只造数据，不启动 · make the data and stop"),
        ),
        database=False, django=False,
    ),
    Verb(
        "web", "网站与接口 · pages, API and callbacks", "viatica.config.web:serve",
        (option("--host"), option("--port", type=int, help="0：任一空闲端口 · any free one")),
        django=False,
    ),
    Verb("worker", "后台投递与定时任务 · deliveries and scheduled jobs", "viatica.spine.command:worker", log_level="INFO"),
    Verb("migrate", "升级数据库结构 · bring the database up to date", "viatica.config.up:migrate"),
    Verb("doctor", "体检 · check configuration, database, clock, keys, connections", "viatica.config.doctor:doctor", (JSON,)),
    Verb(
        "simulate", "模拟一个 OA · a simulated OA", "viatica.config.simulate:simulate",
        (option("oa", choices=OAS), option("rest", nargs=argparse.REMAINDER)),
        database=False, django=False,
    ),
    Verb(
        "rehearse", "彩排：一张报销单的一生 · play a whole report's life and prove the promises",
        "viatica.config.rehearse.command:rehearse",
        (
            option("--oa", choices=[*OAS, "none"], default="dingtalk", help="在哪里审批 · where approvals happen"),
            option("--mode", choices=["A", "B"], default="A", help="A：OA 的流程；B：行资的流程，OA 里办 · whose flow decides"),
            option("--invoice", nargs="+", action="extend", type=Path, default=[], metavar="FILE", help="发票文件 · invoice files"),
            option("--chaos", action="store_true", help="打开模拟器的故障 · with the simulator's faults"),
            option("--seed", type=int, default=0, help="故障的骰子 · the dice of the faults"),
            option("--here", action="store_true", help="用正在运行的系统 · play on the house that runs here"),
            JSON,
        ),
        database=False, django=False,
    ),
    Verb(
        "connect", "接上一个 OA · make or change a connection", "viatica.config.connect:connect",
        (
            option("slug", help="回调地址的末段 · its callbacks arrive at /hooks/<slug>"),
            option("file", type=Path, help="JSON 文件，- 为标准输入 · a JSON file, - for standard input"),
        ),
    ),
    Verb(
        "sync", "同步通讯录 · read the directory of an OA and merge what differs", "viatica.config.outside:sync",
        (
            option("connection", nargs="?", metavar="CONNECTION", help="不写则全部 · none: all used for it"),
            option("--apply", action="store_true", help="首次或离职过多时也合并 · even then"),
            JSON,
        ),
    ),
    Verb("reconcile", "与 OA 对账 · compare both sides and heal", "viatica.spine.command:reconcile", (CONNECTION, JSON)),
    Verb(
        "replay", "重投停住的消息 · send parked messages again", "viatica.spine.command:replay",
        (
            option("ids", nargs="*", type=int, metavar="ID", help="不写则全部 · none: all parked ones"),
            CONNECTION,
            option("--since", type=moment, metavar="TIME", help="此后的 · only those put since then (ISO 8601)"),
            option("--dry-run", action="store_true", help="只看不做 · only list them"),
            JSON,
        ),
    ),
    Verb("books", "核对账目 · re-add the money books", "viatica.config.books:books", (JSON,)),
    Verb(
        "reference", "生成参考文档 · write the reference pages", "viatica.config.reference:reference",
        (option("folder", type=Path),),
    ),
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "viatica.config.settings")
    home = Path(os.environ.get("VIATICA_HOME", "var")).absolute()
    os.environ["VIATICA_HOME"] = str(home)
    try:
        if arguments[:1] == ["manage"]:
            return _manage(arguments[1:], home)
        options = _parser().parse_args(arguments)
        if options.verb.database:
            ensure_database(home)
        if options.verb.django:
            _set_up(options.verb.log_level)
    except DatabaseFailed as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    module, function = options.verb.run.split(":")
    code: int = getattr(import_module(module), function)(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="viatica", description="行资 Viatica：差旅报销 · travel and expense, approved in your OA."
    )
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in VERBS:
        own = verbs.add_parser(verb.name, help=verb.help, description=verb.help)
        for add in verb.options:
            add(own)
        own.set_defaults(verb=verb)
    verbs.add_parser("manage", help="Django 管理命令 · Django's own commands")
    return parser


def _set_up(log_level: str) -> None:
    import django

    from viatica.config import logs

    django.setup()
    logs.configure(os.environ.get("VIATICA_LOG_LEVEL", log_level))


def _manage(arguments: list[str], home: Path) -> int:
    from django.core.management import execute_from_command_line

    ensure_database(home)
    execute_from_command_line(["viatica manage", *arguments])
    return 0


if __name__ == "__main__":
    sys.exit(main())
