"""Put everything that the interactive page shows of a run into one block: names, numbers, places, small pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from howfar.explore.container import EXACT_ROWS, joined, pack
from howfar.explore.points import Points
from howfar.explore.thumbnails import Small

RAMP = 24


def page_data(points: Points, *, small: Sequence[Small] = (), asked: Mapping[str, Any] | None = None) -> bytes:
    """Pack a run for the page.

    Parameters
    ----------
    points
        The images of the run.
    small
        The small pictures that the page holds.
    asked
        What a page needs that asks a server or a kernel for its pictures; None for one that asks for nothing.

    Returns
    -------
    bytes
        What `howfar.explore.container.pack` makes of it.
    """
    return pack(*_described(points, small, asked), exact=len(points) <= EXACT_ROWS)


def _described(
    points: Points, small: Sequence[Small], asked: Mapping[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    names = {name: index for index, name in enumerate(points.datasets)}
    of_secondaries = points.rows["dataset"][: points.secondary_count]
    where = [*of_secondaries.map(names), *([len(names) - 1] * (len(points) - len(of_secondaries)))]
    places = points.places
    header = {
        "title": points.primary,
        "threshold": points.threshold,
        "count": points.secondary_count,
        "names": points.rows["image"].tolist(),
        "datasets": [{"name": name, "colour": colour} for name, colour in zip(points.datasets, points.colours, strict=True)],
        "panels": list(places.panels),
        "planes": [
            {"name": plane.name, "title": plane.title, "axes": plane.axes, "about": plane.about} for plane in places.planes
        ],
        "models": [{"name": model.name, "seed": model.seed, "threshold": model.threshold} for model in points.models],
        "columns": [_column(column) for column in points.columns],
        "ramp": ramp(),
        "asked": None if asked is None else dict(asked),
    }
    arrays: dict[str, Any] = {"dataset": np.array(where, dtype=np.uint16)}
    arrays |= {"nearest": points.nearest.ravel()}
    arrays |= {"place_row": places.row, "place_panel": places.panel}
    for plane in places.planes:
        arrays |= {f"{plane.name}_x": plane.x.astype(np.float64), f"{plane.name}_y": plane.y.astype(np.float64)}
    for index, model in enumerate(points.models):
        arrays |= {f"model_{index}_performance": model.performance, f"model_{index}_distance": model.distance}
    arrays |= {f"column_{index}": column.values for index, column in enumerate(points.columns)}
    return header, arrays | _pictures(small, max(1, len(points.models)))


def _column(column: Any) -> dict[str, Any]:
    about = {"name": column.name, "title": column.title, "kind": column.kind, "about": column.about}
    return about | ({"categories": list(column.categories)} if column.kind == "category" else {})


def _pictures(small: Sequence[Small], models: int) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "small_row": np.array([one.row for one in small], dtype=np.uint32),
        "small_width": np.array([one.width for one in small], dtype=np.uint32),
        "small_height": np.array([one.height for one in small], dtype=np.uint32),
    }
    files = {"photograph": [one.photograph for one in small], "mask": [one.mask for one in small]}
    files |= {f"prediction_{model}": [one.predictions[model] for one in small] for model in range(models)}
    for name, blobs in files.items():
        data, ends = joined(blobs)
        arrays |= {name: data, f"{name}_ends": ends}
    return arrays


def ramp() -> list[str]:
    """Return the colours for numbers from low to high, which colour-blind readers can order, on light and on dark pages."""
    import matplotlib
    from matplotlib.colors import to_hex

    colours = matplotlib.colormaps["viridis"](np.linspace(0.12, 0.92, RAMP))
    return [to_hex(colour) for colour in colours]
