"""Writes relation.json: parts, curves and trends of small sets, computed by plain loops without numpy.

Nothing here is shared with howfar: ranks come from counting, τ from all pairs, slopes from sums, partial correlation from
residuals, F from pixel counts added up one image at a time. Run it from anywhere: ``python tests/golden/make_relation.py``.
"""

import json
import math
import random
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("relation.json")
THRESHOLDS = (0.2, 0.5, 0.8)
COMMON = 1


def image(name: str, distance: float, foreground: float, *counts: tuple[int, int, int]) -> dict[str, Any]:
    return {"name": name, "distance": distance, "foreground": foreground, "counts": [list(one) for one in counts]}


# Counts are (TP, FP, FN) at the three thresholds.
SIX = [
    image("c", 4.0, 0.10, (40, 40, 10), (40, 10, 10), (30, 0, 20)),
    image("a", 4.0, 0.08, (30, 30, 10), (20, 10, 20), (10, 0, 30)),
    image("f", 12.0, 0.02, (10, 60, 0), (10, 30, 0), (8, 10, 2)),
    image("b", 2.0, 0.12, (60, 20, 0), (50, 0, 10), (40, 0, 20)),
    image("e", 8.0, 0.04, (16, 40, 4), (12, 12, 8), (10, 2, 10)),
    image("d", 6.0, 0.06, (28, 40, 2), (24, 12, 6), (12, 4, 18)),
]
SEVEN = [
    image("10", 1.0, 0.20, (90, 20, 10), (80, 10, 20), (60, 0, 40)),
    image("9", 1.0, 0.16, (70, 40, 10), (60, 20, 20), (40, 4, 40)),
    image("blank", 2.0, 0.0, (0, 50, 0), (0, 20, 0), (0, 4, 0)),
    image("x", 3.0, 0.10, (40, 40, 10), (30, 20, 20), (20, 6, 30)),
    image("y", 5.0, 0.12, (40, 80, 20), (30, 30, 30), (18, 12, 42)),
    image("z", 5.0, 0.06, (10, 60, 20), (9, 21, 21), (3, 7, 27)),
    image("w", 9.0, 0.14, (20, 90, 50), (14, 40, 56), (7, 20, 63)),
]


def many(m: int, blank: int, seed: int) -> list[dict[str, Any]]:
    """Images whose F falls with distance, with ties in both; the first `blank` have no foreground."""
    rng = random.Random(seed)
    found = []
    for i in range(m):
        distance = round(10.0 + 8.0 * rng.random() ** 2, 1)
        true = 0 if i < blank else 20 * (1 + int(6 * rng.random()))
        share = max(0.0, 0.95 - 0.05 * (distance - 10.0) - 0.3 * rng.random())
        counts = []
        for t in THRESHOLDS:
            hit = int(true * share * (1.2 - t) / 10) * 10
            counts.append((min(hit, true), int(30 * (1.1 - t) * rng.random()), true - min(hit, true)))
        found.append(image(f"{(7 * i) % m}.png", distance, true / 1000, *counts))
    return found


def f_of(images: list[dict[str, Any]], place: int) -> float | None:
    tp = fp = fn = 0
    for one in images:
        tp, fp, fn = tp + one["counts"][place][0], fp + one["counts"][place][1], fn + one["counts"][place][2]
    return None if tp + fn == 0 else 2 * tp / (2 * tp + fp + fn)


def scaled(images: list[dict[str, Any]]) -> list[float]:
    low, high = min(one["distance"] for one in images), max(one["distance"] for one in images)
    return [(one["distance"] - low) / (high - low) for one in images]


def in_order(images: list[dict[str, Any]]) -> list[int]:
    return [index for _, _, index in sorted((one["distance"], one["name"], i) for i, one in enumerate(images))]


