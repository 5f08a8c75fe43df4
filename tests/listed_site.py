"""Small sites of a classifier and of a detector, with predictions that are right on some images and wrong on others."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ("dry", "ice", "wet")
SIDE = 32


@dataclass(frozen=True)
class ListedSet:
    """Hold a set's table or folder, the file of predictions, and what is true of its images by name."""

    dataset: Path
    predictions: Path
    truth: dict[str, Any]
    flipped: Path | None = None


def write_pictures(folder: Path, count: int, seed: int, shade: float = 0.5) -> list[str]:
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    names = [f"{number:03d}.png" for number in range(count)]
    for name in names:
        pixels = np.clip(rng.normal(255 * shade, 40, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
    return names


def write_classes(folder: Path, count: int = 40, sharpness: float = 2.0, seed: int = 0, labelled: bool = True) -> ListedSet:
    """Write a set whose classifier is right as often as it is sure; duller at a smaller sharpness."""
    rng = np.random.default_rng([seed, count])
    names = write_pictures(folder, count, seed, shade=0.2 + 0.2 * sharpness)
    logits = sharpness * rng.normal(size=(count, len(CLASSES)))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = {name: CLASSES[rng.choice(len(CLASSES), p=row)] for name, row in zip(names, p, strict=True)}
    rows = [",".join([name, *(repr(float(value)) for value in row)]) for name, row in zip(names, p, strict=True)]
    predictions = folder / "classes.csv"
    predictions.write_text("\n".join([",".join(["image", *CLASSES]), *rows]) + "\n")
    table = folder / f"{folder.name}.csv"
    lines = [f"images/{name},{truth[name] if labelled else ''}" for name in names]
    table.write_text("\n".join(["image,label", *lines]) + "\n")
    return ListedSet(table, predictions, {f"images/{name}": label for name, label in truth.items()})


def write_boxes(folder: Path, count: int = 40, skill: float = 0.8, seed: int = 0) -> ListedSet:
    """Write a set whose detector finds a share of the boxes, scores what it finds by how well, and moves with little skill."""
    rng = np.random.default_rng([seed, count, 1])
    names = write_pictures(folder, count, seed, shade=0.2 + 0.5 * skill)
    predicted, mirrored, truth = [], [], {}
    for name in names:
        sure = float(np.clip(skill + 0.15 * rng.normal(), 0.02, 0.98))
        true = [_box(rng) for _ in range(int(rng.integers(1, 4)))]
        found = [[side + rng.uniform(0.6, 1.2) for side in box] for box in true if rng.random() < sure] + [
            _box(rng) for _ in range(rng.binomial(2, 1 - sure))
        ]
        scores = [float(np.clip(sure + 0.1 * rng.normal(), 0.01, 0.99)) for _ in found]
        moved = [[SIDE - x1 + (1 - sure) * 6 * rng.normal(), y0, SIDE - x0, y1] for x0, y0, x1, y1 in found]
        back = [[min(x0, x1 - 1.0), y0, x1, y1] for x0, y0, x1, y1 in moved]
        labels = ["car"] * len(found)
        predicted.append({"image": name, "boxes": found, "scores": scores, "labels": labels})
        mirrored.append({"image": name, "boxes": back, "scores": scores, "labels": labels})
        truth[name] = true
    files = [folder / "boxes.json", folder / "flipped.json"]
    for file, entries in zip(files, (predicted, mirrored), strict=True):
        file.write_text(json.dumps(entries))
    return ListedSet(folder, files[0], truth, files[1])


def write_true_boxes(file: Path, truth: dict[str, Any]) -> Path:
    """Write true boxes as `howfar.evaluate` takes them."""
    file.write_text(json.dumps([{"image": name, "boxes": of, "labels": ["car"] * len(of)} for name, of in truth.items()]))
    return file


def _box(rng: np.random.Generator) -> list[float]:
    left, top = rng.uniform(0, 20, 2)
    return [float(left), float(top), float(left + rng.uniform(6, 12)), float(top + rng.uniform(6, 12))]
