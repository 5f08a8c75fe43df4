"""Relate the performance of an edge detector, HED, on six crack datasets to their distance from a primary dataset.

Two studies: P is the set that the threshold is tuned on (DeepCrack tiles), or what HED was trained on (BSDS500, without
masks, so the threshold is 0.5; the 200 images are of all its splits). HED was never shown cracks and is not retrained here.

The images are research data and do not come with the project: --data names a folder that holds one folder a set, --maps the
folder that `hed.py --flipped` wrote. CFD's image 042 carries another image's ground truth and is left out.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from record import leave, parser
from scipy.stats import spearmanr

import howfar
from howfar.results import Comparison, Evaluation, Relation

CRACKS = ("deepcrack_tiles", "shadowcrack_tiles", "aiglern_tiles", "gaps384_tiles", "cfd", "crack500_tiles")
PHOTOGRAPHS = "bsds500"
PHOTO_OF_TILE = r"(.+)-\d+$"
WRONG = {"cfd": ("042",)}
LABEL_FREE = ("flip_agreement", "foreground_confidence", "average_confidence", "mean_probability", "predicted_foreground")
DISTANCES = ("i_dist_mean", "knn", "mahalanobis")


class Inputs(NamedTuple):
    """Hold the folders of images, maps and features."""

    data: Path
    maps: Path
    store: Path


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--maps", type=Path, required=True, help="what hed.py --flipped wrote")
    options.add_argument("--store", type=Path, help="keep features there between runs")
    options.add_argument("--runs", type=Path, help="keep the two run folders there, for howfar report")
    options.add_argument("--tolerance", type=float, default=2.0, help="pixels, for the scores beside those at 0")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        inputs = Inputs(arguments.data, arguments.maps, arguments.store or Path(scratch))
        studies = {
            primary: study(primary, threshold, inputs, arguments.runs)
            for primary, threshold in (("deepcrack_tiles", None), (PHOTOGRAPHS, 0.5))
        }
    made = json.loads((arguments.maps / "hed.json").read_text(encoding="utf-8"))
    tolerant = {name: scores(name, inputs, arguments.tolerance) for name in CRACKS}
    results = {"model": made, "studies": studies, "tolerance": {"pixels": arguments.tolerance, "scores": tolerant}}
    leave("crack_performance", results, arguments.json)


def dataset(name: str, data: Path) -> howfar.Dataset:
    """List a dataset's images without those that carry another image's ground truth."""
    whole = howfar.Dataset.from_folder(data / name)
    return replace(whole, items=tuple(item for item in whole.items if item.path.stem not in WRONG.get(name, ())))


def evaluate(name: str, inputs: Inputs, **how: Any) -> Evaluation:
    flipped = inputs.maps / f"{name}-flipped"
    return howfar.evaluate(dataset(name, inputs.data), inputs.maps / name, flipped=flipped, progress=False, **how)


def scores(name: str, inputs: Inputs, tolerance: float) -> dict[str, Any]:
    return dict(evaluate(name, inputs, tolerance=tolerance).scores)


def study(primary: str, threshold: float | None, inputs: Inputs, runs: Path | None) -> dict[str, Any]:
    """Measure distances, score predictions and relate them; without a threshold the primary's best is used for all."""
    others = [name for name in (*CRACKS, PHOTOGRAPHS) if name != primary]
    sets = [dataset(name, inputs.data) for name in others]
    run = howfar.compare(dataset(primary, inputs.data), sets, store=inputs.store, progress=False)
    own = None if threshold is not None else evaluate(primary, inputs)
    cut = {"threshold": threshold} if own is None else {"tuned_on": own}
    found = [evaluate(name, inputs, **cut) for name in others]
    performances = found if own is None else [own, *found]
    relation = howfar.relate(run, performances, threshold=threshold, group=PHOTO_OF_TILE)
    if runs is not None:
        run.save(runs / primary)
        relation.save(runs / primary)
    return {
        "primary": None if own is None else dict(own.scores),
        "relative": {one.name: one.relative for one in run.datasets},
        **view(relation),
        "within": {one.dataset: within(one, run) for one in found if one.scored},
    }


def view(relation: Relation) -> dict[str, Any]:
    """Summarise the relation without its tables of images."""
    document = relation.to_dict()
    names = (
        "metric",
        "settings",
        "datasets",
        "pooled",
        "pooled_verdict",
        "judgements",
        "choices",
        "estimator",
        "estimates",
        "failures",
    )
    return {name: document[name] for name in names}


def within(found: Evaluation, run: Comparison) -> dict[str, float | None]:
    """Correlate (Spearman) the F of images with each distance and each signal that needs no labels."""
    distances = run.images.loc[run.images["dataset"] == found.dataset, ["image", *DISTANCES]]
    images = pd.merge(found.images, distances, on="image", validate="one_to_one")
    known = images[images["performance"].notna()]
    return {name: correlation(known[name], known["performance"]) for name in (*DISTANCES, *LABEL_FREE)}


def correlation(x: pd.Series[float], y: pd.Series[float]) -> float | None:
    if x.nunique() < 2 or y.nunique() < 2:
        return None
    value = float(spearmanr(x, y).statistic)
    return None if np.isnan(value) else value


if __name__ == "__main__":
    main()
