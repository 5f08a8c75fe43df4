"""Report the paper's study of scenes: the closest and farthest scene categories, their images, and backbone agreement."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures import Caption, style
from howfar.figures.contact_sheets import photograph, three_digits
from howfar.figures.distance_figures import half_violin
from howfar.paper import printed_values
from howfar.paper.printed_values import is_listed
from howfar.report import section as doc
from howfar.results.distance_studies import End, Scenes
from howfar.results.records import Interval, matching

CLOSEST, FARTHEST = style.COLOURS[:2]
STEP: Final = 1.12
NAMES: Final = 0.165
"""Share of a sheet's width that the backbones' names take, beside the rows of images."""
LINE: Final = 0.16
"""Height of a line of text under an image, in inches."""
FEWEST, MOST = 5, 7
"""Rows of fewer images are drawn as if there were so many, so that images do not grow; names of more are smaller."""


def scene_violins(result: Scenes, primary: str) -> Figure:
    """Draw the distribution of I^dist in the closest and farthest or named categories, a panel per backbone (fig. 18).

    Closest on top. A grey stroke marks the primary category's distance from itself in the space that it shares with the one
    in that row.
    """
    count, rows = len(result.backbones), max(len(result.shown(primary, backbone)) for backbone in result.names())
    with style.drawing():
        height = 0.75 + 0.3 * rows
        apart: dict[str, bool] = {"sharex": False, "sharey": False}
        figure, panels, _ = style.panel_grid(count, 2, lambda lines: 1.0 + lines * height, narrow=5.6, **apart)
        for axes, backbone in zip(panels, result.names(), strict=True):
            _panel(axes, result, primary, backbone)
        figure.supxlabel(f"mean distance to the images of P ({style.I_DIST} / n)", fontsize=9.5)
        ends = f"The {result.k} closest categories (blue) and the {result.k} farthest (orange)"
        shown = "The categories named, the closer half in blue" if result.sets else ends
        note = f"{shown}; the closest on top; grey: {style.name_text(primary)} from itself"
        style.head_filled(figure, f"Distances of images from {style.name_text(primary)}", note)
    return figure


def _panel(axes: Axes, result: Scenes, primary: str, backbone: str) -> None:
    shown = result.shown(primary, backbone)
    rows: Any = result.measured(primary, backbone).set_index("dataset")
    for line, name in enumerate(shown):
        near = float(rows.loc[name, "rank"]) <= (len(rows) + 1) / 2
        images = matching(result.images, primary=primary, backbone=backbone, dataset=name)
        values = np.sort(images["i_dist_mean"].to_numpy(dtype=np.float64))
        half_violin(axes, values, line + 0.2, -1, CLOSEST if near else FARTHEST, name)
        own = float(rows.loc[name, "self_distance"])
        axes.vlines(own, line - 0.25, line + 0.3, color=style.MUTED, lw=1.2, label=f"own:{name}")
    style.name_rows(axes, [style.name_text(name, 20) for name in shown])
    axes.set_ylim(len(shown) - 0.5, -0.7)
    style.head_panel(axes, backbone)


def scene_images(result: Scenes, primary: str, end: End) -> Figure:
    """Draw the images closest to or farthest from a primary category, a row per backbone, one image per category.

    Under each: its category, I^dist in mean form, and the category's place by O^dist. Images are read again from their files;
    one that is no longer there is a grey box. After figs 19 to 29.
    """
    layout = _Layout.of(result.k)
    with style.drawing():
        figure, axes = style.picture_sheet(layout.across, layout.row * len(result.backbones))
        for line, backbone in enumerate(result.names()):
            top = line * layout.row
            style.row_title(axes, top + 0.5, style.name_text(backbone, 16), "center")
            for position, record in enumerate(result.at_the_end(primary, backbone, end).to_dict("records")):
                _tile(axes, record, layout, layout.side + position * STEP, top)
        places = f"1 to {len(result.order(primary, result.names()[0]))}"
        note = f"One image of a category; under each: its category · mean distance · place of the category ({places})"
        towards = "to" if end == "closest" else "from"
        style.head_filled(figure, f"The {result.k} {end} images {towards} {style.name_text(primary)}", note)
    return figure


class _Layout(NamedTuple):
    """Hold a sheet's measures in image sides, and size in points and length in letters of a category's name."""

    side: float
    across: float
    row: float
    line: float
    size: float
    longest: int

    @classmethod
    def of(cls, k: int) -> _Layout:
        """Lay out rows of k images; short rows keep the width of longer ones, so that images do not grow."""
        images = max(FEWEST, k) * STEP
        across = images / (1 - NAMES)
        line = LINE * across / style.WIDTH
        size = 8.0 if k <= MOST else 7.0
        return cls(across - images, across, 1.1 + 2.2 * line, line, size, max(8, round(760 / size / max(FEWEST, k)) + 1))


def _tile(axes: Axes, record: Mapping[Hashable, Any], layout: _Layout, left: float, top: float) -> None:
    """Draw an image in a unit square with the upper left corner (left, top), its category and numbers below."""
    photograph(axes, str(record["path"]), str(record["image"]), left, top)
    category = style.name_text(str(record["dataset"]), layout.longest)
    style.words_below(axes, left + 0.5, top + 1.03, category, layout.size)
    numbers = f"{three_digits(float(record['i_dist_mean']))} · {record['rank']}"
    style.words_below(axes, left + 0.5, top + 1.03 + layout.line, numbers, 7.5, style.MUTED)


def categories(result: Scenes) -> doc.Table:
    """Build table 7: every category with its number of images."""

    def yes(true: bool) -> doc.Cell:
        return doc.Cell("yes" if true else "–")

    return doc.tabulate(
        result.sizes.items(),
        ("category", "", lambda row: doc.Cell(row[0])),
        ("images", "", lambda row: doc.count(row[1])),
        ("primary", "whether all others are compared with it", lambda row: yes(row[0] in result.primaries)),
        ("in the paper", "whether it is one of the 50 categories of table 7", lambda row: yes(is_listed(row[0]))),
    )


def backbones(result: Scenes) -> doc.Table:
    """Build table 8: every backbone with its feature."""
    return doc.tabulate(
        result.backbones,
        ("backbone", "", lambda each: doc.Cell(each.name)),
        ("model", "", lambda each: doc.Cell(each.registered)),
        ("feature", "", lambda each: doc.Cell(each.feature)),
        ("q", "length of the feature", lambda each: doc.count(each.length)),
    )


def ends(result: Scenes, primary: str) -> doc.Table:
    """Build the table of the closest and farthest categories, a row per backbone and place."""
    rows: list[tuple[str, int, Any, Any, Callable[[float], str]]] = []
    for backbone in result.names():
        measured: Any = result.measured(primary, backbone)
        write, by_name = doc.fixed_digits(measured["o_dist_mean"], 4), measured.set_index("dataset", drop=False)
        places = zip(result.closest(primary, backbone), result.farthest(primary, backbone), strict=True)
        rows += [(backbone, place, *map(by_name.loc.__getitem__, names), write) for place, names in enumerate(places, 1)]

    def of_end(place: int, title: str, mean: str = "", relative: str = "") -> tuple[doc.ColumnOf[Any], ...]:
        return (
            (title, "", lambda row: doc.Cell(row[place]["dataset"])),
            ("O^dist", mean, lambda row: doc.written(row[place]["o_dist_mean"], row[-1])),
            ("relative [95 % CI]", relative, lambda row: _relative(row[place])),
        )

    return doc.tabulate(
        rows,
        ("backbone", "", lambda row: doc.Cell(row[0])),
        ("place", "from the closest, and from the farthest", lambda row: doc.count(row[1])),
        *of_end(2, "closest", "mean over all pairs of images", "O^dist over P's distance from itself"),
        *of_end(3, "farthest"),
    )


def distances(result: Scenes, primary: str) -> doc.Table:
    """Build the table of all categories in the first backbone's order: relative distance and place by each backbone."""
    by_backbone: dict[str, Any] = {name: result.measured(primary, name).set_index("dataset") for name in result.names()}

    def columns(name: str) -> tuple[doc.ColumnOf[str], doc.ColumnOf[str]]:
        rows = by_backbone[name]
        return (
            (f"{name}: relative [95 % CI]", "", lambda category: _relative(rows.loc[category])),
            (f"{name}: place", "", lambda category: doc.count(int(rows.loc[category]["rank"]))),
        )

    further = [column for name in result.names() for column in columns(name)]
    return doc.tabulate(result.order(primary, result.names()[0]), ("category", "", doc.Cell), *further)


