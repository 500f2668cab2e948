"""A printed invoice read by where its words stand, for PDF and OFD without tags.

Both parties' labels often come before both values in the stream, so the order of the text means nothing; only
places do. Source: domain facts §5.2.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from . import amounts, assemble
from .reading import NUMBERED_ALONE, Kind, Raw, SeveralInvoices, Source

# Radicals that fonts map ordinary characters to and NFKC leaves alone (U+2E80 block).
RADICALS = str.maketrans(
    "⻋⻔⻚⻓⻢⻄⻅⻆⻉⻛⻝⻥⻦⻩⻨⻬⻮⻰⻳⺠⻘⻑⻤⻁⺩⻜",
    "车门页长马西见角贝风食鱼鸟黄麦齐齿龙龟民青长鬼虎王飞",
)
TAX_ID = re.compile(r"(?<![0-9A-Z])(?:[0-9A-Z]{15}|[0-9A-Z]{17,18}|[0-9A-Z]{20})(?![0-9A-Z])")
DATE = re.compile(r"20\d{2}年\d{1,2}月\d{1,2}日")
OTHER_INVOICE = re.compile(r"(被红冲|对应正数|原)[^:]{0,16}号码:?\d*")
"""A red invoice and a remark name other invoices."""
TWENTY = re.compile(r"(?<!\d)\d{20}(?!\d)")
MONEY = re.compile(r"[¥￥]\s*(-?[\d,]+\.\d{1,2}|\*+)")
PLAIN_MONEY = re.compile(r"-?\d[\d,]*\.\d{2}")
RATE = re.compile(r"\d{1,2}(?:\.\d+)?%|免税|不征税|\*{2,}")
DAY = re.compile(r"20\d{2}[-年/.]\d{1,2}[-月/.]\d{1,2}日?")
TRIP_HEADS = {
    "出行人": "traveller",
    "有效身份证件号": "identity",
    "出行日期": "day",
    "出发地": "start",
    "到达地": "end",
    "等级": "grade",
    "交通工具类型": "vehicle",
}
TABLES = ("出行人", "车牌号", "运输工具种类", "建筑服务发生地", "不动产单元")
"""Headings of the tables that may follow the lines."""
LABEL_WORDS = frozenset("购买销售方信息名称统一社会信用代码纳税人识别号:/地址、电话开户行及账密区备注")


@dataclass(frozen=True, slots=True)
class Run:
    """Text at a place, any unit, y growing downwards."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    page: int = 0

    @property
    def middle(self) -> float:
        return (self.y0 + self.y1) / 2

    @property
    def center(self) -> float:
        return (self.x0 + self.x1) / 2


@dataclass(frozen=True, slots=True)
class Row:
    """Runs on one line, left to right."""

    runs: tuple[Run, ...]

    @property
    def text(self) -> str:
        return "".join(run.text for run in self.runs)

    @property
    def middle(self) -> float:
        return sum(run.middle for run in self.runs) / len(self.runs)


def tidy(text: str) -> str:
    """NFKC, radicals back to characters, no blanks and NULs: what labels are matched against."""
    kept = unicodedata.normalize("NFKC", text).translate(RADICALS)
    return "".join(c for c in kept if not c.isspace() and unicodedata.category(c)[0] != "C")


def rows_of(runs: Iterable[Run]) -> list[Row]:
    """Runs grouped by line: top to bottom, page by page."""
    rows: list[list[Run]] = []
    for run in sorted(runs, key=lambda r: (r.page, r.middle, r.x0)):
        if rows:
            first = rows[-1][0]
            tall = max(min(run.y1 - run.y0, first.y1 - first.y0), 0.1)
            if run.page == first.page and abs(run.middle - first.middle) < 0.5 * tall:
                rows[-1].append(run)
                continue
        rows.append([run])
    return [Row(tuple(sorted(row, key=lambda r: r.x0))) for row in rows]


def read(runs: Sequence[Run], width: float, name: str, source: Source = Source.TEXT) -> Raw:
    """What the page says; `width` of the page in the runs' unit. Raises SeveralInvoices."""
    cleaned = [
        Run(text, run.x0, run.y0, run.x1, run.y1, run.page) for run in runs if (text := tidy(run.text)) != ""
    ]
    page = _Page(rows_of(cleaned), width, name)
    said = Raw(source)
    page.say(said)
    return said


