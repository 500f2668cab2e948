from __future__ import annotations

import json
from importlib import import_module

import pytest

from viatica.config import command
from viatica.config.books import books
from viatica.config.command import VERBS, main


def test_every_verb_leads_to_a_function() -> None:
    for verb in VERBS:
        module, function = verb.run.split(":")
        assert callable(getattr(import_module(module), function)), verb.name


def test_the_verbs_of_the_design_are_all_there() -> None:
    names = {verb.name for verb in VERBS}
    assert names >= {
        "web", "worker", "up", "migrate", "doctor", "simulate", "rehearse", "sync", "reconcile", "replay", "books", "demo",
    }  # fmt: skip


def test_help_needs_no_database(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "ensure_database", None)
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "演示公司" in capsys.readouterr().out


def test_an_unknown_verb_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fly"])
    assert ended.value.code == 2
    assert "fly" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_books_of_an_empty_company_agree(capsys: pytest.CaptureFixture[str]) -> None:
    options = command._parser().parse_args(["books", "--json"])
    assert books(options) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert answer["disagreements"] == []
    assert {"budget", "ledger", "payment", "invoices"} <= set(answer["rooms"])
