"""Write docs/few-labels.md from the record benchmarks/results/few_labels.json; --check fails where it is not current."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from generated_page import leave

HERE = Path(__file__).parent
PAGE, TEMPLATE = HERE / "few-labels.md", HERE / "few-labels.md.j2"
RECORD = HERE.parent / "benchmarks" / "results" / "few_labels.json"
TITLES = {
    "all": "Several architectures",
    "unetplusplus": "UNet++",
    "frozen": "Frozen encoder",
    "deepcrack": "The DeepCrack network",
}
GROUNDS = {"cracks": "cracks", "vessels": "vessels of the eye", "polyps": "polyps", "nuclei": "nuclei"}


def gain(value: Mapping[str, float] | None, sure: bool = True) -> str:
    """Format a gain with its interval; bold where that lies above 0 and is of several trainings."""
    if value is None:
        return "–"
    if value["low"] == value["high"] == value["mean"] == 0:
        return "0"
    text = f"{value['mean']:+.3f} [{value['low']:+.3f}, {value['high']:+.3f}]".replace("-", "−")
    return f"**{text}**" if value["low"] > 0 and sure else text


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def change(value: Mapping[str, float] | None) -> str:
    """Format a change: its mean, and the worst."""
    return "–" if value is None else f"{value['mean']:+.3f}, {value['worst']:+.3f}".replace("-", "−")


def way(row: Mapping[str, Any]) -> str:
    """Name a way of adapting, and how the site was predicted."""
    return f"`{row['way']}`" + (", by tiles" if row["tiled"] else "")


def place(name: str) -> tuple[str, int]:
    """Sort parts of the record by ground, what tells of several architectures first."""
    model, _, ground = name.partition(" on ")
    return ground, list(TITLES).index(model) if model in TITLES else len(TITLES)


def quoted(name: str) -> str:
    """Set a way's name as code, without how the site was predicted."""
    way, _, rest = name.partition(",")
    return f"`{way}`" + (f",{rest}" if rest else "")


def pair(scores: Mapping[str, float]) -> str:
    return f"{scores['mean F']:.2f} / {scores['ODS']:.2f}"


def title(name: str) -> str:
    """Name a part of the record: an architecture on a ground."""
    model, ground = name.split(" on ")
    return f"{TITLES.get(model, model)} on {GROUNDS.get(ground, ground)}"


def by_site(part: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], list[str]]]:
    """List the ways that were measured on more than one cell, as the leaderboard does, with their scores on each site."""
    found = []
    for row in part["ways"]:
        name = f"{row['labels']} labels: {row['way']}" + (", by tiles" if row["tiled"] else "")
        scores = [pair(own[name]) if name in own else "–" for own in part["by site"].values()]
        if row["cells"] > 1:
            found.append((row, scores))
    return found


def page(record: Mapping[str, Any]) -> str:
    """Fill the template of the page."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
    environment.filters |= {"gain": gain, "change": change, "way": way, "pair": pair, "quoted": quoted, "signed": signed}
    results, hardware, libraries = record["results"], record["hardware"], record["libraries"]
    models = {name: results[name] for name in sorted(results, key=place) if isinstance(results[name], dict)}
    made = (
        f"Made by `{record['command']}` of {results['cells']} cells, on {hardware['processor']}, "
        f"with Python {record['python']} and torch {libraries['torch']}."
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        models=models, title=title, names=TITLES, by_site=by_site, made=made, vessels=any("vessels" in name for name in models)
    )


def main() -> int:
    return leave(__doc__, {PAGE: lambda: page(json.loads(RECORD.read_text(encoding="utf-8")))})


if __name__ == "__main__":
    sys.exit(main())
