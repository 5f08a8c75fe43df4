"""Write docs/reliability.md from the record benchmarks/results/faults.json; --check fails where the page is not current."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from generated_page import leave

HERE = Path(__file__).parent
PAGE, TEMPLATE = HERE / "reliability.md", HERE / "reliability.md.j2"
RECORD = HERE.parent / "benchmarks" / "results" / "faults.json"


def record() -> dict[str, Any]:
    """Read the record that the tests made."""
    found: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def page(found: Mapping[str, Any]) -> str:
    """Fill the template of the page."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(found)


def main() -> int:
    return leave(__doc__, {PAGE: lambda: page(record())})


if __name__ == "__main__":
    sys.exit(main())