class _Page:
    def __init__(self, rows: list[Row], width: float, name: str) -> None:
        self.rows = rows
        self.width = width
        self.name = name
        self.whole = "\n".join(row.text for row in rows)
        self.kind = assemble.kind_of_title(self.whole)

    @property
    def is_digital(self) -> bool:
        return self.kind in NUMBERED_ALONE or (self.kind is None and TWENTY.search(self.whole) is not None)

    def say(self, said: Raw) -> None:
        if self.kind:
            said.say("kind", self.kind)
        self._numbers(said)
        said.say("issued", self._issued())
        self._parties(said)
        self._totals(said)
        said.items = self._items()
        said.trips = self._trips()
        if re.search(r"差额征税", self.whole):
            said.say("differential", "yes")
        if found := assemble.RED_NOTE.search(self.whole):
            said.say("red", "yes")
            said.say("remark", found[0])
        if self.kind is Kind.RAIL:
            self._fare(said)

    # ── number, code, date ────────────────────────────────────────────────

    def _numbers(self, said: Raw) -> None:
        if self.is_digital:
            labelled = self._labelled("发票号码", TWENTY)
            if len(set(labelled)) > 1:
                raise SeveralInvoices(name=self.name, numbers=", ".join(dict.fromkeys(labelled)))
            said.say("number", next(iter(labelled), None) or self._first(TWENTY))
            return
        eight, code = re.compile(r"(?<!\d)\d{8}(?!\d)"), re.compile(r"(?<!\d)(?:\d{12}|\d{10})(?!\d)")
        said.say("code", next(iter(self._labelled("发票代码", code)), None))
        numbers = self._labelled("发票号码", eight)
        if len(set(numbers)) > 1:
            raise SeveralInvoices(name=self.name, numbers=", ".join(dict.fromkeys(numbers)))
        said.say("number", next(iter(numbers), None))
        check = re.compile(r"(?<!\d)\d{20}(?!\d)")
        said.say("check_code", next(iter(self._labelled("校验码", check)), None))

    def _labelled(self, label: str, pattern: re.Pattern[str]) -> list[str]:
        """What matches behind `label` on its line; for labels whose values were moved, near it on the right."""
        found = []
        for row in self.rows:
            text = OTHER_INVOICE.sub("", row.text)
            if label not in text:
                continue
            behind = text.split(label, 1)[1]
            if match := pattern.search(behind):
                found.append(match[0])
            else:
                found += self._near(row, label, pattern)
        return found

    def _near(self, row: Row, label: str, pattern: re.Pattern[str]) -> list[str]:
        """Values printed a little above or below their label."""
        tall = max(run.y1 - run.y0 for run in row.runs)
        label_x = next((run.x0 for run in row.runs if label[-2:] in run.text or label[0] in run.text), 0.0)
        near = [
            run
            for other in self.rows
            for run in other.runs
            if run.page == row.runs[0].page
            and abs(run.middle - row.middle) <= 1.2 * tall
            and run.x0 >= label_x
        ]
        near.sort(key=lambda run: abs(run.middle - row.middle))
        return [match[0] for run in near if (match := pattern.search(run.text))][:1]

    def _first(self, pattern: re.Pattern[str]) -> str | None:
        return match[0] if (match := pattern.search(self.whole)) else None

    def _issued(self) -> str | None:
        return next(iter(self._labelled("开票日期", DATE)), None) or self._first(DATE)

    # ── parties ───────────────────────────────────────────────────────────

    def _parties(self, said: Raw) -> None:
        if self.is_digital:
            top, bottom = self._above_items()
            region = [row for row in self.rows if top <= row.middle < bottom and row.runs[0].page == 0]
            half = self.width / 2
            left = [Row(runs) for row in region if (runs := tuple(r for r in row.runs if r.x0 < half))]
            right = [Row(runs) for row in region if (runs := tuple(r for r in row.runs if r.x0 >= half))]
            self._party(said, "buyer", left)
            self._party(said, "seller", right)
            return
        # Old form: buyer on top, seller at the foot; the right side holds the password area and remarks.
        front = [row for row in self.rows if row.runs[0].page == 0]
        items = next((row.middle for row in front if _is_item_header(row)), None)
        if items is None:
            return
        inner = self.width * 0.6
        clipped = [Row(runs) for row in front if (runs := tuple(r for r in row.runs if r.x0 < inner))]
        date_row = next((row.middle for row in front if "开票日期" in row.text), -1.0)
        self._party(said, "buyer", [row for row in clipped if date_row < row.middle < items])
        total = next((row.middle for row in front if "价税合计" in row.text), items)
        self._party(said, "seller", [row for row in clipped if row.middle > total])

    def _above_items(self) -> tuple[float, float]:
        bottom = next((row.middle for row in self.rows if _is_item_header(row)), float("inf"))
        top = next((row.middle for row in self.rows if "开票日期" in row.text), -1.0)
        if top >= bottom:
            top = -1.0
        return top + 0.01, bottom

    def _party(self, said: Raw, who: str, region: list[Row]) -> None:
        tax_ids = [
            match[0]
            for row in region
            for match in TAX_ID.finditer(_behind_label(row.text))
            if not match[0].isalpha() and match[0] != said.texts.get("number")
        ]
        said.say(f"{who}_tax_id", tax_ids[0] if tax_ids else None)
        said.say(f"{who}_name", _name(region))

    # ── totals ────────────────────────────────────────────────────────────

    def _totals(self, said: Raw) -> None:
        stated = [match[1] for row in self.rows for match in MONEY.finditer(row.text)]
        total_row = next((row for row in reversed(self.rows) if "价税合计" in row.text), None)
        sum_row = self._sum_row(total_row)
        net = tax = total = None
        if sum_row is not None:
            found = [match[1] for match in MONEY.finditer(sum_row.text)] or PLAIN_MONEY.findall(sum_row.text)
            net = found[0] if found else None
            tax = found[1] if len(found) > 1 else None
        if total_row is not None:
            behind = total_row.text.split("小写", 1)[-1]
            match = MONEY.search(behind) or PLAIN_MONEY.search(behind)
            total = match[match.lastindex or 0] if match else None
        words = self._words(total_row)
        if words:
            said.say("words", words)
        net, tax, total = _made_to_tie(net, tax, total, words, stated)
        said.say("net", net)
        said.say("tax", tax)
        said.say("total", total)

    def _sum_row(self, total_row: Row | None) -> Row | None:
        """The line 合计; where its two characters are lost (fonts that are nowhere), the amounts above the total."""
        labelled = next(
            (row for row in reversed(self.rows) if re.match(r"合计", _skip_vertical(row.text))), None
        )
        if labelled is not None or total_row is None:
            return labelled
        page = total_row.runs[0].page
        above = [row for row in self.rows if row.runs[0].page == page and row.middle < total_row.middle]
        return next((row for row in reversed(above) if MONEY.search(row.text)), None)

    def _words(self, total_row: Row | None) -> str | None:
        rows = ([total_row] if total_row else []) + [row for row in self.rows if row is not total_row]
        for row in rows:
            text = row.text.split("大写", 1)[-1].lstrip("):") if "大写" in row.text else row.text
            for match in amounts.WORDS.finditer(text):
                if (
                    len(match[0]) >= 3
                    and match[0][-1] in "整正元圆角分"
                    and amounts.in_words(match[0]) is not None
                ):
                    return match[0]
        return None

    # ── lines ─────────────────────────────────────────────────────────────

    def _items(self) -> list[dict[str, str]]:
        items: list[dict[str, str]] = []
        inside = False
        for row in self.rows:
            bare = _skip_vertical(row.text)
            if _is_item_header(row):
                inside = True
            elif re.match(r"(合计|小计)", bare) or any(mark in bare for mark in ("价税合计", *TABLES)):
                inside = False
            elif inside:
                self._item_row(row, items)
        # 详见销货清单 stands for the lines of the list that follows.
        listed = [item for item in items if "详见" not in item["name"]]
        return listed or items

    def _item_row(self, row: Row, items: list[dict[str, str]]) -> None:
        tokens = [run.text for run in row.runs]
        place = next((n for n, token in enumerate(tokens) if RATE.fullmatch(token)), None)
        if place is None or place == 0 or not PLAIN_MONEY.fullmatch(tokens[place - 1]):
            wrapped = [run.text for run in row.runs if run.x0 < self.width * 0.25]
            is_name = (
                wrapped and not wrapped[0].startswith("*") and not any(map(PLAIN_MONEY.fullmatch, tokens))
            )
            if items and is_name:
                items[-1]["name"] += "".join(wrapped)
            return
        names = [
            token for token in tokens[:place] if not PLAIN_MONEY.fullmatch(token) and not token.isdigit()
        ]
        name = next((token for token in names if token.startswith("*")), names[0] if names else "")
        behind = tokens[place + 1] if place + 1 < len(tokens) else ""
        items.append({"name": name, "net": tokens[place - 1], "rate": tokens[place], "tax": behind})

    def _trips(self) -> list[dict[str, str]]:
        """The table of 旅客运输服务: each heading's left edge begins its column."""
        trips: list[dict[str, str]] = []
        columns: list[tuple[float, str]] = []
        for row in self.rows:
            if "出行人" in row.text:
                columns = [(run.x0, TRIP_HEADS[run.text]) for run in row.runs if run.text in TRIP_HEADS]
            elif columns and re.match(r"(合计|价税合计)", _skip_vertical(row.text)):
                break
            elif columns:
                cells: dict[str, str] = {}
                for run in row.runs:
                    column = [name for x, name in columns if x <= run.x0 + (run.y1 - run.y0)]
                    if column:
                        cells[column[-1]] = cells.get(column[-1], "") + run.text
                cells.pop("identity", None)  # nobody needs the passenger's ID number
                if cells.get("day") and DAY.fullmatch(cells["day"]):
                    trips.append(cells)
        return trips

    # ── rail: the face shows only the fare ────────────────────────────────

    def _fare(self, said: Raw) -> None:
        match = re.search(r"票价:?[¥￥]?(\d+\.\d{2})", self.whole) or MONEY.search(self.whole)
        if match and "total" not in said.texts:
            said.say("total", match[1])
        station = re.search(r"购买方名称:?([^\n]+?)(?:统一|$)", self.whole, re.MULTILINE)
        if station and "buyer_name" not in said.texts:
            said.say("buyer_name", station[1])
        tax_id = re.search(r"统一社会信用代码:?([0-9A-Z]{15,20})", self.whole)
        if tax_id and "buyer_tax_id" not in said.texts:
            said.say("buyer_tax_id", tax_id[1])


