"""What adapting gained: paired differences of image F with bootstrap intervals over photographs and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.arrays import Float64Array

LEVEL = 0.95


def paired(images: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """Differences F(one) − F(other) of each image and seed that both have.

    Parameters
    ----------
    images
        seed, model, dataset, image, photograph, f: one row a model, seed and image.
    one, other
        Names of models.

    Returns
    -------
    DataFrame
        seed, dataset, photograph, difference.
    """
    keys = ["seed", "dataset", "image", "photograph"]
    sides = [images[images["model"] == name].set_index(keys)["f"] for name in (one, other)]
    found = (sides[0] - sides[1]).dropna().rename("difference").reset_index()
    return found.drop(columns="image")


def interval(differences: pd.DataFrame, bootstrap: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """Mean difference, and the ends of its 95 % interval: datasets count alike, seeds and photographs are resampled.

    A draw takes seeds with replacement, and in each dataset photographs with replacement, the same for all seeds, whose images
    stay together: a photograph that gains much does so whatever the seed. With one seed nothing is said of how trainings
    differ, and with few too little. Source: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 8.

    Parameters
    ----------
    differences
        As `paired` gives them.
    bootstrap
        Draws.
    rng
        Draws them.

    Examples
    --------
    >>> rows = pd.DataFrame({"seed": 0, "dataset": "a", "photograph": list("pqrs"), "difference": [0.1, 0.3, 0.2, 0.2]})
    >>> mean, low, high = interval(rows, 200, np.random.default_rng(0))
    >>> bool(low < mean < high), round(mean, 3)
    (True, 0.2)
    """
    seeds = sorted(differences["seed"].unique())
    sets = [_sums(rows, seeds) for _, rows in differences.groupby("dataset")]
    mean = _mean(sets, [np.ones(one.shape[1]) for one in sets], np.ones(len(seeds)))
    draws = np.empty(bootstrap)
    for place in range(bootstrap):
        photographs = [rng.multinomial(one.shape[1], np.full(one.shape[1], 1 / one.shape[1])) for one in sets]
        draws[place] = _mean(sets, photographs, rng.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds))))
    low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return mean, float(low), float(high)


def _sums(rows: pd.DataFrame, seeds: Sequence[int]) -> Float64Array:
    """Sum of differences and number of images by seed and photograph, (seeds, photographs, 2)."""
    table = rows.pivot_table(index="seed", columns="photograph", values="difference", aggfunc=["sum", "count"], fill_value=0)
    parts = [table[name].reindex(list(seeds), fill_value=0).to_numpy(dtype=np.float64) for name in ("sum", "count")]
    return np.stack(parts, axis=2)


def _mean(sets: Sequence[Float64Array], photographs: Sequence[NDArray[Any]], seeds: NDArray[Any]) -> float:
    """Mean over datasets of the weighted mean over seeds of the weighted mean over images."""
    found = []
    for sums, weights in zip(sets, photographs, strict=True):
        totals = np.einsum("spk,p->sk", sums, weights.astype(np.float64))
        known = (totals[:, 1] > 0) & (seeds > 0)
        if known.any():
            found.append(np.average(totals[known, 0] / totals[known, 1], weights=seeds[known]))
    return float(np.mean(found)) if found else float("nan")