def agreement(result: Scenes) -> doc.Table:
    """Build the table of each two backbones' agreement by primary category."""
    orders = "1: the same order; 0: unrelated orders; −1: the opposite order"
    both = f"share of the {result.k} closest categories that both name"
    return doc.tabulate(
        result.agreement.to_dict("records"),
        doc.text_column("primary"),
        ("backbones", "", lambda row: doc.Cell(f"{row['one']} and {row['other']}")),
        ("Kendall's τ [95 % CI]", orders, lambda row: doc.row_interval(row, "kendall", doc.unsigned)),
        (f"top-{result.k} overlap [95 % CI]", both, lambda row: doc.row_interval(row, "overlap", doc.unsigned)),
    )


def _relative(row: Any) -> doc.Cell:
    return doc.row_interval(row, "relative", "{:.3f}".format)


NAMED = 3


def section(result: Scenes, context: doc.Context) -> doc.Section:
    """Build the section of a study of scenes."""
    own_spaces = (
        "Every pair of categories has its own components, as in the paper: distances of images of two categories are not "
        "measured in one space, and their order is to be read with that in mind."
    )
    shares = (
        f"Kendall's τ of the order by O^dist, and the share of the {result.k} closest that two backbones have in common; "
        "95 % intervals over the images of the categories."
    )
    agreed = doc.TablePart("agreement", "How far backbones agree on the order of the categories", agreement(result), shares)
    return doc.Section(
        lead=lead(result),
        sentences=[*_shared(result), *_agreement(result), *_by_relative(result)],
        parts=[
            doc.TablePart("categories", "The categories and their images", categories(result), label="Table 7"),
            doc.TablePart("backbones", "The backbones and their features", backbones(result), label="Table 8"),
            *(part for place, primary in enumerate(result.primaries, 1) for part in _of_primary(result, primary, place)),
            *([agreed] if len(result.agreement) else []),
        ],
        limits=[
            "An image of few details, or a category of images that are alike, can be close by I^dist without being alike in "
            "kind.",
            "The intervals of relative distances are over the images of both categories; those of the agreement are over the "
            "images of the secondary categories alone. Neither is over the choice of categories.",
            *([own_spaces] if result.settings.projection == "pair" else []),
        ],
    )


