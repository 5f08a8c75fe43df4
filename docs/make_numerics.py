"""Write docs/numerics.md from the record benchmarks/results/numerics.json; --check fails where it is not current."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from generated_page import leave

HERE = Path(__file__).parent
PAGE, TEMPLATE = HERE / "numerics.md", HERE / "numerics.md.j2"
RECORD = HERE.parent / "benchmarks" / "results" / "numerics.json"
QUANTITIES = {
    "i_dist of an image": "I^dist",
    "i_dist_scaled of an image": "scaled I^dist",
    "knn of an image": "kNN distance",
    "percentile of an image": "percentile",
    "p_value of an image": "p-value of an image",
    "o_dist of the dataset": "O^dist",
    "relative of the dataset": "relative distance",
    "energy of the dataset": "energy distance",
    "p_value of the dataset": "p-value of a dataset",
    "explained_variance of the dataset": "explained variance",
    "self_distance": "self-distance",
    "ods": "ODS",
    "ois": "OIS",
    "ap": "AP",
    "per_image_f": "F of an image",
}


def difference(value: float | None) -> str:
    """Format a difference with one digit; a dash where there is nothing to compare."""
    return "–" if value is None else "0" if value == 0 else f"{value:.0e}"


def page(record: Mapping[str, Any]) -> str:
    """Fill the template of the page."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    environment.filters |= {"difference": difference, "quantity": QUANTITIES.__getitem__, "extract": lambda way, row: row[way]}
    hardware, libraries = record["hardware"], record["libraries"]
    cores = f"{hardware['cores']} core{'s' if hardware['cores'] > 1 else ''}"
    made = (
        f"Made by `{record['command']}` on {hardware['processor']}, {cores}, with Python {record['python']}, "
        f"NumPy {libraries['numpy']} and SciPy {libraries['scipy']}."
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(results=record["results"], made=made)


def main() -> int:
    return leave(__doc__, {PAGE: lambda: page(json.loads(RECORD.read_text(encoding="utf-8")))})


if __name__ == "__main__":
    sys.exit(main())