def _is_item_header(row: Row) -> bool:
    return "项目名称" in row.text or "货物或应税劳务" in row.text


def _skip_vertical(text: str) -> str:
    """A row without the single characters of 购买方信息 that stand beside it."""
    return re.sub(r"^[购买销售方信息密码区备注]{0,2}(?=合计|价税)", "", text)


def _behind_label(text: str) -> str:
    """The text of a row with the labels cut off, so that their Latin letters and digits never count."""
    return re.split(r"(?:统一社会信用代码/)?纳税人识别号:?|统一社会信用代码:?", text)[-1]


def _name(region: list[Row]) -> str | None:
    """The party's name: behind 名称:, on one or two lines, above the line of the tax number."""
    for row in region:
        label = next((run for run in row.runs if "称:" in run.text), None)
        if label is not None:
            return _behind_name_label(label, region) or None
    candidates = [
        run.text
        for row in region
        for run in row.runs
        if not _is_label(run.text) and re.search(r"(公司|厂|店|中心|学|院|所|局|行|社|部|会|个人)$", run.text)
    ]
    return max(candidates, key=len, default=None)


def _behind_name_label(label: Run, region: list[Row]) -> str:
    """Runs right of the label, on its line or (moved off it, or a second line) just above or below."""
    tall = label.y1 - label.y0
    own = label.text.split("称:", 1)[1]
    found = [(label.middle, label.x0, own)] if own else []
    for row in region:
        if any(mark in row.text for mark in ("识别号", "信用代码", "地址", "开户")):
            continue
        found += [
            (run.middle, run.x0, run.text)
            for run in row.runs
            if run is not label
            and abs(run.middle - label.middle) < 1.4 * tall
            and run.x0 > label.x0
            and not _is_label(run.text)
            and not TAX_ID.fullmatch(run.text)
        ]
    lines: list[list[tuple[float, float, str]]] = []
    for part in sorted(found):
        if lines and part[0] - lines[-1][0][0] < 0.3 * tall:
            lines[-1].append(part)
        else:
            lines.append([part])
    return "".join(text for line in lines for _, _, text in sorted(line, key=lambda part: part[1]))


def _is_label(text: str) -> bool:
    return len(text) <= 1 or all(letter in LABEL_WORDS for letter in text)


def _made_to_tie(
    net: str | None, tax: str | None, total: str | None, words: str | None, stated: list[str]
) -> tuple[str | None, str | None, str | None]:
    """The ties of an invoice tell a right reading from a wrong one: try the amounts found until they hold."""
    values = [amounts.figure(text or "") for text in (net, tax, total)]
    if values[0] is not None and values[2] is not None:
        return net, tax, total
    spoken = amounts.in_words(words) if words else None
    if total is None and spoken is not None:
        total = str(spoken)
    pool = [value for text in stated if (value := amounts.figure(text)) is not None]
    whole = amounts.figure(total) if total else max(pool, default=None)
    if whole is None:
        return net, tax, total
    for first, second in combinations(pool, 2):
        if first + second == whole and first != whole and second != whole:
            larger, smaller = max(first, second), min(first, second)
            return str(larger), str(smaller), str(whole)
    return net, tax, str(whole)
