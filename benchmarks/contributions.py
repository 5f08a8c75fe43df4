"""Separate what adapting, choosing images and training contribute to the gains that earlier studies have on record.

Reads the scores in results/bakeoff.json (thirteen strategies of choosing seven images, models trained anew),
results/adaptation.json (`far` and `random`, 1, 3 and 7 images) and results/bakeoff_objects.json (six strategies,
finetune+norm). A gain is the difference of mean F from M with the same seed on the same images; howfar's mixed model is fitted
to those of each number of images. Nothing is trained.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from record import leave, parser

from howfar.studies.adaptation.adaptation_tables import contributions

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--records", nargs="+", default=("bakeoff", "adaptation", "bakeoff_objects"))
    arguments = options.parse_args()
    leave("contributions", {name: separated(name) for name in arguments.records}, arguments.json)


def separated(record: str) -> list[dict[str, Any]]:
    """Fit the mixed model to a record's gains by each number of images."""
    found = json.loads((RESULTS / f"{record}.json").read_text())["results"]
    scores = pd.DataFrame(found["scores"]).merge(pd.DataFrame(found["models"]), on=["seed", "model"])
    base = scores[scores["model"] == "M"].set_index(["seed", "dataset"])["mean_f"].rename("base")
    adapted = scores[scores["strategy"].notna()].join(base, on=["seed", "dataset"])
    adapted["difference"] = adapted["mean_f"] - adapted["base"]
    rows = []
    for shots, gains in adapted.groupby("shots"):
        about = {"images of each site": int(str(shots)), "gains": len(gains), "strategies": int(gains["strategy"].nunique())}
        fitted = contributions(gains)
        ends = {one["source"]: [round(one[name], 4) for name in ("value", "low", "high")] for one in fitted}
        rows.append({**about, "trainings": int(gains["seed"].nunique()), "value, low and high": ends})
    return rows


if __name__ == "__main__":
    main()
