"""Report the studies of categories: closest and farthest ones, their images, and the order under perturbations."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.arrays import Float64Array
from howfar.figures import Caption
from howfar.figures.adaptation_models import panel_grid
from howfar.figures.contact_sheets import photograph, three_digits
from howfar.figures.distance_figures import half_violin
from howfar.figures.style import (
    COLOURS,
    I_DIST,
    INK,
    MUTED,
    PRIMARY,
    WIDTH,
    blank,
    drawing,
    head_panel,
    look,
    name_legend,
    name_rows,
    name_text,
    picture_sheet,
)
from howfar.paper import printed_values
from howfar.paper.printed_values import is_listed
from howfar.paper.report_frame import fixed_digits, head, interval_text, text_column
from howfar.report.section import (
    UNDEFINED,
    Cell,
    Column,
    ColumnOf,
    Context,
    FigurePart,
    Part,
    Section,
    Table,
    TablePart,
    count,
    listing,
    plural,
    row_interval,
    tabulate,
    with_interval,
)
from howfar.results.distance_studies import UNCHANGED, End, Robustness, Scenes
from howfar.results.distance_studies import with_interval as written
from howfar.results.records import matching
from howfar.wording import signed

COLUMNS: Final = 2
CLOSEST, FARTHEST = COLOURS[:2]
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
    with drawing():
        height = 0.75 + 0.3 * rows
        apart: dict[str, bool] = {"sharex": False, "sharey": False}
        figure, panels, _ = panel_grid(count, COLUMNS, lambda lines: 1.0 + lines * height, narrow=5.6, **apart)
        for axes, backbone in zip(panels, result.names(), strict=True):
            _panel(axes, result, primary, backbone)
        figure.supxlabel(f"mean distance to the images of P ({I_DIST} / n)", fontsize=9.5)
        ends = f"The {result.k} closest categories (blue) and the {result.k} farthest (orange)"
        shown = "The categories named, the closer half in blue" if result.sets else ends
        note = f"{shown}; the closest on top; grey: {name_text(primary)} from itself"
        head(figure, f"Distances of images from {name_text(primary)}", note)
    return figure


def _panel(axes: Axes, result: Scenes, primary: str, backbone: str) -> None:
    shown = result.shown(primary, backbone)
    rows: Any = result.measured(primary, backbone).set_index("dataset")
    for line, name in enumerate(shown):
        near = float(rows.loc[name, "rank"]) <= (len(rows) + 1) / 2
        values = np.sort(result.distances_of(primary, backbone, name).to_numpy(dtype=np.float64))
        half_violin(axes, values, line + 0.2, -1, CLOSEST if near else FARTHEST, name)
        own = float(rows.loc[name, "self_distance"])
        axes.vlines(own, line - 0.25, line + 0.3, color=MUTED, lw=1.2, label=f"own:{name}")
    name_rows(axes, [name_text(name, 20) for name in shown])
    axes.set_ylim(len(shown) - 0.5, -0.7)
    head_panel(axes, backbone)


def scene_images(result: Scenes, primary: str, end: End) -> Figure:
    """Draw the images closest to or farthest from a primary category, a row per backbone, one image per category.

    Under each: its category, I^dist in mean form, and the category's place by O^dist. Images are read again from their files;
    one that is no longer there is a grey box. After figs 19 to 29.
    """
    layout = _Layout.of(result.k)
    with drawing():
        figure, axes = picture_sheet(layout.across, layout.row * len(result.backbones))
        for line, backbone in enumerate(result.names()):
            top = line * layout.row
            text: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold", "color": INK, "va": "center", "parse_math": False}
            axes.text(0, top + 0.5, name_text(backbone, 16), **text)
            for position, record in enumerate(result.at_the_end(primary, backbone, end).to_dict("records")):
                _tile(axes, record, layout, layout.side + position * STEP, top)
        places = f"1 to {len(result.order(primary, result.names()[0]))}"
        note = f"One image of a category; under each: its category · mean distance · place of the category ({places})"
        towards = "to" if end == "closest" else "from"
        head(figure, f"The {result.k} {end} images {towards} {name_text(primary)}", note)
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
        line = LINE * across / WIDTH
        size = 8.0 if k <= MOST else 7.0
        return cls(across - images, across, 1.1 + 2.2 * line, line, size, max(8, round(760 / size / max(FEWEST, k)) + 1))


def _tile(axes: Axes, record: Mapping[Hashable, Any], layout: _Layout, left: float, top: float) -> None:
    """Draw an image in a unit square with the upper left corner (left, top), its category and numbers below."""
    photograph(axes, str(record["path"]), str(record["image"]), left, top)
    text: dict[str, Any] = {"ha": "center", "va": "top", "parse_math": False}
    category = name_text(str(record["dataset"]), layout.longest)
    axes.text(left + 0.5, top + 1.03, category, fontsize=layout.size, color=INK, **text)
    numbers = f"{three_digits(float(record['i_dist_mean']))} · {record['rank']}"
    axes.text(left + 0.5, top + 1.03 + layout.line, numbers, fontsize=7.5, color=MUTED, **text)


def categories(result: Scenes) -> Table:
    """Build table 7: every category with its number of images."""

    def yes(true: bool) -> Cell:
        return Cell("yes" if true else "–")

    return tabulate(
        result.sizes.items(),
        ("category", "", lambda row: Cell(row[0])),
        ("images", "", lambda row: count(row[1])),
        ("primary", "whether all others are compared with it", lambda row: yes(row[0] in result.primaries)),
        ("in the paper", "whether it is one of the 50 categories of table 7", lambda row: yes(is_listed(row[0]))),
    )


def backbones(result: Scenes) -> Table:
    """Build table 8: every backbone with its feature."""
    return tabulate(
        result.backbones,
        ("backbone", "", lambda each: Cell(each.name)),
        ("model", "", lambda each: Cell(each.registered)),
        ("feature", "", lambda each: Cell(each.feature)),
        ("q", "length of the feature", lambda each: count(each.length)),
    )


def ends(result: Scenes, primary: str) -> Table:
    """Build the table of the closest and farthest categories, a row per backbone and place."""
    rows = []
    for backbone in result.names():
        measured: Any = result.measured(primary, backbone)
        write, by_name = fixed_digits(measured["o_dist_mean"], 4), measured.set_index("dataset")
        places = zip(result.closest(primary, backbone), result.farthest(primary, backbone), strict=True)
        for place, names in enumerate(places, 1):
            cells = [Cell(backbone), count(place)]
            for name in names:
                row = by_name.loc[name]
                cells += [Cell(name), with_interval(row["o_dist_mean"], None, None, write), _relative(row)]
            rows.append(tuple(cells))
    mean, relative = ("O^dist", "mean over all pairs of images"), ("relative [95 % CI]", "O^dist over P's distance from itself")
    columns = (
        ("backbone", ""),
        ("place", "from the closest, and from the farthest"),
        ("closest", ""),
        mean,
        relative,
        ("farthest", ""),
        ("O^dist", ""),
        ("relative [95 % CI]", ""),
    )
    return Table(tuple(Column(*each) for each in columns), tuple(rows))


def distances(result: Scenes, primary: str) -> Table:
    """Build the table of all categories in the first backbone's order: relative distance and place by each backbone."""
    by_backbone: dict[str, Any] = {name: result.measured(primary, name).set_index("dataset") for name in result.names()}

    def columns(name: str) -> tuple[ColumnOf[str], ColumnOf[str]]:
        rows = by_backbone[name]
        return (
            (f"{name}: relative [95 % CI]", "", lambda category: _relative(rows.loc[category])),
            (f"{name}: place", "", lambda category: count(int(rows.loc[category]["rank"]))),
        )

    further = [column for name in result.names() for column in columns(name)]
    return tabulate(result.order(primary, result.names()[0]), ("category", "", Cell), *further)