def lead(result: Scenes) -> str:
    """Name the categories closest to each primary by the first backbone, and state the backbones' agreement."""
    first = result.names()[0]
    count = min(NAMED, result.k) if len(result.primaries) <= NAMED else 1
    head, *rest = [(primary, doc.listing(result.closest(primary, first)[:count])) for primary in result.primaries]
    verb, what = ("is", "closest category") if count == 1 else ("are", f"{count} closest categories")
    closest = [f"to {head[0]} {verb} {head[1]}", *(f"to {primary} {names}" for primary, names in rest)]
    text = f"By {first} the {what} {_joined(closest)}"
    taus = result.agreement["kendall"].dropna()
    if not len(taus):
        return f"{text}."
    span = f"{taus.min():.2f}" if len(taus) == 1 else f"{taus.min():.2f} to {taus.max():.2f}"
    return f"{text}; two backbones agree on the order of all with Kendall's τ {span}.".replace("-", "−")


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _shared(result: Scenes) -> Iterator[str]:
    """Name the categories that every backbone puts among the k closest."""
    for primary in result.primaries if len(result.backbones) > 1 else ():
        closest = [set(result.closest(primary, backbone)) for backbone in result.names()]
        common = [name for name in result.closest(primary, result.names()[0]) if all(name in each for each in closest)]
        who = f"All {len(closest)} backbones" if len(closest) > 2 else "Both backbones"
        if common:
            yield f"{who} put {doc.listing(common, 8)} among the {result.k} closest to {primary}."
        else:
            yield f"No category is among the {result.k} closest to {primary} by all backbones."


