"""Report the paper's studies of scene categories: the closest and farthest, and whether perturbations change their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from howfar.figures import Caption, style
from howfar.figures.contact_sheets import photograph, three_digits
from howfar.figures.distance_figures import half_violin
from howfar.paper.printed_values import is_listed, scene_label
from howfar.report import section as doc
from howfar.results.display_and_shared_records import Interval, matching
from howfar.results.distance_studies import UNCHANGED, End, Robustness, Scenes
from howfar.results.distance_studies import with_interval as written

CLOSEST, FARTHEST = style.COLOURS[:2]
STEP: Final = 1.12
NAMES: Final = 0.165
"""Share of a sheet's width that the backbones' names take, beside the rows of images."""
LINE: Final = 0.16
"""Height of a line of text under an image, in inches."""
FEWEST, MOST = 5, 7
"""Rows of fewer images are drawn as if there were so many, so that images do not grow; names of more are smaller."""
SPREAD: Final = 0.6
"""Height that the perturbations of one backbone share on its line, of 1."""
NAMED = 3
YES = {True: doc.Cell("yes"), False: doc.Cell("–")}


@style.drawing()
def scene_violins(result: Scenes, primary: str) -> Figure:
    """Draw the distribution of I^dist in the closest and farthest or named categories, a panel per backbone (fig. 18)."""
    count, rows = len(result.backbones), max(len(result.shown(primary, backbone)) for backbone in result.names())
    height = 0.75 + 0.3 * rows
    figure, panels, _ = style.panel_grid(count, 2, lambda lines: 1.0 + lines * height, 5.6, sharex=False, sharey=False)
    for axes, backbone in zip(panels, result.names(), strict=True):
        shown = result.shown(primary, backbone)
        measured: Any = result.measured(primary, backbone).set_index("dataset")
        for line, name in enumerate(shown):
            near = float(measured.loc[name, "rank"]) <= (len(measured) + 1) / 2
            images = matching(result.images, primary=primary, backbone=backbone, dataset=name)
            half_violin(axes, images["i_dist_mean"], line + 0.2, -1, CLOSEST if near else FARTHEST, name)
            own = float(measured.loc[name, "self_distance"])
            axes.vlines(own, line - 0.25, line + 0.3, color=style.MUTED, lw=1.2, label=f"own:{name}")
        style.name_rows(axes, [style.name_text(name, 20) for name in shown])
        axes.set_ylim(len(shown) - 0.5, -0.7)
        style.head_panel(axes, backbone)
    figure.supxlabel(f"mean distance to the images of P ({style.I_DIST} / n)", fontsize=9.5)
    ends = f"The {result.k} closest categories (blue) and the {result.k} farthest (orange)"
    which = "The categories named, the closer half in blue" if result.sets else ends
    note = f"{which}; the closest on top; grey: {style.name_text(primary)} from itself"
    return style.head_filled(figure, f"Distances of images from {style.name_text(primary)}", note)


@style.drawing()
def scene_images(result: Scenes, primary: str, end: End) -> Figure:
    """Draw the images closest to or farthest from a primary category, a row per backbone (figs 19 to 29).

    Images are read again from their files; one that is no longer there is a grey box.
    """
    # In image sides: the width of the images and of the sheet, a line of text, and a row.
    count = max(FEWEST, result.k)
    images, across = count * STEP, count * STEP / (1 - NAMES)
    words = LINE * across / style.WIDTH
    row = 1.1 + 2.2 * words
    size = 8.0 if result.k <= MOST else 7.0
    longest = max(8, round(760 / size / count) + 1)
    figure, axes = style.picture_sheet(across, row * len(result.backbones))
    for line, backbone in enumerate(result.names()):
        top = line * row
        style.row_title(axes, top + 0.5, style.name_text(backbone, 16), "center")
        for position, record in enumerate(result.at_the_end(primary, backbone, end).to_dict("records")):
            left = across - images + position * STEP
            photograph(axes, str(record["path"]), str(record["image"]), left, top)
            category = style.name_text(str(record["dataset"]), longest)
            style.words_below(axes, left + 0.5, top + 1.03, category, size)
            numbers = f"{three_digits(float(record['i_dist_mean']))} · {record['rank']}"
            style.words_below(axes, left + 0.5, top + 1.03 + words, numbers, 7.5, style.MUTED)
    places = f"1 to {len(result.order(primary, result.names()[0]))}"
    note = f"One image of a category; under each: its category · mean distance · place of the category ({places})"
    towards = "to" if end == "closest" else "from"
    return style.head_filled(figure, f"The {result.k} {end} images {towards} {style.name_text(primary)}", note)


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


def _relative(row: Any) -> doc.Cell:
    return doc.row_interval(row, "relative", "{:.3f}".format)


def scenes_section(result: Scenes, context: doc.Context) -> doc.Section:
    """Build the section of a study of scenes."""
    own_spaces = (
        "Every pair of categories has its own components, as in the paper: distances of images of two categories are not "
        "measured in one space, and their order is to be read with that in mind."
    )
    shares = (
        f"Kendall's τ of the order by O^dist, and the share of the {result.k} closest that two backbones have in common; "
        "95 % intervals over the images of the categories."
    )
    categories = doc.tabulate(
        result.sizes.items(),
        ("category", "", lambda row: doc.Cell(row[0])),
        ("images", "", lambda row: doc.count(row[1])),
        ("primary", "whether all others are compared with it", lambda row: YES[row[0] in result.primaries]),
        ("in the paper", "whether it is one of the 50 categories of table 7", lambda row: YES[is_listed(row[0])]),
    )
    backbones = doc.tabulate(
        result.backbones,
        ("backbone", "", lambda each: doc.Cell(each.name)),
        ("model", "", lambda each: doc.Cell(each.registered)),
        ("feature", "", lambda each: doc.Cell(each.feature)),
        ("q", "length of the feature", lambda each: doc.count(each.length)),
    )
    orders = "1: the same order; 0: unrelated orders; −1: the opposite order"
    both = f"share of the {result.k} closest categories that both name"
    agreement = doc.tabulate(
        result.agreement.to_dict("records"),
        doc.text_column("primary"),
        ("backbones", "", lambda row: doc.Cell(f"{row['one']} and {row['other']}")),
        *_agreement_columns(result.k, orders, both),
    )
    agreed = doc.TablePart("agreement", "How far backbones agree on the order of the categories", agreement, shares)
    return doc.Section(
        lead=scenes_lead(result),
        sentences=list(_sentences(result)),
        parts=[
            doc.TablePart("categories", "The categories and their images", categories, label="Table 7"),
            doc.TablePart("backbones", "The backbones and their features", backbones, label="Table 8"),
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


def scenes_lead(result: Scenes) -> str:
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


def _sentences(result: Scenes) -> Iterator[str]:
    # The categories that every backbone puts among the k closest.
    for primary in result.primaries if len(result.backbones) > 1 else ():
        closest = [set(result.closest(primary, backbone)) for backbone in result.names()]
        common = [name for name in result.closest(primary, result.names()[0]) if all(name in each for each in closest)]
        who = f"All {len(closest)} backbones" if len(closest) > 2 else "Both backbones"
        if common:
            yield f"{who} put {doc.listing(common, 8)} among the {result.k} closest to {primary}."
        else:
            yield f"No category is among the {result.k} closest to {primary} by all backbones."

    # The two backbones that agree most, and the two that agree least.
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

    # The k closest by relative distance, whose order differs from that by O^dist if pairs have spaces of their own.
    changed: list[str] = []
    for primary, backbone in product(result.primaries, result.names()):
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
        scene_label("violins", primary),
    )
    yield _images(result, primary, place, "closest")
    yield _images(result, primary, place, "farthest")
    yield doc.TablePart(
        f"distances-{place}",
        f"Relative distance of every category from {primary}",
        distances(result, primary),
        "O^dist over P's distance from itself, with its 95 % interval over the images, and the place by O^dist.",
    )


def _images(result: Scenes, primary: str, place: int, end: End) -> doc.FigurePart:
    rows = []
    for backbone in result.names():
        found = result.at_the_end(primary, backbone, end)
        rows.append(f"{backbone}: {', '.join(f'{a}/{b}' for a, b in zip(found['dataset'], found['image'], strict=True))}.")
    which = {"closest": "closest to", "farthest": "farthest from"}[end]
    text = (
        f"One row a backbone: of every category the one image that is {which} {primary} by I^dist, and of these the {result.k} "
        f"{end}. Under each: its category, its mean distance, and the category's place by O^dist, 1 being the closest."
    )
    draw, caption = partial(scene_images, result, primary, end), Caption(f"The {end} images, {primary}", text, " ".join(rows))
    return doc.FigurePart(f"{end}-{place}", draw, caption, scene_label(end, primary))


@style.drawing()
def stability(result: Robustness) -> Figure:
    """Draw Kendall's τ and the overlap of the k closest by backbone and perturbation, with intervals over images."""
    names = list(result.perturbations)
    height = 1.5 + (0.2 + 0.13 * len(names)) * len(result.backbones)
    figure, (left, right) = style.side_by_side(height, 1, 1, sharey=True)
    titles = ("Kendall's τ of the order before and after", f"share of the {result.k} closest that stay")
    for axes, column, title in zip((left, right), ("kendall", "overlap"), titles, strict=True):
        for position, perturbation in enumerate(names):
            rows = matching(result.stability, perturbation=perturbation).set_index("backbone").loc[list(result.backbones)]
            values, low, high = (rows[f"{column}{end}"].to_numpy() for end in ("", "_low", "_high"))
            # Shifted so that perturbations do not overlap.
            at = np.arange(len(result.backbones)) + SPREAD * (position - (len(names) - 1) / 2) / max(1, len(names))
            own = style.look(position)
            axes.hlines(at, low, high, color=own.colour, lw=1.4)
            axes.plot(values, at, marker=own.marker, ms=4.5, ls="none", color=own.colour, label=perturbation)
        axes.set_xlabel(title)
        axes.axvline(1, color=style.MUTED, lw=0.8, zorder=1)
    style.name_rows(left, [style.name_text(name, 20) for name in result.backbones])
    right.tick_params(axis="y", length=0)
    left.set_ylim(len(result.backbones) - 0.5, -0.5)
    right.set_xlim(-0.03, 1.03)
    style.name_legend(figure, left, min(len(names), 6))
    title = f"How far the order of categories from {style.name_text(result.primary)} survives"
    return style.head_filled(figure, title, "Bars: 95 % over the images")