def agreement(result: Scenes) -> Table:
    """Build the table of each two backbones' agreement by primary category."""
    orders = "1: the same order; 0: unrelated orders; −1: the opposite order"
    both = f"share of the {result.k} closest categories that both name"

    def unsigned(value: float) -> str:
        return signed(value).removeprefix("+")

    return tabulate(
        result.agreement.to_dict("records"),
        text_column("primary"),
        ("backbones", "", lambda row: Cell(f"{row['one']} and {row['other']}")),
        ("Kendall's τ [95 % CI]", orders, lambda row: row_interval(row, "kendall", unsigned)),
        (f"top-{result.k} overlap [95 % CI]", both, lambda row: row_interval(row, "overlap", unsigned)),
    )


def _relative(row: Any) -> Cell:
    return row_interval(row, "relative", "{:.3f}".format)


NAMED = 3


def scenes_section(result: Scenes, context: Context) -> Section:
    """Build the section of a study of scenes."""
    shares = (
        f"Kendall's τ of the order by O^dist, and the share of the {result.k} closest that two backbones have in common; "
        "95 % intervals over the images of the categories."
    )
    agreed = TablePart("agreement", "How far backbones agree on the order of the categories", agreement(result), shares)
    return Section(
        lead=scenes_lead(result),
        sentences=[*_shared(result), *_agreement(result), *_by_relative(result)],
        parts=[
            TablePart("categories", "The categories and their images", categories(result), label="Table 7"),
            TablePart("backbones", "The backbones and their features", backbones(result), label="Table 8"),
            *(part for place, primary in enumerate(result.primaries, 1) for part in _of_primary(result, primary, place)),
            *([agreed] if len(result.agreement) else []),
        ],
        limits=[
            "An image of few details, or a category of images that are alike, can be close by I^dist without being alike in "
            "kind.",
            "The intervals of relative distances are over the images of both categories; those of the agreement are over the "
            "images of the secondary categories alone. Neither is over the choice of categories.",
            *([OWN_SPACES] if result.settings.projection == "pair" else []),
        ],
    )


