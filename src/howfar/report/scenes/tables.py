"""Lay out the tables of the study of scenes: categories, backbones, closest and farthest, all distances, agreement."""

from __future__ import annotations

from typing import Any

from howfar.numbers import signed
from howfar.report.scenes.paper import is_listed
from howfar.report.tables import Cell, Column, Table, count, number, with_interval
from howfar.results.scenes import Scenes, relative_text


def categories(result: Scenes) -> Table:
    """Make table 7: every category with its number of images."""
    columns = (
        Column("category"),
        Column("images"),
        Column("primary", "whether all others are compared with it"),
        Column("in the paper", "whether it is one of the 50 categories of table 7"),
    )
    rows = [
        (Cell(name), count(n), Cell("yes" if name in result.primaries else "–"), Cell("yes" if is_listed(name) else "–"))
        for name, n in result.sizes.items()
    ]
    return Table(columns, tuple(rows))


def backbones(result: Scenes) -> Table:
    """Make table 8: every backbone with its feature."""
    columns = (Column("backbone"), Column("model"), Column("feature"), Column("q", "length of the feature"))
    rows = [(Cell(each.name), Cell(each.registered), Cell(each.feature), count(each.length)) for each in result.backbones]
    return Table(columns, tuple(rows))


def ends(result: Scenes, primary: str) -> Table:
    """Make the table of the closest and the farthest categories, a row a backbone and place."""
    columns = (
        Column("backbone"),
        Column("place", "from the closest, and from the farthest"),
        Column("closest"),
        Column("O^dist", "mean over all pairs of images"),
        Column("relative [95 % CI]", "O^dist over P's distance from itself"),
        Column("farthest"),
        Column("O^dist"),
        Column("relative [95 % CI]"),
    )
    rows = []
    for backbone in result.names():
        by_name: Any = result.measured(primary, backbone).set_index("dataset")
        places = zip(result.closest(primary, backbone), result.farthest(primary, backbone), strict=True)
        for place, (near, far) in enumerate(places, 1):
            cells = (*_category(near, by_name.loc[near]), *_category(far, by_name.loc[far]))
            rows.append((Cell(backbone), count(place), *cells))
    return Table(columns, tuple(rows))


def distances(result: Scenes, primary: str) -> Table:
    """Make the table of all categories, in the order of the first backbone: relative distance and place by each backbone."""
    names = result.names()
    by_backbone: dict[str, Any] = {name: result.measured(primary, name).set_index("dataset") for name in names}
    columns = [Column("category")]
    for name in names:
        columns += [Column(f"{name}: relative [95 % CI]"), Column(f"{name}: place")]
    rows = []
    for category in result.order(primary, names[0]):
        cells = [Cell(category)]
        for name in names:
            row = by_backbone[name].loc[category]
            cells += [_relative(row), count(int(row["rank"]))]
        rows.append(tuple(cells))
    return Table(tuple(columns), tuple(rows))


def agreement(result: Scenes) -> Table:
    """Make the table of how far each two backbones agree, by primary category."""
    columns = (
        Column("primary"),
        Column("backbones"),
        Column("Kendall's τ [95 % CI]", "1: the same order; 0: unrelated orders; −1: the opposite order"),
        Column(f"top-{result.k} overlap [95 % CI]", f"share of the {result.k} closest categories that both name"),
    )
    rows = []
    for row in result.agreement.to_dict("records"):
        cells = (_interval(row, "kendall"), _interval(row, "overlap"))
        rows.append((Cell(str(row["primary"])), Cell(f"{row['one']} and {row['other']}"), *cells))
    return Table(columns, tuple(rows))


def _category(name: str, row: Any) -> tuple[Cell, ...]:
    return Cell(name), number(float(row["o_dist_mean"])), _relative(row)


def _relative(row: Any) -> Cell:
    value = float(row["relative"])
    return Cell(relative_text(row), None if value != value else value)


def _interval(row: Any, name: str) -> Cell:
    return with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], lambda value: signed(value).removeprefix("+"))