@style.drawing()
def before_and_after(result: Robustness, backbone: str) -> Figure:
    """Draw the perturbed categories' relative image distances before and after, a panel per perturbation."""
    shown, names = result.perturbed(backbone), list(result.perturbations)
    panel = 0.6 + 0.36 * len(shown)
    figure, panels, _ = style.panel_grid(len(names), 2, lambda lines: 1.3 + lines * panel, narrow=5.6)
    for position, (axes, name) in enumerate(zip(panels, names, strict=True)):
        for line, category in enumerate(shown):
            images = matching(result.images, backbone=backbone, dataset=category).groupby("perturbation")["relative"]
            half_violin(axes, images.get_group(UNCHANGED), line, -1, style.PRIMARY, f"before:{category}")
            half_violin(axes, images.get_group(name), line, +1, style.look(position).colour, f"after:{category}")
        axes.axhline(result.k - 0.5, color=style.MUTED, lw=0.8, ls=(0, (4, 3)), zorder=1)
        axes.tick_params(axis="y", length=0)
        style.head_panel(axes, name, result.perturbations[name])
    style.name_rows(panels[0], [style.name_text(category, 18) for category in shown])
    panels[0].set_ylim(len(shown) - 0.45, -0.55)
    figure.supxlabel(f"{style.I_DIST} (mean) over the distance of {style.name_text(result.primary)} from itself", fontsize=9.5)
    ends = f"the {result.k} closest categories, then the {result.k} farthest"
    note = f"Above each line the images as they are (grey), below it perturbed; {ends}"
    title = f"Distances from {style.name_text(result.primary)} before and after, by {style.name_text(backbone)}"
    return style.head_filled(figure, title, note)


