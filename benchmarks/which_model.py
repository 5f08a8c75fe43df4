"""Ask which of two models is better on a site, label by label: how often is the right one named, and after how many labels?

--runs is the folder of run folders that `benchmarks/answer.py` left: on each labelled site whole images are held against tiles,
and models of one field against each other. The site is drawn again with replacement to --images images, so that it does not end
before the question does. Beside `howfar.sampling.difference`: images drawn at random (`sequence` of the difference), and two
independent samples, one for each model, until their intervals are apart; each of their labels counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image
from record import leave, parser

from howfar.results import Evaluation
from howfar.sampling import difference, foreground_bound, order, order_by_bound, sequence
from howfar.studies.assessment.preparation import TILED

CLEAR = 0.05


class Pair(NamedTuple):
    """Hold the F of two models on a site's images, and the bound of their difference; F is 0 where there is none in truth."""

    name: str
    first: np.ndarray
    second: np.ndarray
    bounds: np.ndarray

    def drawn(self, images: int) -> Pair:
        """Draw the site's images with replacement."""
        rows = np.random.default_rng(len(self.name)).integers(0, len(self.first), images)
        return Pair(self.name, self.first[rows], self.second[rows], self.bounds[rows])


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--runs", type=Path, required=True)
    options.add_argument("--images", type=int, default=400)
    options.add_argument("--draws", type=int, default=200)
    arguments = options.parse_args()
    pairs = [pair.drawn(arguments.images) for pair in found(arguments.runs)]
    rows = [cell(pair, arguments.draws) for pair in pairs if pair.bounds.any()]
    clear = [row for row in rows if abs(row["difference"]) >= CLEAR]
    said = {"images": arguments.images, "draws": arguments.draws, "pairs": len(rows), "of equal maps": len(pairs) - len(rows)}
    leave("which_model", {**said, f"difference of {CLEAR} or more": summary(clear), "cells": rows}, arguments.json)


def found(runs: Path) -> Iterator[Pair]:
    """Pair whole images with tiles, and models of one field with each other."""
    read = {}
    for file in sorted(runs.glob("*/run/performance/*.parquet")):
        evaluation = Evaluation.load(file)
        read[file.parents[2].name, file.stem] = evaluation, file.parents[1] / "maps" / file.stem
    for one, other in combinations(sorted(read), 2):
        tiles = one[0] == other[0] and other[1] == f"{one[1]}{TILED}"
        models = one[1] == other[1] and one[0].split("-")[0] == other[0].split("-")[0] and TILED not in one[1]
        shared = {*read[one][0].images["image"]} & {*read[other][0].images["image"]}
        if (tiles or models) and len(shared) >= 20:
            yield pair(f"{one[0]}, {other[0]}, {other[1]}", *(read[key] for key in (one, other)))


def pair(name: str, first: tuple[Evaluation, Path], second: tuple[Evaluation, Path]) -> Pair:
    tables = [evaluation.images.set_index("image")["performance"] for evaluation, _ in (first, second)]
    both = tables[0].index.intersection(tables[1].index)
    counts = []
    for image in both:
        ours, theirs = (
            foreground(maps / f"{Path(image).stem}.png", evaluation.threshold) for evaluation, maps in (first, second)
        )
        counts.append((ours.sum(), theirs.sum(), (ours & theirs).sum()))
    bounds = foreground_bound(*np.array(counts, dtype=float).T)
    return Pair(name, *(np.nan_to_num(table.loc[both].to_numpy()) for table in tables), bounds)


def foreground(file: Path, threshold: float | None) -> np.ndarray:
    stored = np.asarray(Image.open(file))
    return np.asarray(stored / np.iinfo(stored.dtype).max > (threshold or 0.5))


def cell(pair: Pair, draws: int) -> dict[str, Any]:
    """Ask again and again which of two models is better."""
    truth = float((pair.first - pair.second).mean())
    row: dict[str, Any] = {"pair": pair.name, "difference": truth, "mean bound": float(pair.bounds.mean())}
    for name, ask in WAYS.items():
        answers = pd.DataFrame([ask(pair, seed) for seed in range(draws)], columns=["sign", "labels"])
        row[name] = {"right": float((answers["sign"] == np.sign(truth)).mean()), "labels": float(answers["labels"].median())}
    return row


def by_bounds(pair: Pair, seed: int) -> tuple[int, int]:
    images = order_by_bound(pair.bounds, seed=seed)
    known = difference((pair.first - pair.second)[images], pair.bounds, images)
    return sign(known.low, known.high), known.stop or len(images)


def at_random(pair: Pair, seed: int) -> tuple[int, int]:
    images = order(len(pair.first), seed=seed)
    known = sequence((1 + pair.first - pair.second)[images] / 2, np.full(len(images), np.nan), images)
    low, high = 2 * known.low - 1, 2 * known.high - 1
    return sign(low, high), first_place((low > 0) | (high < 0))


def independent(pair: Pair, seed: int) -> tuple[int, int]:
    known = []
    for number, values in enumerate((pair.first, pair.second)):
        images = order(len(values), seed=2 * seed + number)
        known.append(sequence(values[images], np.full(len(images), np.nan), images, level=0.95))
    low, high = known[0].low - known[1].high, known[0].high - known[1].low
    return sign(low, high), 2 * first_place((low > 0) | (high < 0))


WAYS: dict[str, Callable[[Pair, int], tuple[int, int]]] = {
    "where maps differ": by_bounds,
    "at random": at_random,
    "independent samples": independent,
}


def first_place(settled: np.ndarray) -> int:
    return int(np.argmax(settled)) + 1 if settled.any() else len(settled)


def sign(low: np.ndarray, high: np.ndarray) -> int:
    """Return the sign that an interval settles first, 0 if none does."""
    settled = (low > 0) | (high < 0)
    return int(np.sign(low + high)[np.argmax(settled)]) if settled.any() else 0


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    if not rows:
        return {"pairs": 0}
    said: dict[str, Any] = {"pairs": len(rows)}
    for name in WAYS:
        said[name] = {
            "right, least often": min(row[name]["right"] for row in rows),
            "labels, median of medians": float(np.median([row[name]["labels"] for row in rows])),
        }
    ratios = [row["where maps differ"]["labels"] / row["independent samples"]["labels"] for row in rows]
    return {**said, "labels over those of independent samples": {"median": float(np.median(ratios)), "largest": max(ratios)}}


if __name__ == "__main__":
    main()
