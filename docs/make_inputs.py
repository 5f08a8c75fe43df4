"""Write docs/reference/inputs.md by trying every input of tests/input_cases.py; --check fails where it is not current."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import jinja2
from generated_page import leave

os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).resolve().parent
PAGE, TEMPLATE = HERE / "reference" / "inputs.md", HERE / "reference" / "inputs.md.j2"
sys.path.insert(0, str(HERE.parent / "tests"))


def page() -> str:
    """Try every input, and fill the template of the page."""
    import input_cases as inputs

    with tempfile.TemporaryDirectory() as folder:
        at = inputs.write_samples(Path(folder).resolve())
        rows: dict[str, list[dict[str, Any]]] = {
            "paths": [
                _row(case, command=inputs.by_command(case, at), python=inputs.in_python(case, at)) for case in inputs.PATHS
            ],
            "objects": [_row(case, python=inputs.in_python(case, at)) for case in inputs.OBJECTS],
            "backbones": [_row(case, python=inputs.as_a_backbone(case, at)) for case in inputs.BACKBONES],
        }
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(rows)


def _row(case: Any, **outcomes: Any) -> dict[str, Any]:
    cells = {where: cell(outcome.accepted, outcome.text) for where, outcome in outcomes.items()}
    if "command" in cells and cells["command"] == cells["python"] and not outcomes["python"].accepted:
        cells["python"] = "the same line"
    return {"kind": case.kind, "given": case.given.replace("|", "\\|"), **cells}


def cell(accepted: bool, text: str) -> str:
    """Write what became of an input: what was read, or the line in code."""
    line = text.replace("|", "\\|")
    return text if accepted else f"refused: `{line}`"


def main() -> int:
    return leave(__doc__, {PAGE: page})


if __name__ == "__main__":
    sys.exit(main())
