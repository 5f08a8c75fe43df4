"""Ask which of two models is better on a site, label by label: how often is the right one named, and after how many labels?

Segmenters: --runs is the folder of run folders that `benchmarks/answer.py` left: on each labelled site whole images are
compared with tiles, and models of one field with each other. With --data, the folder of the research data, classifiers and
detectors are compared instead. Detectors: boxes round the connected parts of the maps of nuclei and polyps at three thresholds,
of the mirrored images' maps, and round what is bright in images of nuclei; the true boxes are round the parts of the masks.
Classifiers (--features, the folder that `benchmarks/classifier_answer.py` left): five that learnt 14 kinds of scene in other
ways, on plain and changed images. And made-up classifiers and detectors, whose scores and likeness their names state.

A site is drawn again with replacement to --images images, so that it does not end before the question does. Beside
`howfar.sampling.sequential`: images drawn at random (`sequence` of the difference), and two independent samples, one for each
model, until their intervals are apart; each of their labels counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from classifier_answer import PLAIN, Centroids, split
from PIL import Image
from record import leave, parser
from scipy.stats import norm

from howfar.metrics.detection import Detection
from howfar.results import Evaluation
from howfar.sampling import difference, foreground_bound, order, order_by_bound, sequence
from howfar.studies.assessment.score_and_corrupt import TILED

CLEAR, FEWEST = 0.05, 20
CHANGES = (PLAIN, "blur 6", "noise 0.25", "mosaic 2")
ALIKE = (0.0, 0.5, 0.9)
CUTS = (0.3, 0.5, 0.8)
SMALLEST = 12
"""Pixels of the smallest part that gets a box."""


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
    options.add_argument("--runs", type=Path)
    options.add_argument("--data", type=Path)
    options.add_argument("--features", type=Path)
    options.add_argument("--images", type=int, default=400)
    options.add_argument("--draws", type=int, default=200)
    options.add_argument("--clear", action="store_true", help=f"ask only of pairs whose means differ by {CLEAR} or more")
    arguments = options.parse_args()
    listed = arguments.data is not None
    kinds: dict[str, Iterator[Pair]] = {} if listed or arguments.runs is None else {"segmenters": segmenters(arguments.runs)}
    if listed and arguments.features is not None:
        kinds["classifiers"] = classifiers(arguments.data, arguments.features)
    if listed and arguments.runs is not None:
        kinds["detectors"] = detectors(arguments.data, arguments.runs)
    kinds |= {"classifiers, made up": made_classifiers(), "detectors, made up": made_detectors()} if listed else {}
    said = {"images": arguments.images, "draws": arguments.draws}
    leave("which_model", {**said, **{kind: asked(pairs, arguments) for kind, pairs in kinds.items()}}, arguments.json)


def asked(found: Iterator[Pair], arguments: Any) -> dict[str, Any]:
    """Ask of each pair, and summarise."""
    pairs = [pair.drawn(arguments.images) for pair in found]
    least = CLEAR if arguments.clear else 0.0
    rows = [
        cell(pair, arguments.draws)
        for pair in pairs
        if pair.bounds.any() and abs(float((pair.first - pair.second).mean())) >= least
    ]
    clear = [row for row in rows if abs(row["difference"]) >= CLEAR]
    said = {"pairs": len(pairs), "of equal predictions": sum(not pair.bounds.any() for pair in pairs), "asked": len(rows)}
    return {**said, f"difference of {CLEAR} or more": summary(clear), "cells": rows}


def segmenters(runs: Path) -> Iterator[Pair]:
    """Pair whole images with tiles, and models of one field with each other."""
    read = {}
    for file in sorted(runs.glob("*/run/performance/*.parquet")):
        evaluation = Evaluation.load(file)
        read[file.parents[2].name, file.stem] = evaluation, file.parents[1] / "maps" / file.stem
    for one, other in combinations(sorted(read), 2):
        tiles = one[0] == other[0] and other[1] == f"{one[1]}{TILED}"
        models = one[1] == other[1] and one[0].split("-")[0] == other[0].split("-")[0] and TILED not in one[1]
        shared = {*read[one][0].images["image"]} & {*read[other][0].images["image"]}
        if (tiles or models) and len(shared) >= FEWEST:
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


def classifiers(data: Path, features: Path) -> Iterator[Pair]:
    """Pair five classifiers of the same images: the bound is 0 where both name one class."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    truth = np.unique([file.parts[-3] for file in sorted((data / "sun_scenes").glob("*/images/*"))], return_inverse=True)[1]
    train, _, *others = split(truth, 0)
    few = np.concatenate([train[truth[train] == category][:4] for category in np.unique(truth)])
    plain, rows = np.load(features / f"{PLAIN}.npy"), np.concatenate(others)
    for change in CHANGES:
        x = np.load(features / f"{change.replace(' ', '_')}.npy")
        adapted = Centroids(x[train], truth[train])
        named = {
            "centroids": Centroids(plain[train], truth[train]).probabilities(x[rows]).argmax(axis=1),
            "centroids of 4": Centroids(plain[few], truth[few]).probabilities(x[rows]).argmax(axis=1),
            "logistic": LogisticRegression(max_iter=2000).fit(plain[train], truth[train]).predict(x[rows]),
            "neighbours": KNeighborsClassifier(5).fit(plain[train], truth[train]).predict(x[rows]),
            **({} if change == PLAIN else {"adapted": adapted.probabilities(x[rows]).argmax(axis=1)}),
        }
        for one, other in combinations(named, 2):
            right = [(named[name] == truth[rows]).astype(float) for name in (one, other)]
            yield Pair(f"{change}: {one}, {other}", *right, (named[one] != named[other]).astype(float))


class Detected(NamedTuple):
    """Hold what a detector finds on one image: F1, mean score, the boxes as a text, and how many there are."""

    f1: float
    score: float
    boxes: str
    count: int


def detectors(data: Path, runs: Path) -> Iterator[Pair]:
    """Pair detectors; boxes are never the same but where none is found: else the bound is 1."""
    for name, images in detected(data, runs):
        for one, other in combinations(images, 2):
            differ = [float(a.boxes != b.boxes) for a, b in zip(images[one], images[other], strict=True)]
            f1s = (np.array([found.f1 for found in images[each]]) for each in (one, other))
            yield Pair(f"{name}: {one}, {other}", *f1s, np.array(differ))


def detected(data: Path, runs: Path) -> Iterator[tuple[str, dict[str, list[Detected]]]]:
    """Run the detectors of nuclei and of polyps on each site of at least 20 images."""
    for model in ("nuclei-frozen-0", "polyps-frozen-0"):
        for file in sorted((runs / model / "run" / "performance").glob("*.parquet")):
            maps, found = file.parents[1] / "maps" / file.stem, dict[str, list[Detected]]()
            names = sorted(path.stem for path in maps.glob("*.png"))
            for name in names if len(names) >= FEWEST else ():
                mask, picture = (next((data / file.stem / part).glob(f"{name}.*")) for part in ("masks", "images"))
                truth = boxes(np.asarray(Image.open(mask).convert("L")) / 255, 0.5)
                for detector, predicted in of_image(maps / f"{name}.png", picture, model).items():
                    tally = Detection().tally(predicted, truth)
                    f1 = 2 * tally.hits / max(1, 2 * tally.hits + tally.misses + tally.false)
                    score = float(np.mean(predicted["scores"])) if predicted["scores"] else 0.0
                    found.setdefault(detector, []).append(
                        Detected(f1, score, repr(predicted["boxes"]), len(predicted["boxes"]))
                    )
            if found:
                yield file.stem, found


def of_image(file: Path, picture: Path, model: str) -> dict[str, dict[str, Any]]:
    """Detect an image's objects in several ways."""
    from sklearn.cluster import KMeans

    back = file.parent.with_name(f"{file.parent.name}-flipped") / file.name
    own, mirror = (np.asarray(Image.open(path)).astype(float) for path in (file, back))
    own, mirror = own / (65535 if own.max() > 255 else 255), mirror / (65535 if mirror.max() > 255 else 255)
    found = {f"map at {cut}": boxes(own, cut) for cut in CUTS} | {"mirrored map": boxes(mirror[:, ::-1], 0.5)}
    if model.startswith("nuclei"):
        grey = np.asarray(Image.open(picture).convert("L")).astype(float) / 255
        grey = 1 - grey if np.median(grey) > 0.5 else grey  # stained nuclei are dark
        two = KMeans(2, n_init=1, random_state=0).fit(grey.reshape(-1, 1)).cluster_centers_
        found["brightness"] = boxes(grey, float(two.mean()))
    return found


def boxes(shares: np.ndarray, cut: float) -> dict[str, Any]:
    """Draw a box round each connected part above a threshold, scored by its mean."""
    from scipy import ndimage

    parts, _ = ndimage.label(shares > cut)
    corners, scores = [], []
    for number, (rows, columns) in enumerate(ndimage.find_objects(parts), start=1):
        inside = parts[rows, columns] == number
        if inside.sum() >= SMALLEST:
            corners.append([float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)])
            scores.append(float(shares[rows, columns][inside].mean()))
    return {"boxes": np.array(corners).reshape(-1, 4).tolist(), "scores": scores, "labels": [0] * len(scores)}


def right_in_pairs(rng: np.random.Generator, count: int, shares: tuple[float, float], alike: float) -> list[np.ndarray]:
    """Draw where each of two models is right, 1 or 0, with these chances and this correlation of normal scores."""
    shared = rng.normal(size=count)
    own = [np.sqrt(alike) * shared + np.sqrt(1 - alike) * rng.normal(size=count) for _ in shares]
    return [(score < norm.ppf(share)).astype(float) for score, share in zip(own, shares, strict=True)]


def made_classifiers(images: int = 400, classes: int = 10) -> Iterator[Pair]:
    """Make up pairs of classifiers by their accuracies, and by how alike the images are on which they fail."""
    for number, (accuracies, alike) in enumerate(product(((0.95, 0.88), (0.85, 0.78), (0.7, 0.6), (0.55, 0.45)), ALIKE)):
        rng = np.random.default_rng(number)
        first, second = right_in_pairs(rng, images, accuracies, alike)
        same = rng.random(images) < np.maximum(alike, 1 / (classes - 1))  # the same wrong class
        differ = np.where(first + second > 0, first != second, ~same)
        yield Pair(f"accuracies {accuracies}, alike {alike}", first, second, differ.astype(float))


def made_detectors(images: int = 400) -> Iterator[Pair]:
    """Make up pairs of detectors by their recall, and by how alike the objects are that they miss."""
    for number, (recalls, alike) in enumerate(product(((0.9, 0.8), (0.8, 0.7), (0.6, 0.45)), ALIKE)):
        rng = np.random.default_rng(number)
        objects = 1 + rng.poisson(4, images)
        scores = []
        for recall, found in zip(recalls, right_in_pairs(rng, objects.sum(), recalls, alike), strict=True):
            hits = np.add.reduceat(found, np.cumsum(objects) - objects)
            false = rng.poisson(objects * (1 - recall) / 2)
            scores.append(2 * hits / (hits + objects + false))
        yield Pair(f"recalls {recalls}, alike {alike}", *scores, np.ones(images))


def cell(pair: Pair, draws: int) -> dict[str, Any]:
    """Ask again and again which of two models is better."""
    truth = float((pair.first - pair.second).mean())
    print(pair.name, flush=True)
    row: dict[str, Any] = {"pair": pair.name, "difference": truth, "mean bound": float(pair.bounds.mean())}
    for name, ask in WAYS.items():
        answers = pd.DataFrame([ask(pair, seed) for seed in range(draws)], columns=["sign", "labels"])
        row[name] = {"right": float((answers["sign"] == np.sign(truth)).mean()), "labels": float(answers["labels"].median())}
    return row


def by_bounds(pair: Pair, seed: int) -> tuple[int, int]:
    images, gains = order_by_bound(pair.bounds, seed=seed), pair.first - pair.second

    def ends(count: int) -> tuple[np.ndarray, np.ndarray]:
        known = difference(gains[images[:count]], pair.bounds, images)
        return known.low, known.high

    return settled(ends, len(images))


def at_random(pair: Pair, seed: int) -> tuple[int, int]:
    images, gains = order(len(pair.first), seed=seed), (1 + pair.first - pair.second) / 2

    def ends(count: int) -> tuple[np.ndarray, np.ndarray]:
        known = sequence(gains[images[:count]], np.full(len(images), np.nan), images)
        return 2 * known.low - 1, 2 * known.high - 1

    return settled(ends, len(images))


def independent(pair: Pair, seed: int) -> tuple[int, int]:
    orders = [order(len(pair.first), seed=2 * seed + number) for number in range(2)]

    def ends(count: int) -> tuple[np.ndarray, np.ndarray]:
        known = [
            sequence(values[images[:count]], np.full(len(images), np.nan), images, level=0.95)
            for values, images in zip((pair.first, pair.second), orders, strict=True)
        ]
        return known[0].low - known[1].high, known[0].high - known[1].low

    said, labels = settled(ends, len(pair.first))
    return said, 2 * labels


WAYS: dict[str, Callable[[Pair, int], tuple[int, int]]] = {
    "where maps differ": by_bounds,
    "at random": at_random,
    "independent samples": independent,
}


def settled(ends: Callable[[int], tuple[np.ndarray, np.ndarray]], most: int) -> tuple[int, int]:
    """Return the sign that an interval settles first, 0 if none does, and the labels read; `ends` take a number of labels."""
    for count in (*(number for number in (40, 160) if number < most), most):
        low, high = ends(count)
        apart = (low > 0) | (high < 0)
        if apart.any():
            place = int(np.argmax(apart))
            return int(np.sign(low[place] + high[place])), place + 1
    return 0, most


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    if not rows:
        return {"pairs": 0}
    said: dict[str, Any] = {"pairs": len(rows)}
    for name in WAYS:
        said[name] = {
            "right, least often": min(row[name]["right"] for row in rows),
            "right, mean": float(np.mean([row[name]["right"] for row in rows])),
            "labels, median of medians": float(np.median([row[name]["labels"] for row in rows])),
        }
    ratios = [row["where maps differ"]["labels"] / row["independent samples"]["labels"] for row in rows]
    return {**said, "labels over those of independent samples": {"median": float(np.median(ratios)), "largest": max(ratios)}}


if __name__ == "__main__":
    main()