def robustness_section(result: Robustness, context: doc.Context) -> doc.Section:
    """Build the section of a study of robustness."""
    interval = "95 % intervals over the images of the categories, the same ones before and after."
    words = [
        f"{row['backbone']}, {row['perturbation']}: τ {written(row, 'kendall')}, overlap {written(row, 'overlap')}"
        for row in result.stability.to_dict("records")
    ]
    caption = Caption(
        "How far the order survives",
        "One line a backbone, one mark a perturbation. Left, Kendall's τ of the categories' order by O^dist before and after; "
        f"right, the share of the {result.k} closest that stay among them. Bars are 95 % intervals over the images.",
        f"{'; '.join(words)}.",
    )
    # Of each backbone the perturbation that changes the order most.
    sentences = []
    for backbone in result.backbones:
        rows = matching(result.stability, backbone=backbone).sort_values("kendall", kind="stable")
        least = rows.iloc[0]
        kept = round(float(least["overlap"]) * result.k)
        stay = f"{kept} of the {result.k} closest categories {doc.plural(kept, 'stays', 'stay')} among them"
        changes = f"{least['perturbation']} changes the order" + (" the most" if len(rows) > 1 else "")
        sentences.append(f"By {backbone}, {changes}: τ {written(least, 'kendall')}; {stay}.")
    return doc.Section(
        lead=robustness_lead(result),
        sentences=sentences,
        parts=[
            doc.TablePart(
                "stability", "The order before and after, by backbone and perturbation", _stability(result), interval
            ),
            doc.FigurePart("stability", partial(stability, result), caption),
            doc.TablePart(
                "overall",
                "The order before and after, averaged over the perturbations",
                _overall(result),
                "The differences are drawn with the same images for both backbones.",
            ),
            doc.TablePart("closest", "The closest and farthest categories before and after", _orders(result)),
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
    which, tau = doc.listing(list(result.perturbations), 8), written(best, "kendall")
    text = f"{best['backbone']} keeps the order of categories from {result.primary} best: Kendall's τ {tau}"
    text += f", averaged over {which}" if len(result.perturbations) > 1 else f" under {which}"
    better = []
    for name, rows in result.stability.groupby("perturbation", sort=False):
        by_backbone = dict(zip(rows["backbone"], rows["kendall"].tolist(), strict=True))
        if best["backbone"] in by_backbone and max(by_backbone.values()) > by_backbone[best["backbone"]]:
            better.append(str(name))
    text += f", but not under {doc.listing(better, 8)}" if better else ""
    others = [str(name) for name in ordered["backbone"][1:]]
    if not others:
        return f"{text.replace(' best:', ' with')}."
    apart = [name for name in others if difference(result, str(best["backbone"]), name).clear]
    alike = [name for name in others if name not in apart]
    if not apart:
        return f"{text}; the intervals tell it apart from no other backbone."
    rest = f", not from {doc.listing(alike, 8)}" if alike else ""
    return f"{text}; the intervals tell it apart from {doc.listing(apart, 8)}{rest}."


def _ordered(result: Robustness) -> pd.DataFrame:
    return result.overall.sort_values("kendall", ascending=False, kind="stable")


def difference(result: Robustness, one: str, other: str) -> Interval:
    """Return the difference in τ of one backbone minus another, in either stored direction."""
    rows = matching(result.differences, one=one, other=other)
    if len(rows):
        return Interval.of(rows.iloc[0], "kendall")
    return -Interval.of(matching(result.differences, one=other, other=one).iloc[0], "kendall")


def _stability(result: Robustness) -> doc.Table:
    stay = f"share of the {result.k} closest categories that stay among them"
    perturbed = "of the perturbed categories, on average"
    return doc.tabulate(
        result.stability.to_dict("records"),
        doc.text_column("backbone"),
        ("perturbation", "", lambda row: doc.Cell(f"{row['perturbation']} ({result.perturbations[row['perturbation']]})")),
        *_agreement_columns(result.k, "1: the order by O^dist is unchanged; 0: unrelated to it", stay),
        ("change of relative distance [95 % CI]", perturbed, lambda row: doc.row_interval(row, "change", doc.three)),
    )


def _agreement_columns(k: int, order: str = "", closest: str = "") -> tuple[doc.ColumnOf[Any], ...]:
    """Return a table's columns of Kendall's τ and the overlap, with explanations of the two."""
    return (
        ("Kendall's τ [95 % CI]", order, lambda row: doc.row_interval(row, "kendall", doc.unsigned)),
        (f"top-{k} overlap [95 % CI]", closest, lambda row: doc.row_interval(row, "overlap", doc.unsigned)),
    )


def _overall(result: Robustness) -> doc.Table:
    ordered = _ordered(result)
    best = str(ordered["backbone"].iloc[0])

    def less(row: Any) -> doc.Cell:
        if row["backbone"] == best:
            return doc.UNDEFINED
        return doc.interval_cell(difference(result, row["backbone"], best), doc.three)

    return doc.tabulate(
        ordered.to_dict("records"),
        doc.text_column("backbone"),
        *_agreement_columns(result.k),
        (f"τ less that of {best} [95 % CI]", "told apart where the interval leaves out 0", less),
    )


def _orders(result: Robustness) -> doc.Table:
    rows = [(backbone, images) for backbone in result.backbones for images in (UNCHANGED, *result.perturbations)]
    return doc.tabulate(
        rows,
        ("backbone", "", lambda row: doc.Cell(row[0])),
        ("images", "", lambda row: doc.Cell("as they are" if row[1] == UNCHANGED else row[1])),
        (f"{result.k} closest", "", lambda row: doc.Cell(", ".join(result.order(*row)[: result.k]))),
        (f"{result.k} farthest", "", lambda row: doc.Cell(", ".join(result.order(*row)[: -result.k - 1 : -1]))),
    )


def _violins(result: Robustness, backbone: str, place: int) -> doc.FigurePart:
    text = (
        "One panel a perturbation, one row a category: relative distances of its images as they are (grey, above the line) "
        f"and perturbed (below it, in a colour of its own). Above the dashed line the {result.k} closest categories, under it "
        f"the {result.k} farthest. Bars span the quartiles, dots are medians."
    )
    rows = matching(result.stability, backbone=backbone).to_dict("records")
    words = ", ".join(f"{row['perturbation']} {written(row, 'change', '+')}" for row in rows)
    caption = Caption(f"Distances before and after, {backbone}", text, f"Mean change of relative distance: {words}.")
    return doc.FigurePart(f"violins-{place}", partial(before_and_after, result, backbone), caption)
