"""Report the paper's robustness study: whether image perturbations change the order of scene categories by distance."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.arrays import Float64Array
from howfar.figures import Caption, style
from howfar.figures.distance_figures import half_violin
from howfar.report import section as doc
from howfar.results.distance_studies import UNCHANGED, Robustness
from howfar.results.distance_studies import with_interval as written
from howfar.results.records import matching

SPREAD: Final = 0.6
"""Height that the perturbations of one backbone share on its line, of 1."""


def stability(result: Robustness) -> Figure:
    """Draw Kendall's τ and the overlap of the k closest by backbone and perturbation, with intervals over images."""
    names = list(result.perturbations)
    with style.drawing():
        figure = style.blank(style.WIDTH, 1.5 + (0.2 + 0.13 * len(names)) * len(result.backbones))
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, column, title in (
            (left, "kendall", "Kendall's τ of the order before and after"),
            (right, "overlap", f"share of the {result.k} closest that stay"),
        ):
            for position, perturbation in enumerate(names):
                _marks(axes, result, column, perturbation, position)
            axes.set_xlabel(title)
            axes.axvline(1, color=style.MUTED, lw=0.8, zorder=1)
        style.name_rows(left, [style.name_text(name, 20) for name in result.backbones])
        right.tick_params(axis="y", length=0)
        left.set_ylim(len(result.backbones) - 0.5, -0.5)
        right.set_xlim(-0.03, 1.03)
        style.name_legend(figure, left, min(len(names), 6))
        style.head_filled(
            figure,
            f"How far the order of categories from {style.name_text(result.primary)} survives",
            "Bars: 95 % over the images",
        )
    return figure


def _marks(axes: Axes, result: Robustness, column: str, perturbation: str, position: int) -> None:
    """Draw a perturbation's number for every backbone, shifted so that perturbations do not overlap."""
    rows = matching(result.stability, perturbation=perturbation).set_index("backbone")
    count, own = len(result.perturbations), style.look(position)
    offset = SPREAD * (position - (count - 1) / 2) / max(1, count)
    at = np.arange(len(result.backbones)) + offset
    values, low, high = (rows.loc[list(result.backbones), f"{column}{end}"].to_numpy() for end in ("", "_low", "_high"))
    axes.hlines(at, low, high, color=own.colour, lw=1.4)
    axes.plot(values, at, marker=own.marker, ms=4.5, ls="none", color=own.colour, label=perturbation)


def before_and_after(result: Robustness, backbone: str) -> Figure:
    """Draw the perturbed categories' relative image distances before (above the line) and after (below it).

    One panel a perturbation, one row a category, the closest before it on top.
    """
    shown, names = result.perturbed(backbone), list(result.perturbations)
    panel = 0.6 + 0.36 * len(shown)
    with style.drawing():
        figure, panels, _ = style.panel_grid(len(names), 2, lambda lines: 1.3 + lines * panel, narrow=5.6)
        for position, (axes, name) in enumerate(zip(panels, names, strict=True)):
            for line, category in enumerate(shown):
                before, after = (_ascending(result, backbone, which, category) for which in (UNCHANGED, name))
                half_violin(axes, before, line, -1, style.PRIMARY, f"before:{category}")
                half_violin(axes, after, line, +1, style.look(position).colour, f"after:{category}")
            axes.axhline(result.k - 0.5, color=style.MUTED, lw=0.8, ls=(0, (4, 3)), zorder=1)
            axes.tick_params(axis="y", length=0)
            style.head_panel(axes, name, result.perturbations[name])
        style.name_rows(panels[0], [style.name_text(category, 18) for category in shown])
        panels[0].set_ylim(len(shown) - 0.45, -0.55)
        figure.supxlabel(
            f"{style.I_DIST} (mean) over the distance of {style.name_text(result.primary)} from itself", fontsize=9.5
        )
        ends = f"the {result.k} closest categories, then the {result.k} farthest"
        note = f"Above each line the images as they are (grey), below it perturbed; {ends}"
        style.head_filled(
            figure, f"Distances from {style.name_text(result.primary)} before and after, by {style.name_text(backbone)}", note
        )
    return figure


