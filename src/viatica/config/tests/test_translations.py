"""Every text of ours has its Chinese, finished and with the same {placeholders}."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import translation
from django.utils.translation import gettext, ngettext

from viatica.config import translations


def test_nothing_is_missing() -> None:
    assert [f"{word.place} {word.msgid}" for word in translations.missing()] == []


def test_placeholders_agree() -> None:
    assert translations.broken() == []


def test_compiled_words_are_used() -> None:
    assert translations.compile_all() > 300
    translation.trans_real._translations.clear()  # type: ignore[attr-defined]  # another test may have read the old file
    with translation.override("zh-hans"):
        assert gettext("Paid") == "已付款"
        assert (
            ngettext("{count} paper was approved.", "{count} papers were approved.", 2)
            == "已同意 {count} 张单据。"
        )


def test_contradicting_parts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, words in (("a", "付款"), ("b", "支付")):
        (tmp_path / f"{name}.po").write_text(f'msgid "Pay"\nmsgstr "{words}"\n')
    monkeypatch.setattr(translations, "PARTS", tmp_path)
    with pytest.raises(translations.CatalogueFailed, match="one word per thing"):
        translations.merged()


def test_an_unfinished_entry_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.po").write_text('#, fuzzy\nmsgid "Pay"\nmsgstr "付款"\n')
    monkeypatch.setattr(translations, "PARTS", tmp_path)
    with pytest.raises(translations.CatalogueFailed, match="fuzzy"):
        translations.merged()


def test_texts_of_templates_are_found() -> None:
    found = {word.msgid for word in translations.words() if word.place.startswith("front/templates")}
    assert {"Submit for approval", "Submit %(amount)s for approval?", "Find papers and people"} <= found