def _agreement(result: Scenes) -> Iterator[str]:
    """State by primary category the two backbones that agree most, and the two that agree least."""
    for primary in result.primaries:
        pairs = matching(result.agreement, primary=primary).dropna(subset="kendall")
        if len(pairs) < 2:
            continue
        ordered = pairs.sort_values("kendall", kind="stable")
        least, most = (ordered.iloc[place] for place in (0, -1))
        yield (
            f"From {primary}, {most['one']} and {most['other']} agree the most on the order ({_tau(most)}), "
            f"{least['one']} and {least['other']} the least ({_tau(least)})."
        )


def _by_relative(result: Scenes) -> Iterator[str]:
    """Name k closest categories that differ by relative distance, which differs from O^dist if pairs have own spaces."""
    changed: list[str] = []
    for primary in result.primaries:
        for backbone in result.names():
            rows = result.measured(primary, backbone).sort_values("relative", kind="stable")
            others = [str(name) for name in rows["dataset"][: result.k] if name not in result.closest(primary, backbone)]
            if rows["relative"].notna().all() and others:
                among = "to" if changed else f"would be among the {result.k} closest to"
                changed.append(f"{doc.listing(others, 8)} {among} {primary} by {backbone}")
    if changed:
        yield f"By relative distance in place of O^dist, {_joined(changed)}."


def _tau(row: Any) -> str:
    return f"τ {Interval.of(row, 'kendall').signed(2)}".replace("+", "")


def _of_primary(result: Scenes, primary: str, place: int) -> Iterator[doc.Part]:
    """Build the tables and figures of one primary category."""
    yield doc.TablePart(
        f"ends-{place}",
        f"The {result.k} closest and farthest categories from {primary}",
        ends(result, primary),
        "By O^dist, as in the paper, the closest and the farthest first; relative: O^dist over P's distance from itself.",
    )
    ends_of = f"the {result.k} closest categories and the {result.k} farthest"
    shown = "the categories that were named" if result.sets else ends_of
    yield doc.FigurePart(
        f"violins-{place}",
        partial(scene_violins, result, primary),
        Caption(
            f"How distances from {primary} are spread",
            f"One panel a backbone: I^dist of each image of {shown}, the closest on top. Bars span the quartiles, white dots "
            f"are medians, grey strokes are the mean distance of {primary}'s images from each other in the same space.",
            " ".join(f"{backbone}: {', '.join(result.shown(primary, backbone))}." for backbone in result.names()),
        ),
        printed_values.label(printed_values.VIOLINS, primary, "Figure 18"),
    )
    yield _images(result, primary, place, "closest", printed_values.label(printed_values.CLOSEST, primary, "Figure 19"))
    yield _images(result, primary, place, "farthest", printed_values.label(printed_values.FARTHEST, primary, "Figure 20"))
    yield doc.TablePart(
        f"distances-{place}",
        f"Relative distance of every category from {primary}",
        distances(result, primary),
        "O^dist over P's distance from itself, with its 95 % interval over the images, and the place by O^dist.",
    )


def _images(result: Scenes, primary: str, place: int, end: End, label: str) -> doc.FigurePart:
    rows = []
    for backbone in result.names():
        found = result.at_the_end(primary, backbone, end)
        rows.append(f"{backbone}: {', '.join(f'{a}/{b}' for a, b in zip(found['dataset'], found['image'], strict=True))}.")
    which = "closest to" if end == "closest" else "farthest from"
    text = (
        f"One row a backbone: of every category the one image that is {which} {primary} by I^dist, and of these the {result.k} "
        f"{end}. Under each: its category, its mean distance, and the category's place by O^dist, 1 being the closest."
    )
    draw = partial(scene_images, result, primary, end)
    return doc.FigurePart(f"{end}-{place}", draw, Caption(f"The {end} images, {primary}", text, " ".join(rows)), label)
