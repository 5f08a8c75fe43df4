"""Report the study of robustness: how far the order of categories survives each perturbation, by backbone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd

from howfar.figures.registration import Caption
from howfar.figures.robustness import before_and_after, stability
from howfar.report.parts import Context, FigurePart, Section, TablePart
from howfar.report.tables import Cell, Column, Table
from howfar.report.text import listing, plural
from howfar.results.robustness import UNCHANGED, Robustness, with_interval

NUMBERS = (("kendall", ""), ("overlap", ""), ("change", "+"))


def section(result: Robustness, context: Context) -> Section:
    """Make the section of a study of robustness."""
    interval = "95 % intervals over the images of the categories, the same ones before and after."
    return Section(
        lead=lead(result),
        sentences=list(_sentences(result)),
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


def lead(result: Robustness) -> str:
    """Name the backbone whose order survives best, and say from which others the intervals tell it apart."""
    ordered = result.overall.sort_values("kendall", ascending=False, kind="stable")
    best = ordered.iloc[0]
    which, tau = listing(list(result.perturbations), 8), with_interval(best, "kendall")
    text = f"{best['backbone']} keeps the order of categories from {result.primary} best: Kendall's τ {tau}"
    text += f", averaged over {which}" if len(result.perturbations) > 1 else f" under {which}"
    text += _but(result, str(best["backbone"]))
    others = [str(name) for name in ordered["backbone"][1:]]
    if not others:
        return f"{text.replace(' best:', ' with')}."
    apart = [name for name in others if tells_apart(difference(result, str(best["backbone"]), name))]
    alike = [name for name in others if name not in apart]
    if not apart:
        return f"{text}; the intervals tell it apart from no other backbone."
    rest = f", not from {listing(alike, 8)}" if alike else ""
    return f"{text}; the intervals tell it apart from {listing(apart, 8)}{rest}."


def _but(result: Robustness, best: str) -> str:
    """Name the perturbations under which another backbone keeps the order better."""
    better = []
    for name, rows in result.stability.groupby("perturbation", sort=False):
        by_backbone = dict(zip(rows["backbone"], rows["kendall"].tolist(), strict=True))
        if best in by_backbone and max(by_backbone.values()) > by_backbone[best]:
            better.append(str(name))
    return f", but not under {listing(better, 8)}" if better else ""


def difference(result: Robustness, one: str, other: str) -> pd.Series:
    """Return the row of τ and overlap of one backbone less another's, whichever way round the result holds it."""
    rows = result.differences
    straight = rows[(rows["one"] == one) & (rows["other"] == other)]
    if len(straight):
        return straight.iloc[0]
    row = rows[(rows["one"] == other) & (rows["other"] == one)].iloc[0]
    turned = {"one": one, "other": other}
    for name in ("kendall", "overlap"):
        turned |= {name: -row[name], f"{name}_low": -row[f"{name}_high"], f"{name}_high": -row[f"{name}_low"]}
    return pd.Series(turned)


def tells_apart(row: pd.Series) -> bool:
    """Tell whether the interval of a difference of τ leaves out 0."""
    return bool(row["kendall_low"] > 0 or row["kendall_high"] < 0)


def _sentences(result: Robustness) -> Iterator[str]:
    """Say which perturbation changes the order the most by each backbone."""
    for backbone in result.backbones:
        rows = result.stability[result.stability["backbone"] == backbone].sort_values("kendall", kind="stable")
        least = rows.iloc[0]
        kept = round(float(least["overlap"]) * result.k)
        stay = f"{kept} of the {result.k} closest categories {plural(kept, 'stays', 'stay')} among them"
        changes = f"{least['perturbation']} changes the order" + (" the most" if len(rows) > 1 else "")
        yield f"By {backbone}, {changes}: τ {with_interval(least, 'kendall')}; {stay}."


def _stability(result: Robustness) -> Table:
    columns = (
        Column("backbone"),
        Column("perturbation"),
        Column("Kendall's τ [95 % CI]", "1: the order by O^dist is unchanged; 0: unrelated to it"),
        Column(f"top-{result.k} overlap [95 % CI]", f"share of the {result.k} closest categories that stay among them"),
        Column("change of relative distance [95 % CI]", "of the perturbed categories, on average"),
    )
    rows = []
    for row in result.stability.to_dict("records"):
        numbers = [_cell(row, name, sign) for name, sign in NUMBERS]
        perturbation = str(row["perturbation"])
        rows.append((Cell(str(row["backbone"])), Cell(f"{perturbation} ({result.perturbations[perturbation]})"), *numbers))
    return Table(columns, tuple(rows))


def _overall(result: Robustness) -> Table:
    ordered = result.overall.sort_values("kendall", ascending=False, kind="stable")
    best = str(ordered["backbone"].iloc[0])
    columns = (
        Column("backbone"),
        Column("Kendall's τ [95 % CI]"),
        Column(f"top-{result.k} overlap [95 % CI]"),
        Column(f"τ less that of {best} [95 % CI]", "told apart where the interval leaves out 0"),
    )
    rows = []
    for row in ordered.to_dict("records"):
        name = str(row["backbone"])
        less = Cell("–") if name == best else _cell(difference(result, name, best), "kendall", "+")
        rows.append((Cell(name), _cell(row, "kendall"), _cell(row, "overlap"), less))
    return Table(columns, tuple(rows))


def _orders(result: Robustness) -> Table:
    columns = (Column("backbone"), Column("images"), Column(f"{result.k} closest"), Column(f"{result.k} farthest"))
    rows = []
    for backbone in result.backbones:
        for perturbation in (UNCHANGED, *result.perturbations):
            order = result.order(backbone, perturbation)
            ends = (", ".join(order[: result.k]), ", ".join(order[: -result.k - 1 : -1]))
            images = "as they are" if perturbation == UNCHANGED else perturbation
            rows.append((Cell(backbone), Cell(images), *map(Cell, ends)))
    return Table(columns, tuple(rows))


def _cell(row: Any, name: str, sign: str = "") -> Cell:
    value = float(row[name])
    return Cell(with_interval(row, name, sign), None if value != value else value)


def _caption(result: Robustness) -> Caption:
    rows = (
        f"{row['backbone']}, {row['perturbation']}: τ {with_interval(row, 'kendall')}, overlap {with_interval(row, 'overlap')}"
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
        f"and perturbed (below it). Above the dashed line the {result.k} closest categories, under it the {result.k} farthest. "
        "Bars span the quartiles, dots are medians."
    )
    rows = result.stability[result.stability["backbone"] == backbone].to_dict("records")
    words = ", ".join(f"{row['perturbation']} {with_interval(row, 'change', '+')}" for row in rows)
    caption = Caption(f"Distances before and after, {backbone}", text, f"Mean change of relative distance: {words}.")
    return FigurePart(f"violins-{place}", partial(before_and_after, result, backbone), caption)
