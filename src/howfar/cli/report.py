"""`howfar report`: draw the figures and the report of a run or a study again."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer


class _Kind(NamedTuple):
    """The document that a folder is known by, and what reads and draws it."""

    document: str
    module: str
    result: str
    report: str


KINDS = (
    _Kind("result.json", "comparison", "Comparison", "html"),
    _Kind("adaptation.json", "adaptation", "Adaptation", "adaptation"),
    _Kind("backbones.json", "backbones", "BackboneComparison", "backbones"),
    _Kind("matrix.json", "matrix", "Matrix", "matrix"),
    _Kind("prompting.json", "prompting", "Prompting", "prompting"),
)


def _newest(run: Path) -> _Kind:
    """Of several results in one folder the one that was written last; of none the first kind, which says what is missing."""
    there = [kind for kind in KINDS if (run / kind.document).is_file()]
    return max(there, key=lambda kind: (run / kind.document).stat().st_mtime_ns, default=KINDS[0])


def report(
    run: Annotated[Path, typer.Argument(help="A folder that compare, matrix, adapt or prompts wrote.")],
) -> None:
    """Write figures/ and report.html of a RUN or a study anew from its tables, and print the page's path."""
    from howfar import registry

    kind = _newest(run)
    result: Any = getattr(import_module(f"howfar.results.{kind.module}"), kind.result).load(run)
    page = registry.load("reports", kind.report)(result, run)
    typer.echo(page)
