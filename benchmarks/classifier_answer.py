"""Estimate a classifier's accuracy without labels on images that were changed, by the estimators that are there for classes.

The classifier is a nearest-centroid one of 14 kinds of scene, over the features of the default backbone, with a softmax whose
temperature fits its own held-out images best. The foreign sets are changed images: blurred, noisy, darkened, of low contrast,
with another gamma, inverted, as a mirrored mosaic, at the strengths that `howfar corrupt` takes by default. Every kind of
change is left out in turn: estimators learn from P's held-out images and from one set of each of the six other kinds, and
estimate the sets of that kind, which hold other photographs than any labelled set. What is chosen among estimators is chosen
without them.

The images are research data: --data names the folder of scenes, a folder a category. Features are kept in --out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from record import leave, parser

import howfar
from howfar.backbones import load_backbone
from howfar.data import decode, read_bytes
from howfar.metrics.classification import class_signals
from howfar.perturb.perturbation import labelled_named
from howfar.pipeline.primary_reference import GATE_COLUMNS
from howfar.relation.calibrated_estimator import calibrate
from howfar.relation.gate import fit, values_of
from howfar.relation.leave_one_dataset_out import auroc, judge
from howfar.relation.performance_estimators import named
from howfar.relation.site_judge import CONSENSUS

KINDS = ("blur", "noise", "darken", "contrast", "gamma", "invert", "mosaic")
HOME, PLAIN = "P's kind", "plain"
TRAIN, HELD, LABELLED = 16, 8, 8
"""Images of each category to learn from, held out of P, and in each labelled set; the rest are in the sets left out."""
TAU, LEVEL = 0.5, 0.9
DISTANCES = ("i_dist", "knn", "mahalanobis")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True, help="folder of the features")
    options.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    arguments = options.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    files = sorted(arguments.data.glob("*/images/*"))
    truth = np.unique([file.parts[-3] for file in files], return_inverse=True)[1]
    features = {name: embedded(files, name, arguments.out) for name in (PLAIN, *every_set())}
    rows = [row for seed in arguments.seeds for row in tried(features, truth, seed)]
    leave("classifier_answer", summed(rows), arguments.json)


def every_set() -> dict[str, tuple[str, float]]:
    """List the changed sets by name: the kind of change, and its strength."""
    return {f"{kind} {strength:g}": (kind, strength) for kind in KINDS for strength in labelled_named(kind).strengths}


def embedded(files: list[Path], name: str, out: Path) -> np.ndarray:
    """Compute the features of all images as one set has them, or read those that are kept."""
    kept = out / f"{name.replace(' ', '_')}.npy"
    if kept.is_file():
        return np.asarray(np.load(kept))
    backbone = load_backbone("efficientnet_lite0")
    parts = []
    for start in range(0, len(files), 16):
        pictures = [decode(read_bytes(file)).image for file in files[start : start + 16]]
        if name != PLAIN:
            kind, strength = every_set()[name]
            pictures = [changed(picture, kind, strength) for picture in pictures]
        parts.append(np.asarray(backbone.embed(np.stack([backbone.prepare(picture) for picture in pictures]))))
    found = np.concatenate(parts).astype(np.float32)
    np.save(kept, found)
    return found


def changed(picture: Image.Image, kind: str, strength: float) -> Image.Image:
    pixels = np.asarray(picture)
    made, _ = labelled_named(kind)(pixels, np.zeros(pixels.shape[:2], dtype=bool), strength)
    return Image.fromarray(made)


def tried(features: dict[str, np.ndarray], truth: np.ndarray, seed: int) -> list[dict[str, Any]]:
    """Train, and leave every kind of change out in turn."""
    train, held, labelled, rest = split(truth, seed)
    model = Centroids(features[PLAIN][train], truth[train])
    model.fit_temperature(features[PLAIN][held], truth[held])
    parts = {HOME: (PLAIN, held)} | {name: (name, labelled) for name in every_set()}
    parts |= {f"{name}, others": (name, rest) for name in every_set()}
    columns = {name: model.columns(features[of][rows]) for name, (of, rows) in parts.items()}
    right = {name: model.right(features[of][rows], truth[rows]) for name, (of, rows) in parts.items()}
    distances = measured(features, train, {name: place for name, place in parts.items() if name != HOME})
    for name, values in distances.items():
        columns[name] |= values
    found = []
    for kind in KINDS:
        known = [f"{other} {labelled_named(other).strengths[0]:g}" for other in KINDS if other != kind]
        asked = [f"{name}, others" for name, (of, _) in every_set().items() if of == kind]
        found += estimated(columns, right, known, asked, seed, kind)
    return found


def split(truth: np.ndarray, seed: int) -> list[np.ndarray]:
    """Divide the images of every category: to learn from, held out of P, of the labelled sets, of the sets left out."""
    rng = np.random.default_rng(seed)
    bounds = np.cumsum([TRAIN, HELD, LABELLED])
    by_part: list[list[np.ndarray]] = [[], [], [], []]
    for category in np.unique(truth):
        mixed = rng.permutation(np.flatnonzero(truth == category))
        for part, rows in zip(by_part, np.split(mixed, bounds), strict=True):
            part.append(rows)
    return [np.sort(np.concatenate(part)) for part in by_part]


class Centroids:
    """Classify by the nearest centroid of normalised features."""

    def __init__(self, x: np.ndarray, truth: np.ndarray) -> None:
        unit = self._unit(x)
        self.centres = self._unit(np.stack([unit[truth == k].mean(axis=0) for k in np.unique(truth)]))
        self.temperature = 0.1

    def fit_temperature(self, x: np.ndarray, truth: np.ndarray) -> None:
        """Take the temperature at which held-out images are most likely."""
        losses = {}
        for temperature in np.geomspace(0.01, 1.0, 41):
            self.temperature = float(temperature)
            losses[self.temperature] = -np.log(self.probabilities(x)[np.arange(len(x)), truth]).mean()
        self.temperature = min(losses, key=losses.__getitem__)

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """Compute class probabilities, (n, k)."""
        z = self._unit(x) @ self.centres.T / self.temperature
        p = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def columns(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Compute the signals that need no labels."""
        signals = class_signals(self.probabilities(x))
        return {"average_confidence": signals["class_confidence"], **signals}

    def right(self, x: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Say which images are classified right, 1 or 0."""
        return (self.probabilities(x).argmax(axis=1) == truth).astype(float)

    @staticmethod
    def _unit(x: np.ndarray) -> np.ndarray:
        return np.asarray(x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True))


def measured(
    features: dict[str, np.ndarray], train: np.ndarray, parts: dict[str, tuple[str, np.ndarray]]
) -> dict[str, dict[str, np.ndarray]]:
    """Measure the distances of every set from what was learnt from, in its own subspace and units."""
    sets = {name: features[of][rows] for name, (of, rows) in parts.items()}
    run = howfar.compare(
        features[PLAIN][train], sets, bootstrap=0, permutations=0, rivals=False, baselines=False, progress=False
    )
    return {
        str(name): {key: images[column].to_numpy(dtype=float) for column, key in GATE_COLUMNS.items()}
        for name, images in run.images.groupby("dataset", sort=False)
    }


def estimated(
    columns: dict[str, dict[str, np.ndarray]],
    right: dict[str, np.ndarray],
    known: list[str],
    asked: list[str],
    seed: int,
    kind: str,
) -> list[dict[str, Any]]:
    """Estimate the sets of one kind of change by estimators that learnt from sets of the other kinds."""
    joined, performance, sets = stacked(columns, right, [HOME, *known])
    estimators = howfar.registry.ordered("estimators")
    judgements, _ = judge(estimators, joined, performance, sets, tau=TAU, level=LEVEL, home=HOME)
    gate = fit({HOME: {"distance": 1.0, "residual": 1.0}, **{name: values_of(columns[name]) for name in known}})
    inside = {name: gate.read(name, values_of(columns[name])).inside for name in asked}
    found = []
    for name in [row.estimator for row in judgements]:
        fitted = calibrate(named(name), joined, performance, sets, level=LEVEL, home=HOME)
        for dataset in asked:
            of = fitted.predict_set(columns[dataset], dataset, float(right[dataset].mean()))
            images = fitted.predict(columns[dataset])[0]
            row = {
                "seed": seed, "kind": kind, "dataset": dataset, "estimator": name, "used": name == CONSENSUS,
                "measured": of.measured, "error": of.predicted - float(right[dataset].mean()), "held": of.held,
                "half": (of.high - of.low) / 2, "auroc": auroc(-images, right[dataset] < TAU), "inside": inside[dataset],
            }  # fmt: skip
            found.append(row)
    return found


def stacked(
    columns: dict[str, dict[str, np.ndarray]], right: dict[str, np.ndarray], names: list[str]
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Join several sets; P's own images have no distances."""
    keys = (*columns[HOME], *DISTANCES)
    blank = {name: np.full(len(right[name]), np.nan) for name in names}
    joined = {key: np.concatenate([columns[name].get(key, blank[name]) for name in names]) for key in keys}
    sets = np.concatenate([np.full(len(right[name]), name) for name in names])
    return joined, np.concatenate([right[name] for name in names]), sets


def summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum up errors and coverage by estimator, and list what was measured."""
    by_estimator = {
        name: [row for row in rows if row["estimator"] == name] for name in dict.fromkeys(r["estimator"] for r in rows)
    }
    accuracy = {
        dataset: float(np.mean([r["measured"] for r in rows if r["dataset"] == dataset]))
        for dataset in dict.fromkeys(r["dataset"] for r in rows)
    }
    mean = by_estimator["mean"]
    chance = [np.sqrt(2 / np.pi * row["measured"] * (1 - row["measured"]) / (14 * 8)) for row in mean]
    return {
        "sets left out": len(mean),
        "accuracy": accuracy,
        "mean error of an accuracy by chance alone": float(np.mean(chance)),
        "estimators": {name: figures(of) for name, of in by_estimator.items()},
        "inside the gate": {name: briefly([row for row in of if row["inside"]]) for name, of in by_estimator.items()},
        "outside the gate": {name: briefly([row for row in of if not row["inside"]]) for name, of in by_estimator.items()},
        "times outside the gate": {name: sum(r["dataset"] == name and not r["inside"] for r in mean) for name in accuracy},
    }


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    aurocs = [row["auroc"] for row in rows if row["auroc"] is not None]
    return {
        "mae_set": float(np.mean([abs(row["error"]) for row in rows])),
        "worst": float(max(abs(row["error"]) for row in rows)),
        "bias": float(np.mean([row["error"] for row in rows])),
        "sets held": float(np.mean([row["held"] for row in rows])),
        "half width": float(np.mean([row["half"] for row in rows])),
        "auroc within sets": float(np.mean(aurocs)) if aurocs else None,
        "mae_set by kind": {kind: float(np.mean([abs(row["error"]) for row in rows if row["kind"] == kind])) for kind in KINDS},
    }


def briefly(rows: list[dict[str, Any]]) -> dict[str, float]:
    if not rows:
        return {"sets": 0}
    mae, held = np.mean([abs(row["error"]) for row in rows]), np.mean([row["held"] for row in rows])
    return {"sets": len(rows), "mae_set": float(mae), "sets held": float(held)}


if __name__ == "__main__":
    main()
