"""Tables of an adaptation study: models, their scores of a dataset, its images, and the gains of all models."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from howfar.data.files import printable
from howfar.results import Evaluation
from howfar.results.adaptation import BASELINE
from howfar.segmenters.checkpoint import Checkpoint
from howfar.studies.adaptation.config import RANDOM, Arm, Config
from howfar.studies.adaptation.gains import LEVEL, half_width, interval, paired, spread
from howfar.studies.adaptation.unseen import Part


def model_row(
    seed: int, label: str, arm: Arm | None, checkpoint: Checkpoint, threshold: float, own: Evaluation | None
) -> dict[str, Any]:
    """What was trained, and how it does on P's held-out photographs."""
    return {
        "seed": seed,
        "model": label,
        "strategy": None if arm is None else arm.strategy,
        "shots": 0 if arm is None else arm.shots,
        "background": 0 if arm is None else arm.background,
        "weights": checkpoint.card.weights,
        "threshold": threshold,
        "held_out_ods": None if own is None else own.scores["ods"],
    }


def score_row(found: Evaluation, images: pd.DataFrame) -> dict[str, Any]:
    """A model's scores of one dataset; the share of false positives is the mean over images without foreground."""
    names = ("ods", "ods_threshold", "f", "mean_f")
    share = float(images["false_positive_share"].mean())
    return {
        "dataset": found.dataset,
        "n": found.n,
        **{name: found.scores[name] for name in names},
        "false_positive_share": None if np.isnan(share) else share,
    }


def images_of(found: Evaluation, part: Part, distances: pd.DataFrame, seed: int, label: str, folder: Path) -> pd.DataFrame:
    """A model's F of each image of one part, with its photograph, its distance by M, and where its files lie.

    What is predicted is false where there is no foreground: where the mask is empty, and in all of a blank part.
    """
    rows, known = found.images, part.known
    names = rows["image"]
    masks = {item.name: item.mask for item in part.dataset.items}
    of = pd.MultiIndex.from_product([[found.dataset], names])
    empty = np.full(len(rows), True) if part.blank else (rows["foreground"] == 0).to_numpy()
    return pd.DataFrame(
        {
            "seed": seed,
            "model": label,
            "dataset": found.dataset,
            "image": names,
            "photograph": [known.photographs[name] for name in names],
            "distance": distances["i_dist_scaled"].reindex(of).to_numpy(dtype=np.float64),
            "f": rows["performance"].to_numpy(dtype=np.float64),
            "false_positive_share": np.where(empty, rows["predicted_foreground"].to_numpy(dtype=np.float64), np.nan),
            "path": rows["path"],
            "mask": ["" if masks[name] is None else printable(Path(str(masks[name]))) for name in names],
            "map": [Path(file).relative_to(folder).as_posix() for file in rows["prediction"]],
        }
    )


def gains_of(images: pd.DataFrame, secondaries: Sequence[str], config: Config) -> pd.DataFrame:
    """Gains over M of every model, on each dataset and on all secondaries; and over random where that was a strategy."""
    known = images[images["f"].notna()]
    rows = [
        {"model": arm.label, "dataset": dataset, **_gain(known, secondaries, arm, dataset, config)}
        for arm in config.arms()
        for dataset in ("all", *dict.fromkeys(known["dataset"]))
    ]
    return pd.DataFrame(rows)


def _gain(images: pd.DataFrame, secondaries: Sequence[str], arm: Arm, dataset: str, config: Config) -> dict[str, Any]:
    here = images[images["dataset"].isin(secondaries if dataset == "all" else [dataset])]
    seed = [zlib.crc32(arm.label.encode()), zlib.crc32(dataset.encode())]
    found: dict[str, Any] = dict.fromkeys(("gain", "low", "high"), np.nan)
    differences = paired(here, arm.label, BASELINE)
    if len(differences):
        found = dict(zip(found, interval(differences, config.bootstrap, np.random.default_rng(seed)), strict=True))
    over: dict[str, Any] = dict.fromkeys(("over_random", "over_random_low", "over_random_high"), np.nan)
    judged: dict[str, bool | None] = {"beats_random": None, "below_random": None}
    rival = Arm(RANDOM, arm.shots, arm.background).label
    if RANDOM in config.strategies and arm.strategy != RANDOM:
        against = paired(here, arm.label, rival)
        if len(against):
            rng = np.random.default_rng(seed)
            mean, components = spread(against, config.bootstrap, rng)
            half = half_width(components, LEVEL)
            over = dict(zip(over, (mean, mean - half, mean + half), strict=True))
            if components[-1].freedom:
                # With as many comparisons as strategies some would stand out by chance (Bonferroni).
                strict = half_width(components, 1 - (1 - LEVEL) / (len(config.strategies) - 1))
                judged = {"beats_random": mean - strict > 0, "below_random": mean + strict < 0}
    return {**found, **over, **judged}