def one_part(images: list[dict[str, Any]], distances: list[float], indices: list[int]) -> dict[str, Any]:
    members = [images[i] for i in indices]
    best, threshold = None, None
    for place, t in enumerate(THRESHOLDS):
        value = f_of(members, place)
        if value is not None and (best is None or value > best):
            best, threshold = value, t
    own = [value for value in (f_of([one], COMMON) for one in members) if value is not None]
    x = [distances[i] for i in indices]
    mean = sum(x) / len(x)
    return {
        "images": [images[i]["name"] for i in indices],
        "n": len(indices),
        "performance": best,
        "threshold": threshold,
        "performance_common": f_of(members, COMMON),
        "mean": sum(own) / len(own) if own else None,
        "distance_mean": mean,
        "distance_std": math.sqrt(sum((value - mean) ** 2 for value in x) / len(x)),
    }


def all_parts(images: list[dict[str, Any]], sizes: list[int]) -> list[dict[str, Any]]:
    order, distances, found, start = in_order(images), scaled(images), [], 0
    for size in sizes:
        found.append(one_part(images, distances, order[start : start + size]))
        start += size
    return found


def thirds(m: int) -> list[int]:
    """Equal thirds; one image over goes to the near third, two to the near and the middle."""
    return [m // 3 + (1 if m % 3 > place else 0) for place in range(3)]


def curve(images: list[dict[str, Any]]) -> dict[str, Any]:
    distances = scaled(images)
    order = [i for i in in_order(images) if f_of([images[i]], COMMON) is not None]
    values = [f_of([images[i]], COMMON) for i in order]
    window = max(1, len(order) // 10)
    smoothed = []
    for i in range(len(order)):
        inside = [values[j] for j in range(len(order)) if i - window // 2 <= j <= i - window // 2 + window - 1]
        smoothed.append(sum(inside) / len(inside))
    names = [images[i]["name"] for i in order]
    return {"window": window, "images": names, "distances": [distances[i] for i in order], "smoothed": smoothed}


def ranks(values: list[float]) -> list[float]:
    return [sum(v < own for v in values) + (sum(v == own for v in values) + 1) / 2 for own in values]


def line(x: list[float], y: list[float]) -> tuple[float, float]:
    mx, my = sum(x) / len(x), sum(y) / len(y)
    slope = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x)
    return slope, my - slope * mx


def pearson(x: list[float], y: list[float]) -> float:
    mx, my = sum(x) / len(x), sum(y) / len(y)
    xy = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    return xy / math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y))


def left_over(x: list[float], z: list[float]) -> list[float]:
    slope, start = line(z, x)
    return [a - start - slope * c for a, c in zip(x, z, strict=True)]


def tau_b(x: list[float], y: list[float]) -> float:
    agreeing = differ_x = differ_y = 0
    for i in range(len(x)):
        for j in range(i):
            a, b = (x[i] > x[j]) - (x[i] < x[j]), (y[i] > y[j]) - (y[i] < y[j])
            agreeing, differ_x, differ_y = agreeing + a * b, differ_x + abs(a), differ_y + abs(b)
    return agreeing / math.sqrt(differ_x * differ_y)


def trend(images: list[dict[str, Any]]) -> dict[str, Any]:
    distances = scaled(images)
    known = [i for i in range(len(images)) if f_of([images[i]], COMMON) is not None]
    x, y = [distances[i] for i in known], [f_of([images[i]], COMMON) or 0.0 for i in known]
    z = [images[i]["foreground"] for i in known]
    return {
        "n": len(known),
        "spearman": pearson(ranks(x), ranks(y)),
        "kendall": tau_b(x, y),
        "slope": line(x, y)[0],
        "partial": pearson(left_over(ranks(x), ranks(z)), left_over(ranks(y), ranks(z))),
    }


def case(images: list[dict[str, Any]]) -> dict[str, Any]:
    m = len(images)
    return {
        "images": images,
        "scaled": scaled(images),
        "performance": [f_of([one], COMMON) for one in images],
        "halves": all_parts(images, [m // 2, m - m // 2]),
        "thirds": all_parts(images, thirds(m)),
        "curve": curve(images),
        "trend": trend(images),
    }


def document() -> dict[str, Any]:
    sets = {"six": SIX, "seven": SEVEN, "odd": many(57, 4, seed=3), "even": many(44, 0, seed=8)}
    return {"thresholds": list(THRESHOLDS), "common": COMMON, "cases": {name: case(images) for name, images in sets.items()}}


if __name__ == "__main__":
    TARGET.write_text(json.dumps(document(), indent=1) + "\n", encoding="utf-8")
