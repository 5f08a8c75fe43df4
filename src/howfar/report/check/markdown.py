"""Write what a check decided as Markdown, for a pull request or the summary of a CI job."""

from __future__ import annotations

import re

from howfar.results.check import HEADER, LOG_HEADER, Check

_ROWS = 30
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~$@&])")


def markdown_text(check: Check) -> str:
    r"""Write the verdict, a table of the decisions and, where there is a log, its last rows.

    Examples
    --------
    >>> from howfar.results.check import Check, Decision
    >>> few = Decision("a|b", "images", "breach", "pass", "at least 2", 3, None, None, "3 images were scored")
    >>> print(markdown_text(Check("roads", (few,))))
    ## howfar check: PASS: the log of roads
    <BLANKLINE>
    | dataset | rule | must | value | decision | why |
    |---|---|---|---|---|---|
    | a\|b | images | at least 2 | 3 | pass | 3 images were scored |
    <BLANKLINE>
    """
    lines = [f"## howfar check: {_escaped(check.caption())}", ""]
    if check.decisions:
        lines += _table((*HEADER, "why"), [(*decision.cells(), decision.why()) for decision in check.decisions])
    if check.rows:
        more = f", the last {_ROWS} of {len(check.rows)}" if len(check.rows) > _ROWS else ""
        lines += [f"Batches over time{more}:", "", *_table(LOG_HEADER, [row.cells() for row in check.rows[-_ROWS:]])]
    lines += [f"- {_escaped(note)}" for note in check.notes]
    return "\n".join(lines) + ("\n" if lines[-1] else "")


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    cells = [[_escaped(cell) for cell in row] for row in rows]
    return [_row(header), f"|{'---|' * len(header)}", *map(_row, cells), ""]


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Write text that Markdown shows as it is, on one line."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return _SPECIAL.sub(r"\\\1", line).replace(r"\(", "(").replace(r"\)", ")").replace(r"\[", "[").replace(r"\+", "+")
