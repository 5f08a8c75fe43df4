"""Draw docs/pictures/selection.png, the images that eight strategies choose from one synthetic dataset.

usage: make_selection_picture.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
from make_pictures import BLUE, ORANGE, write

from howfar.distances import image_to_dataset
from howfar.figures.style import GRID, INK, MUTED, PRIMARY, blank, drawing
from howfar.selection import named

SHOWN = ("random", "far", "stratified", "kcenter", "kmeanspp", "typiclust", "probcover", "herding")


def cloud() -> tuple[Any, Any]:
    """Draw P, and a dataset of three kinds (one common, one less so, one rare) and four images unlike any other."""
    rng = np.random.default_rng(4)
    p = rng.normal(size=(40, 2)) * 0.8 - (7.0, 0.0)
    kinds = [
        rng.normal(size=(60, 2)) * (0.8, 1.1),
        rng.normal(size=(25, 2)) * 0.7 + (5.0, 2.5),
        rng.normal(size=(8, 2)) * 0.4 + (4.5, -3.0),
        np.array([[10.0, 6.0], [9.5, -5.5], [0.5, 7.0], [-0.5, -6.5]]),
    ]
    return p, np.concatenate(kinds)


def main() -> None:
    p, s = cloud()
    distance = image_to_dataset(s, p)
    columns = {"features": s, "distance": (distance - distance.min()) / np.ptp(distance)}
    with drawing():
        figure = blank(9.0, 4.9)
        for axes, name in zip(figure.subplots(2, 4).ravel(), SHOWN, strict=True):
            chosen = named(name).pick(columns, 7, np.random.default_rng(1))
            axes.plot(*p.T, "o", ms=2.6, mew=0, color=GRID)
            axes.plot(*s.T, "o", ms=3.2, mew=0, color=PRIMARY, alpha=0.7)
            axes.plot(*s[chosen].T, "o", ms=9.5, mew=0, color=ORANGE if name == "random" else BLUE)
            for rank, (x, y) in enumerate(s[chosen], start=1):
                axes.text(x, y - 0.05, str(rank), color="white", fontsize=7, ha="center", va="center", weight="bold")
            axes.text(-7.4, 2.4, "P", color=MUTED, fontsize=9)
            axes.set(xlim=(-9.4, 11.4), ylim=(-7.8, 8.2), xticks=[], yticks=[])
            axes.grid(False)
            axes.set_title(name, color=INK)
            gap = np.linalg.norm(s[:, None] - s[chosen], axis=2).min(axis=1)
            print(f"{name}: mean distance to the nearest chosen {gap.mean():.2f}, largest {gap.max():.2f}")
        write(figure, "selection", "png")


if __name__ == "__main__":
    main()
