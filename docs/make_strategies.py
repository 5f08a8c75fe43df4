"""Write what the committed bake-offs show of the strategies into the package and into docs/concepts/selection.md.

The package has no benchmarks, so `howfar strategies` reads src/howfar/selection/evidence.json, which is made here. With --check
nothing is written, and it fails where a file is not current.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generated_page import leave

HERE = Path(__file__).parent
RESULTS = HERE.parent / "benchmarks" / "results"
RECORDS = {"bakeoff": "unetplusplus", "bakeoff_objects": "frozen"}
"""Which segmenter was adapted in each record, whose settings name its options alone."""
EVIDENCE = HERE.parent / "src" / "howfar" / "selection" / "evidence.json"
PAGE = HERE / "concepts" / "selection.md"
BEGIN, END = "<!-- made by docs/make_strategies.py: begin -->", "<!-- made by docs/make_strategies.py: end -->"


def records() -> dict[str, dict[str, Any]]:
    """Read the records by their names."""
    return {name: json.loads((RESULTS / f"{name}.json").read_text("utf-8")) for name in RECORDS}


def taken(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Take from the records what is said of strategies, as a JSON document."""
    return json.dumps([shown(RECORDS[name], record["results"]) for name, record in found.items()], indent=1) + "\n"


def shown(segmenter: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """Take from one record what is said of its strategies."""
    settings = results["settings"]
    model = {row["model"]: row for row in results["models"]}
    pooled = [row for row in results["gains"] if row["dataset"] == "all" and row["over_random"] is not None]
    return {
        "segmenter": segmenter,
        "shots": max(settings["shots"]),
        "sites": sorted({row["dataset"] for row in results["scores"]}),
        "way": settings.get("way", "retrain"),
        "seeds": len(settings["seeds"]),
        "random_seeds": len(settings["seeds"]) + len(settings["random_seeds"]),
        "strategies": {
            model[row["model"]]["strategy"]: {
                "over_random": round(row["over_random"], 4),
                "low": round(row["over_random_low"], 4),
                "high": round(row["over_random_high"], 4),
                "beats_random": bool(row["beats_random"]),
                "below_random": bool(row["below_random"]),
            }
            for row in pooled
            if model[row["model"]]["shots"] == max(settings["shots"]) and not model[row["model"]]["background"]
        },
    }


def listed() -> str:
    """Write the list of strategies and what the record shows of each, as the command does."""
    from howfar.selection import every
    from howfar.selection.evidence import evidence, summaries

    rows = [f"| `{strategy.name}` | {evidence(strategy.name).line.replace('-', '−')} |" for strategy in every()]
    return "\n".join([BEGIN, "", *summaries(), "", "| name | against random |", "|---|---|", *rows, "", END])


def page(text: str) -> str:
    """Put the list in its place on the page."""
    before, _, rest = text.partition(BEGIN)
    return before + listed() + rest.partition(END)[2]


def main() -> int:
    # The page reads the first file, so it comes after it.
    return leave(
        __doc__,
        {
            EVIDENCE: lambda: taken(records()),
            PAGE: lambda: page(PAGE.read_text("utf-8")),
        },
    )


if __name__ == "__main__":
    sys.exit(main())