def _ascending(result: Robustness, backbone: str, perturbation: str, category: str) -> Float64Array:
    images = matching(result.images, backbone=backbone, perturbation=perturbation, dataset=category)
    values = images["relative"].to_numpy(dtype=np.float64)
    return np.sort(values[np.isfinite(values)])


def section(result: Robustness, context: doc.Context) -> doc.Section:
    """Build the section of a study of robustness."""
    interval = "95 % intervals over the images of the categories, the same ones before and after."
    return doc.Section(
        lead=lead(result),
        sentences=list(_robustness_sentences(result)),
        parts=[
            doc.TablePart(
                "stability", "The order before and after, by backbone and perturbation", _stability(result), interval
            ),
            doc.FigurePart("stability", partial(stability, result), _caption(result)),
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


def lead(result: Robustness) -> str:
    """Name the backbone with the most stable order, and the backbones from which its interval differs."""
    ordered = _ordered(result)
    best = ordered.iloc[0]
    which, tau = doc.listing(list(result.perturbations), 8), written(best, "kendall")
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
    rest = f", not from {doc.listing(alike, 8)}" if alike else ""
    return f"{text}; the intervals tell it apart from {doc.listing(apart, 8)}{rest}."


def _ordered(result: Robustness) -> pd.DataFrame:
    return result.overall.sort_values("kendall", ascending=False, kind="stable")


def _but(result: Robustness, best: str) -> str:
    """Name the perturbations under which another backbone has the more stable order."""
    better = []
    for name, rows in result.stability.groupby("perturbation", sort=False):
        by_backbone = dict(zip(rows["backbone"], rows["kendall"].tolist(), strict=True))
        if best in by_backbone and max(by_backbone.values()) > by_backbone[best]:
            better.append(str(name))
    return f", but not under {doc.listing(better, 8)}" if better else ""


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
        stay = f"{kept} of the {result.k} closest categories {doc.plural(kept, 'stays', 'stay')} among them"
        changes = f"{least['perturbation']} changes the order" + (" the most" if len(rows) > 1 else "")
        yield f"By {backbone}, {changes}: τ {written(least, 'kendall')}; {stay}."


def _stability(result: Robustness) -> doc.Table:
    stay = f"share of the {result.k} closest categories that stay among them"
    perturbed = "of the perturbed categories, on average"
    return doc.tabulate(
        result.stability.to_dict("records"),
        doc.text_column("backbone"),
        ("perturbation", "", lambda row: doc.Cell(f"{row['perturbation']} ({result.perturbations[row['perturbation']]})")),
        ("Kendall's τ [95 % CI]", "1: the order by O^dist is unchanged; 0: unrelated to it", tau),
        (f"top-{result.k} overlap [95 % CI]", stay, lambda row: doc.row_interval(row, "overlap", doc.unsigned)),
        ("change of relative distance [95 % CI]", perturbed, lambda row: doc.row_interval(row, "change", doc.three)),
    )


def tau(row: Any) -> doc.Cell:
    """Format a row's Kendall's τ with its interval."""
    return doc.row_interval(row, "kendall", doc.unsigned)


def _overall(result: Robustness) -> doc.Table:
    ordered = _ordered(result)
    best = str(ordered["backbone"].iloc[0])

    def less(row: Any) -> doc.Cell:
        if row["backbone"] == best:
            return doc.UNDEFINED
        return doc.row_interval(difference(result, row["backbone"], best), "kendall", doc.three)

    return doc.tabulate(
        ordered.to_dict("records"),
        doc.text_column("backbone"),
        ("Kendall's τ [95 % CI]", "", tau),
        (f"top-{result.k} overlap [95 % CI]", "", lambda row: doc.row_interval(row, "overlap", doc.unsigned)),
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