def scenes_lead(result: Scenes) -> str:
    """Name the categories closest to each primary by the first backbone, and state the backbones' agreement."""
    first = result.names()[0]
    count = min(NAMED, result.k) if len(result.primaries) <= NAMED else 1
    head, *rest = [(primary, listing(result.closest(primary, first)[:count])) for primary in result.primaries]
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
            yield f"{who} put {listing(common, 8)} among the {result.k} closest to {primary}."
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
                changed.append(f"{listing(others, 8)} {among} {primary} by {backbone}")
    if changed:
        yield f"By relative distance in place of O^dist, {_joined(changed)}."


def _tau(row: Any) -> str:
    return f"τ {interval_text(row['kendall'], row['kendall_low'], row['kendall_high'])}".replace("+", "")


def _of_primary(result: Scenes, primary: str, place: int) -> Iterator[Part]:
    """Build the tables and figures of one primary category."""
    yield TablePart(
        f"ends-{place}",
        f"The {result.k} closest and farthest categories from {primary}",
        ends(result, primary),
        "By O^dist, as in the paper, the closest and the farthest first; relative: O^dist over P's distance from itself.",
    )
    ends_of = f"the {result.k} closest categories and the {result.k} farthest"
    shown = "the categories that were named" if result.sets else ends_of
    yield FigurePart(
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
    yield TablePart(
        f"distances-{place}",
        f"Relative distance of every category from {primary}",
        distances(result, primary),
        "O^dist over P's distance from itself, with its 95 % interval over the images, and the place by O^dist.",
    )


def _images(result: Scenes, primary: str, place: int, end: End, label: str) -> FigurePart:
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
    return FigurePart(f"{end}-{place}", draw, Caption(f"The {end} images, {primary}", text, " ".join(rows)), label)


OWN_SPACES: Final = (
    "Every pair of categories has its own components, as in the paper: distances of images of two categories are not measured "
    "in one space, and their order is to be read with that in mind."
)


SPREAD: Final = 0.6
"""Height that the perturbations of one backbone share on its line, of 1."""


def stability(result: Robustness) -> Figure:
    """Draw Kendall's τ and the overlap of the k closest by backbone and perturbation, with intervals over images."""
    names = list(result.perturbations)
    with drawing():
        figure = blank(WIDTH, 1.5 + (0.2 + 0.13 * len(names)) * len(result.backbones))
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, column, title in (
            (left, "kendall", "Kendall's τ of the order before and after"),
            (right, "overlap", f"share of the {result.k} closest that stay"),
        ):
            for position, perturbation in enumerate(names):
                _marks(axes, result, column, perturbation, position)
            axes.set_xlabel(title)
            axes.axvline(1, color=MUTED, lw=0.8, zorder=1)
        name_rows(left, [name_text(name, 20) for name in result.backbones])
        right.tick_params(axis="y", length=0)
        left.set_ylim(len(result.backbones) - 0.5, -0.5)
        right.set_xlim(-0.03, 1.03)
        name_legend(figure, left, min(len(names), 6))
        head(figure, f"How far the order of categories from {name_text(result.primary)} survives", "Bars: 95 % over the images")
    return figure


def _marks(axes: Axes, result: Robustness, column: str, perturbation: str, position: int) -> None:
    """Draw a perturbation's number for every backbone, shifted so that perturbations do not overlap."""
    rows = matching(result.stability, perturbation=perturbation).set_index("backbone")
    count, style = len(result.perturbations), look(position)
    offset = SPREAD * (position - (count - 1) / 2) / max(1, count)
    at = np.arange(len(result.backbones)) + offset
    values, low, high = (rows.loc[list(result.backbones), f"{column}{end}"].to_numpy() for end in ("", "_low", "_high"))
    axes.hlines(at, low, high, color=style.colour, lw=1.4)
    axes.plot(values, at, marker=style.marker, ms=4.5, ls="none", color=style.colour, label=perturbation)


def before_and_after(result: Robustness, backbone: str) -> Figure:
    """Draw the perturbed categories' relative image distances before (above the line) and after (below it).

    One panel a perturbation, one row a category, the closest before it on top.
    """
    shown, names = result.perturbed(backbone), list(result.perturbations)
    panel = 0.6 + 0.36 * len(shown)
    with drawing():
        figure, panels, _ = panel_grid(len(names), COLUMNS, lambda lines: 1.3 + lines * panel, narrow=5.6)
        for position, (axes, name) in enumerate(zip(panels, names, strict=True)):
            for line, category in enumerate(shown):
                before, after = (_ascending(result, backbone, which, category) for which in (UNCHANGED, name))
                half_violin(axes, before, line, -1, PRIMARY, f"before:{category}")
                half_violin(axes, after, line, +1, look(position).colour, f"after:{category}")
            axes.axhline(result.k - 0.5, color=MUTED, lw=0.8, ls=(0, (4, 3)), zorder=1)
            axes.tick_params(axis="y", length=0)
            head_panel(axes, name, result.perturbations[name])
        name_rows(panels[0], [name_text(category, 18) for category in shown])
        panels[0].set_ylim(len(shown) - 0.45, -0.55)
        figure.supxlabel(f"{I_DIST} (mean) over the distance of {name_text(result.primary)} from itself", fontsize=9.5)
        ends = f"the {result.k} closest categories, then the {result.k} farthest"
        note = f"Above each line the images as they are (grey), below it perturbed; {ends}"
        head(figure, f"Distances from {name_text(result.primary)} before and after, by {name_text(backbone)}", note)
    return figure


def _ascending(result: Robustness, backbone: str, perturbation: str, category: str) -> Float64Array:
    values = result.relative_of(backbone, perturbation, category).to_numpy(dtype=np.float64)
    return np.sort(values[np.isfinite(values)])


def robustness_section(result: Robustness, context: Context) -> Section:
    """Build the section of a study of robustness."""
    interval = "95 % intervals over the images of the categories, the same ones before and after."
    return Section(
        lead=robustness_lead(result),
        sentences=list(_robustness_sentences(result)),
        parts=[
            TablePart("stability", "The order before and after, by backbone and perturbation", _stability(result), interval),
            FigurePart("stability", partial(stability, result), _caption(result)),
            TablePart(
                "overall",
                "The order before and after, averaged over the perturbations",
                _overall(result),
                "The differences are drawn with the same images for both backbones.",
            ),
            TablePart("closest", "The closest and farthest categories before and after", _orders(result)),
            *(_violins(result, backbone, place) for place, backbone in enumerate(result.backbones, 1)),
        ],
        limits=[
            f"As in the paper, only the {result.k} closest and the {result.k} farthest categories by a backbone are perturbed: "
            "not the same ones for every backbone. The primary category and those between are as they are.",
            "The strength of a perturbation is one of many: a backbone that stands these may not stand stronger ones.",
            "The intervals are over the images of these categories; they do not say what other categories would give. Where "
            "categories are about as far, resamples put them in another order, so a number may lie at an end of its interval.",
        ],
    )


def robustness_lead(result: Robustness) -> str:
    """Name the backbone with the most stable order, and the backbones from which its interval differs."""
    ordered = _ordered(result)
    best = ordered.iloc[0]
    which, tau = listing(list(result.perturbations), 8), written(best, "kendall")
    text = f"{best['backbone']} keeps the order of categories from {result.primary} best: Kendall's τ {tau}"
    text += f", averaged over {which}" if len(result.perturbations) > 1 else f" under {which}"
    text += _but(result, str(best["backbone"]))
    others = [str(name) for name in ordered["backbone"][1:]]
    if not others:
        return f"{text.replace(' best:', ' with')}."
    gaps = {name: difference(result, str(best["backbone"]), name) for name in others}
    apart = [name for name, gap in gaps.items() if gap["kendall_low"] > 0 or gap["kendall_high"] < 0]
    alike = [name for name in others if name not in apart]
    if not apart:
        return f"{text}; the intervals tell it apart from no other backbone."
    rest = f", not from {listing(alike, 8)}" if alike else ""
    return f"{text}; the intervals tell it apart from {listing(apart, 8)}{rest}."


def _ordered(result: Robustness) -> pd.DataFrame:
    return result.overall.sort_values("kendall", ascending=False, kind="stable")


def _but(result: Robustness, best: str) -> str:
    """Name the perturbations under which another backbone has the more stable order."""
    better = []
    for name, rows in result.stability.groupby("perturbation", sort=False):
        by_backbone = dict(zip(rows["backbone"], rows["kendall"].tolist(), strict=True))
        if best in by_backbone and max(by_backbone.values()) > by_backbone[best]:
            better.append(str(name))
    return f", but not under {listing(better, 8)}" if better else ""


TURNED: Final = {
    f"{name}{end}": f"{name}{other}"
    for name in ("kendall", "overlap")
    for end, other in (("", ""), ("_low", "_high"), ("_high", "_low"))
}
"""The column that holds a number of the opposite difference, by column."""


def difference(result: Robustness, one: str, other: str) -> pd.Series:
    """Return the differences in τ and overlap of one backbone minus another, in either stored direction."""
    straight = matching(result.differences, one=one, other=other)
    if len(straight):
        return straight.iloc[0]
    row = matching(result.differences, one=other, other=one).iloc[0]
    return pd.Series({"one": one, "other": other, **{name: -row[turned] for name, turned in TURNED.items()}})


def _robustness_sentences(result: Robustness) -> Iterator[str]:
    """State for each backbone the perturbation that changes the order most."""
    for backbone in result.backbones:
        rows = matching(result.stability, backbone=backbone).sort_values("kendall", kind="stable")
        least = rows.iloc[0]
        kept = round(float(least["overlap"]) * result.k)
        stay = f"{kept} of the {result.k} closest categories {plural(kept, 'stays', 'stay')} among them"
        changes = f"{least['perturbation']} changes the order" + (" the most" if len(rows) > 1 else "")
        yield f"By {backbone}, {changes}: τ {written(least, 'kendall')}; {stay}."


def _stability(result: Robustness) -> Table:
    stay = f"share of the {result.k} closest categories that stay among them"

    def perturbation(row: Any) -> Cell:
        return Cell(f"{row['perturbation']} ({result.perturbations[str(row['perturbation'])]})")

    return tabulate(
        result.stability.to_dict("records"),
        text_column("backbone"),
        ("perturbation", "", perturbation),
        ("Kendall's τ [95 % CI]", "1: the order by O^dist is unchanged; 0: unrelated to it", lambda row: _cell(row, "kendall")),
        (f"top-{result.k} overlap [95 % CI]", stay, lambda row: _cell(row, "overlap")),
        (
            "change of relative distance [95 % CI]",
            "of the perturbed categories, on average",
            lambda row: _cell(row, "change", "+"),
        ),
    )


def _overall(result: Robustness) -> Table:
    ordered = _ordered(result)
    best = str(ordered["backbone"].iloc[0])

    def less(row: Any) -> Cell:
        return UNDEFINED if row["backbone"] == best else _cell(difference(result, row["backbone"], best), "kendall", "+")

    return tabulate(
        ordered.to_dict("records"),
        text_column("backbone"),
        ("Kendall's τ [95 % CI]", "", lambda row: _cell(row, "kendall")),
        (f"top-{result.k} overlap [95 % CI]", "", lambda row: _cell(row, "overlap")),
        (f"τ less that of {best} [95 % CI]", "told apart where the interval leaves out 0", less),
    )


def _orders(result: Robustness) -> Table:
    rows = [(backbone, images) for backbone in result.backbones for images in (UNCHANGED, *result.perturbations)]
    return tabulate(
        rows,
        ("backbone", "", lambda row: Cell(row[0])),
        ("images", "", lambda row: Cell("as they are" if row[1] == UNCHANGED else row[1])),
        (f"{result.k} closest", "", lambda row: Cell(", ".join(result.order(*row)[: result.k]))),
        (f"{result.k} farthest", "", lambda row: Cell(", ".join(result.order(*row)[: -result.k - 1 : -1]))),
    )


def _cell(row: Any, name: str, sign: str = "") -> Cell:
    value, *ends = (float(row[key]) for key in (name, f"{name}_low", f"{name}_high"))
    numbers = tuple((end, number) for end, number in zip(("low", "high"), ends, strict=True) if number == number)
    return Cell(written(row, name, sign), None if value != value else value, numbers=numbers)


def _caption(result: Robustness) -> Caption:
    rows = (
        f"{row['backbone']}, {row['perturbation']}: τ {written(row, 'kendall')}, overlap {written(row, 'overlap')}"
        for row in result.stability.to_dict("records")
    )
    text = (
        "One line a backbone, one mark a perturbation. Left, Kendall's τ of the categories' order by O^dist before and after; "
        f"right, the share of the {result.k} closest that stay among them. Bars are 95 % intervals over the images."
    )
    return Caption("How far the order survives", text, "; ".join(rows) + ".")


def _violins(result: Robustness, backbone: str, place: int) -> FigurePart:
    text = (
        "One panel a perturbation, one row a category: relative distances of its images as they are (grey, above the line) "
        f"and perturbed (below it, in a colour of its own). Above the dashed line the {result.k} closest categories, under it "
        f"the {result.k} farthest. Bars span the quartiles, dots are medians."
    )
    rows = matching(result.stability, backbone=backbone).to_dict("records")
    words = ", ".join(f"{row['perturbation']} {written(row, 'change', '+')}" for row in rows)
    caption = Caption(f"Distances before and after, {backbone}", text, f"Mean change of relative distance: {words}.")
    return FigurePart(f"violins-{place}", partial(before_and_after, result, backbone), caption)
