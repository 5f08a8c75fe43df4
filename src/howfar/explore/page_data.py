"""Put everything that the interactive page shows of a run into one block: names, numbers, places, small pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from howfar.explore.container import EXACT_ROWS, joined, pack
from howfar.explore.points import Points, points_of
from howfar.explore.thumbnails import Small
from howfar.results import Comparison, Relation

RAMP = 24


def page_data(
    comparison: Comparison,
    relation: Relation | None,
    *,
    small: Sequence[Small] = (),
    served: Mapping[str, Any] | None = None,
) -> bytes:
    """Pack a run for the page.

    Parameters
    ----------
    comparison, relation
        The run, and how performance goes with distance in it, where that is known.
    small
        The small pictures that the page holds.
    served
        What a page needs that asks a server for its pictures; None for one that asks for nothing.

    Returns
    -------
    bytes
        What `howfar.explore.container.pack` makes of it.
    """
    points = points_of(comparison, relation)
    return pack(*_described(points, comparison, relation, small, served), exact=len(points) <= EXACT_ROWS)


def _described(
    points: Points,
    comparison: Comparison,
    relation: Relation | None,
    small: Sequence[Small],
    served: Mapping[str, Any] | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    names = {name: index for index, name in enumerate(points.datasets)}
    where = [*points.rows["dataset"][: points.count].map(names), *([len(names) - 1] * (len(points) - points.count))]
    header = {
        "title": comparison.primary.name,
        "threshold": None if relation is None else relation.settings.threshold,
        "count": points.count,
        "names": points.rows["image"].tolist(),
        "datasets": [{"name": name, "colour": colour} for name, colour in zip(points.datasets, points.colours, strict=True)],
        "panels": list(points.panels),
        "columns": [_column(column) for column in points.columns],
        "ramp": ramp(),
        "served": None if served is None else dict(served),
    }
    arrays: dict[str, Any] = {"dataset": np.array(where, dtype=np.uint16)}
    arrays |= {"nearest": points.nearest.ravel()}
    arrays |= {"place_row": points.place_row, "place_panel": points.place_panel}
    arrays |= {"x": points.x.astype(np.float64), "y": points.y.astype(np.float64)}
    arrays |= {f"column_{index}": column.values for index, column in enumerate(points.columns)}
    return header, arrays | _pictures(small)


def _column(column: Any) -> dict[str, Any]:
    about = {"name": column.name, "title": column.title, "kind": column.kind, "about": column.about}
    return about | ({"categories": list(column.categories)} if column.kind == "category" else {})


def _pictures(small: Sequence[Small]) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "small_row": np.array([one.row for one in small], dtype=np.uint32),
        "small_width": np.array([one.width for one in small], dtype=np.uint32),
        "small_height": np.array([one.height for one in small], dtype=np.uint32),
    }
    for kind in ("photograph", "mask", "prediction"):
        data, ends = joined([getattr(one, kind) for one in small])
        arrays |= {kind: data, f"{kind}_ends": ends}
    return arrays


def ramp() -> list[str]:
    """Return the colours for numbers from low to high, which colour-blind readers can order, on light and on dark pages."""
    import matplotlib
    from matplotlib.colors import to_hex

    colours = matplotlib.colormaps["viridis"](np.linspace(0.12, 0.92, RAMP))
    return [to_hex(colour) for colour in colours]
