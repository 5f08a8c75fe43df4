"""Compare what a page, a section or a figure says with a text kept beside the tests.

`HOWFAR_SNAPSHOTS=write pytest …` writes the texts anew; read what changed with ``git diff``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from difflib import unified_diff
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import to_hex

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from howfar.report.section import Section, Table

WRITE = os.environ.get("HOWFAR_SNAPSHOTS") == "write"
_VARIES = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}( UTC|\+00:00)?|\d{4}-\d{2}-\d{2}|/tmp/[^\s'\",<]*/|0\.1\.\d+\S*")


def check(text: str, file: Path, base: Path | None = None) -> None:
    """Assert that a text is the one in `file`, dates and folders aside; with a `base`, `file` holds what differs from that."""
    text = _VARIES.sub("…", text).rstrip() + "\n"
    if base is not None:
        lines = [each.splitlines() for each in (base.read_text(encoding="utf-8"), text)]
        text = "\n".join(line for line in unified_diff(*lines, base.stem, n=0, lineterm="") if not line.startswith("@@")) + "\n"
    if WRITE:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


MARKS = {"h1": "# ", "h2": "\n## ", "h3": "\n### ", "li": "- ", "summary": "▸ ", "figcaption": "  ", "dt": "  "}
BLOCKS = {*MARKS, "p", "tr", "pre", "br"}
HIDDEN = {"style", "script", "svg", "title", "caption", "nav"}


class _Reader(HTMLParser):
    """Read the text of a page, a line a block: headings, sentences, rows of tables, figures with their captions."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self.hidden = 0
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.hidden += tag in HIDDEN
        if tag in BLOCKS:
            self.lines.append(MARKS.get(tag, "! " if named.get("class") == "caution" else ""))
        elif tag == "figure":
            self.lines.append(f"[{named['id']}]")
        elif named.get("role") == "img":
            self.lines.append(f"  {named['aria-label']}")
        elif tag in ("td", "th") and not self.lines[-1].endswith("\n") and self.lines[-1]:
            self.lines[-1] += " | "
        self._add({"strong": "**", "dd": " = "}.get(tag, ""))

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in HIDDEN
        self._add("**" if tag == "strong" else "")

    def handle_data(self, data: str) -> None:
        self._add(data if data.strip() else " ")

    def _add(self, text: str) -> None:
        if not self.hidden and self.lines:
            self.lines[-1] += text


def page_text(html: str) -> str:
    """Return what a reader of a page sees, a line a block; versions and words explained are left out."""
    body = html[html.index("<body") :]
    lines = [
        re.sub(r"[ \n\u00a0]+", " ", line).strip() if "##" not in line else "\n" + line.strip() for line in _Reader(body).lines
    ]
    text = "\n".join(line for line in lines if line)
    text = re.sub(r"\n+## Words\n.*", "", text, flags=re.DOTALL)
    return re.sub(r"(### Versions).*?(?=\n\n|\Z)", r"\1", text, flags=re.DOTALL)


def section_text(section: Section) -> str:
    """Return what a section says: its answer, sentences, tables with their columns, captions of figures, and limits."""
    lines = [f"> {section.lead}", *section.sentences]
    for part in section.parts:
        if hasattr(part, "table"):
            lines += ["", f"### {part.label + ': ' if part.label else ''}{part.title} ({part.name})", part.text]
            lines += [*_table(part.table), *(["printed:", *_table(part.printed)] if part.printed else [])]
        else:
            caption = part.caption
            lines += ["", f"[{part.name}] {part.label}", f"  {caption.title}. {caption.text}", f"  {caption.alternative}"]
    return "\n".join(line for line in [*lines, "", *(f"- {limit}" for limit in section.limits)] if line is not None)


def _table(table: Table) -> Iterator[str]:
    yield " | ".join(column.title for column in table.columns)
    for row in table.rows:
        yield " | ".join(f"**{cell.text}**" if cell.strong else cell.text for cell in row)
    yield from (f"  {column.title} = {column.explanation}" for column in table.columns if column.explanation)


def figure_text(figure: Figure) -> str:
    """Return what a figure shows: title, and by panel labels, marks with their places, and texts."""
    lines = [f"# {figure._suptitle.get_text()}" if figure._suptitle else "#"]  # type: ignore[attr-defined]  # no public way
    for axes in figure.axes:
        lines += ["", *_panel(axes)]
    for legend in figure.legends:
        lines.append("legend: " + "; ".join(text.get_text() for text in legend.get_texts()))
    return re.sub(r"_child\d+", "_child", "\n".join(lines).replace("\n\n\n", "\n\n"))


def _panel(axes: Axes) -> Iterator[str]:
    titles = [axes.get_title(loc=side) for side in ("left", "center", "right")]
    yield f"## {' '.join(filter(None, titles))} | x: {axes.get_xlabel()} | y: {axes.get_ylabel()} | {axes.get_xscale()}"
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    if any(not re.fullmatch(r"[−\d.]*|\$.*", text) for text in ticks):
        yield "rows: " + "; ".join(" ".join(text.split("\n")) for text in ticks)
    for line in axes.get_lines():
        face = line.get_markerfacecolor() if line.get_marker() != "None" else ""
        look = f"{line.get_marker()} {to_hex(line.get_color())} {face}"
        yield f"{line.get_label()} ({look.strip()}): {_numbers(line.get_xdata())} | {_numbers(line.get_ydata())}"
    for item in axes.collections:
        points = item.get_offsets() if type(item).__name__ == "PathCollection" else [p.vertices for p in item.get_paths()]
        spread = np.concatenate([np.zeros((0, 2)), *map(np.atleast_2d, points)])
        yield f"{type(item).__name__} {item.get_label()}: {_range(spread[:, 0])} | {_range(spread[:, 1])}"
    for item in (*axes.patches, *axes.images):
        box, look = item.get_window_extent().transformed(axes.transData.inverted()), ""
        if hasattr(item, "get_hatch"):
            look = f" {to_hex(item.get_facecolor())} {item.get_hatch() or ''}".rstrip()
        yield f"{type(item).__name__} {item.get_label()}{look}: {_numbers(box)}"
    for text in axes.texts:
        yield f"“{text.get_text()}”"


def _numbers(values: Any) -> str:
    array = np.asarray(values, dtype=np.float64).ravel()
    shown: Iterable[float] = array if len(array) <= 6 else (array[0], array[-1])
    return f"{' '.join(f'{value:.3g}' for value in shown)}{'' if len(array) <= 6 else f' ({len(array)})'}"


def _range(values: Any) -> str:
    known = values[np.isfinite(values)]
    return f"{len(known)} from {known.min():.3g} to {known.max():.3g}" if len(known) else "none"
