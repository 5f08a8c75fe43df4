"""Report the study of persons: how often other persons' images are as near as the same person's (table 9, figs. 30-32)."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from howfar.figures import Caption, style
from howfar.figures.contact_sheets import photograph
from howfar.figures.distance_figures import FEW, shape
from howfar.formatting_and_escaping import share, signed
from howfar.paper.printed_values import TABLE_9
from howfar.report import section as doc
from howfar.results.display_and_shared_records import Interval, matching
from howfar.results.distance_studies import UNCHANGED, Identity, called

STEP = 1.12
TITLE = 0.26
LINE = 0.13
MOST_PICTURED = 6
PARTS = 2
"""Values that stand side by side under a picture."""
AS_THEY_ARE = {UNCHANGED: "as they are"}
OWN, OTHER = style.COLOURS[:2]
HALF = 0.44
HEIGHT = 2.35
MOST_VALUES = 48
"""Sets up to which each is labelled by its value; of more, the persons alone are."""
MOST_PERSONS = 14
FINEGPR_VARIATIONS = {"view", "scene", "weather", "light"}
_READ = (
    "Shapes are densities of the images' I^dist, at most eight images are dots; black dots are O^dist. Where every blue dot is "
    "below every orange one, the claim of equations 9 to 11 holds from this primary set."
)


@style.drawing()
def identity_pictures(result: Identity) -> Figure:
    """Draw images of each of the first `MOST_PICTURED` persons, a row per person, with their values below (fig. 30)."""
    persons, left_out = style.first(result.persons, MOST_PICTURED)
    rows = [result.pictures[result.pictures["person"] == person] for person in persons]
    across = max(map(len, rows))
    lines = max((_lines(text) for row in rows for text in row["text"]), key=len)
    step = TITLE + 1.06 + LINE * len(lines)
    figure, axes = style.picture_sheet(across * STEP, step * len(rows))
    for place, (person, row) in enumerate(zip(persons, rows, strict=True)):
        style.row_title(axes, place * step + TITLE - 0.05, style.name_text(called(person), 40))
        for column, record in enumerate(row.to_dict("records")):
            left, top = column * STEP, place * step + TITLE
            photograph(axes, str(record["path"]), str(record["image"]), left, top)
            words = "\n".join(style.name_text(line, 22) for line in _lines(str(record["text"])))
            style.words_below(axes, left + 0.5, top + 1.03, words, 6.5, style.MUTED)
    title = f"Images of the persons of {style.name_text(result.dataset)}"
    return style.head(figure, title, left_out.replace("datasets", "persons"))


def _lines(text: str) -> list[str]:
    """Break an image's values into lines of two."""
    parts = text.split(" · ")
    return [" · ".join(parts[start : start + PARTS]) for start in range(0, len(parts), PARTS)]


@style.drawing()
def identity_violins(result: Identity, backbone: str, perturbed: str = "") -> Figure:
    """Draw I^dist of every set's images from the first primary set, a row of panels per variation (fig. 31).

    Images with the perturbation `perturbed` stand to the right of those as they are (fig. 32).
    """
    several, perturbations = bool(perturbed), (UNCHANGED, perturbed) if perturbed else (UNCHANGED,)
    title = f"Distances of persons by {backbone}" + (f", images as they are and with {perturbed}" if several else "")
    figure = style.blank(style.WIDTH, 0.95 + HEIGHT * len(result.variations))
    panels = figure.subplots(len(result.variations), len(perturbations), squeeze=False)
    for line, variation in zip(panels, result.variations, strict=True):
        for axes, perturbation in zip(line, perturbations, strict=True):
            _panel(axes, result, backbone, perturbation, variation, narrow=several)
            images = f", {AS_THEY_ARE.get(perturbation, f'with {perturbation}')}" if several else ""
            person, value = primary_set(result, variation)
            references = result.named(backbone, perturbation, variation, "references")
            violated = share(float(matching(references, person=person, value=value)["violated"].iloc[0]))
            of = f"P: {called(person)}, {variation} {value}; {violated} of pairs violated"
            style.head_panel(axes, f"{variation}{images}", of, longest=40 if several else 24)
    handles: Sequence[Any] = (
        Patch(color=OWN, alpha=0.7, label="same person"),
        Patch(color=OTHER, alpha=0.7, label="another person"),
        Line2D([], [], color=style.INK, marker="o", ls="none", ms=4, label="mean: O^dist"),
        Line2D([], [], color=style.MUTED, lw=1, ls=(0, (4, 3)), label="farthest O^dist of the same person"),
    )
    style.name_legend(figure, handles, 4)
    note = "An orange mean on or below the dashed line is as near to P as a blue one or nearer: a violated pair."
    return style.head(figure, title, note)


def primary_set(result: Identity, variation: str) -> tuple[str, str]:
    """Return person and value of the figures' primary set, the first from which distances were measured."""
    sets = matching(result.sets, variation=variation, reference=True)
    return str(sets["person"].iloc[0]), str(sets["value"].iloc[0])


def _panel(axes: Axes, result: Identity, backbone: str, perturbation: str, variation: str, narrow: bool = False) -> None:
    images = result.named(backbone, perturbation, variation)
    person, value = primary_set(result, variation)
    sets = matching(result.sets, variation=variation)
    own = sets["person"] == person
    # All but the primary set, those of the same person first.
    sets = pd.concat([sets[own & (sets["value"] != value)], sets[~own]], ignore_index=True)
    by_set = dict(tuple(images.groupby(["person", "value"], sort=False)["i_dist_mean"]))
    farthest = 0.0
    for place, key in enumerate(zip(sets["person"], sets["value"], strict=True)):
        values = np.sort(np.asarray(by_set[key], dtype=np.float64))
        same = key[0] == person
        colour, name = OWN if same else OTHER, f"{key[0]} {key[1]}"
        if len(values) > FEW and values[0] < values[-1]:
            at, height = shape(values)
            axes.fill_betweenx(at, place - HALF * height, place + HALF * height, color=colour, alpha=0.7, lw=0, label=name)
        else:
            spots: dict[str, Any] = {"color": colour, "ms": 4, "mec": style.PAPER, "mew": 0.3, "ls": "none", "marker": "o"}
            axes.plot(np.full(len(values), place), values, label=name, alpha=0.8 if len(values) > 1 else 1.0, **spots)
        if len(values) > 1:
            mean: dict[str, Any] = {"color": style.INK, "ms": 3, "mec": style.PAPER, "mew": 0.5, "marker": "o"}
            axes.plot([place], [values.mean()], label=f"mean:{name}", **mean)
        farthest = max(farthest, float(values.mean())) if same else farthest
    axes.axhline(farthest, color=style.MUTED, lw=1, ls=(0, (4, 3)), zorder=1)
    _label(axes, sets, narrow)


def _label(axes: Axes, sets: pd.DataFrame, narrow: bool) -> None:
    """Label sets with their values if there is room, and groups of sets with the person."""
    people = list(dict.fromkeys(sets["person"]))
    few = len(sets) <= (MOST_VALUES // 2 if narrow else MOST_VALUES)
    axes.set_xlim(-0.7, len(sets) - 0.3)
    labels = [style.name_text(value, 6) for value in sets["value"]] if few else []
    axes.set_xticks(range(len(labels)), labels=labels, parse_math=False)
    axes.tick_params(axis="x", length=0, labelsize=7)
    axes.grid(visible=False, axis="x")
    axes.grid(visible=True, axis="y")
    named = people if len(people) <= (MOST_PERSONS // 2 if narrow else MOST_PERSONS) else people[:1]
    for person in people:
        places = np.flatnonzero(sets["person"] == person)
        if places[0]:
            axes.axvline(places[0] - 0.5, color=style.MUTED, lw=0.5, alpha=0.6)
        if person in named:
            text = style.name_text(person, 10) if len(people) > 4 else style.name_text(called(person), 18)
            below: Any = {"xytext": (0, -16 if few else -4), "xycoords": ("data", "axes fraction")}
            at = axes.annotate(text, (places.mean(), 0), textcoords="offset points", **below)
            at.set(ha="center", va="top", fontsize=8, color=style.INK, parse_math=False)
    axes.set_ylabel(f"{style.I_DIST} / n", fontsize=8.5)


def claims_table(result: Identity) -> doc.Table:
    """Build the table of violated pairs and margins, a row per backbone, variation and perturbation."""
    perturbed = "as they are, or perturbed"
    pairs = "of another set of the same person with a set of another, over all primary sets"
    moved = "of that share, in percentage points, from images as they are; both share their draws"
    not_farther = "share of pairs in which the other person is not farther"
    blind = "the share to expect of distances that see the value and not the person"
    margin = "nearest other over farthest own, minus 1: the median over primary sets"

    def hold(row: Any) -> doc.Cell:
        return doc.percentage(row["holding"] / row["references"], strong=row["holding"] == row["references"])

    return doc.tabulate(
        result.claims.to_dict("records"),
        doc.text_column("backbone"),
        doc.text_column("variation"),
        ("images", perturbed, lambda row: doc.Cell(AS_THEY_ARE.get(row["perturbation"], row["perturbation"]))),
        doc.count_column("pairs", pairs),
        ("violated [95 % CI]", not_farther, lambda row: doc.row_interval(row, "violated", share, "low", "high")),
        ("blind", blind, lambda row: doc.percentage(row["blind"])),
        ("change [95 % CI]", moved, lambda row: doc.row_interval(row, "change", lambda change: signed(100 * change, 1))),
        ("margin [95 % CI]", margin, lambda row: doc.row_interval(row, "margin", doc.three)),
        ("least", "the smallest margin of a primary set", lambda row: doc.written(row["least"], doc.three)),
        ("hold", "share of primary sets from which no pair is violated", hold),
    )


def variations_table(result: Identity) -> doc.Table:
    """Build table 9: the values of each variation, and the images of a set."""

    def images(row: tuple[str, pd.DataFrame]) -> doc.Cell:
        low, high = int(row[1]["images"].min()), int(row[1]["images"].max())
        return doc.Cell(f"{low}" if low == high else f"{low}–{high}", float(low))

    return doc.tabulate(
        [(variation, result.sets[result.sets["variation"] == variation]) for variation in result.variations],
        ("variation", "", lambda row: doc.Cell(row[0])),
        ("values", "", lambda row: doc.count(row[1]["value"].nunique())),
        ("sets", "persons times values, where all are seen", lambda row: doc.count(len(row[1]))),
        ("measured from", "sets that were primary", lambda row: doc.count(int(row[1]["reference"].sum()))),
        ("images a set", "", images),
        ("which", "", lambda row: doc.Cell(doc.listing(list(dict.fromkeys(row[1]["value"])), 12))),
    )


def lead(result: Identity) -> str:
    """State each backbone's share of violated pairs on unperturbed images."""
    unchanged = result.claims[result.claims["perturbation"] == UNCHANGED]
    by_backbone = []
    for name in result.backbones:
        rows = matching(unchanged, backbone=name).sort_values("violated", kind="stable").to_dict("records")
        low, high = ({**row, "violated": share(row["violated"])} for row in (rows[0], rows[-1]))
        same = low["violated"] == high["violated"]
        ends = f"{low['violated']} ({low['variation']}) to {high['violated']} ({high['variation']})"
        by_backbone.append(f"{high['violated'] if same else ends} by {name}")
    by_backbone[0] = by_backbone[0].replace(" by ", " of the pairs by ")
    blind = sorted(float(value) for value in unchanged["blind"])
    span = share(blind[0]) if share(blind[0]) == share(blind[-1]) else f"{share(blind[0])} to {share(blind[-1])}"
    return (
        f"Another of {len(result.persons)} persons is at least as near as the same one in {doc.listing(by_backbone, 8)}; "
        f"distances that see what varies and not the person would give {span}."
    )


def sentences(result: Identity) -> list[str]:
    """State where the paper's claim holds fully, and the effect of each perturbation."""
    unchanged = result.claims[result.claims["perturbation"] == UNCHANGED].to_dict("records")
    whole = [f"{row['backbone']} under {row['variation']}" for row in unchanged if row["holding"] == row["references"]]
    cases = f"{len(unchanged)} combination{doc.plural(len(unchanged))} of a backbone and a variation"
    held = f"for {doc.listing(whole, 6)}" if whole else "for none"
    said = [f"Of {cases} the claim of equations 9 to 11 holds from every primary set {held}."]

    # The backbones and variations for which a perturbation changes the share of violated pairs beyond its interval.
    for name in result.perturbations[1:]:
        rows = result.claims[result.claims["perturbation"] == name].to_dict("records")
        more = [_change(row) for row in rows if row["change_low"] > 0]
        less = [_change(row) for row in rows if row["change_high"] < 0]
        rest = len(rows) - len(more) - len(less)
        parts = [f"raises the share of violated pairs for {doc.listing(more, 6)}"] if more else []
        parts += [f"lowers {'it' if more else 'the share of violated pairs'} for {doc.listing(less, 6)}"] if less else []
        if parts:
            others = f"; the intervals of {rest} other change{doc.plural(rest)} hold 0" if rest else ""
            said.append(f"In percentage points, {name} {' and '.join(parts)}{others}.")
        else:
            largest = _change(max(rows, key=lambda row: float(abs(row["change"]))))
            every = f"Every interval of a change of the share of violated pairs by {name} holds 0"
            said.append(f"{every}; the largest change is {largest}.")
    return said


def violated_in_words(result: Identity, backbone: str, perturbation: str) -> str:
    """State the share of violated pairs of each variation over all primary sets, as a figure's text alternative."""
    rows = matching(result.claims, backbone=backbone, perturbation=perturbation)
    shares = [f"{row['variation']} {share(row['violated'])}" for row in rows.to_dict("records")]
    images = "images as they are" if perturbation == UNCHANGED else f"images with {perturbation}"
    return f"{backbone}, {images}, violated pairs over all primary sets: {', '.join(shares)}."


def limits(result: Identity) -> list[str]:
    """List the cases in which the numbers mislead."""
    over = set(result.claims["interval_over"])
    lines = []
    if "primary sets" in over:
        lines.append(
            "Intervals over primary sets draw the sets that distances are measured from anew, within each person: they say how "
            "much the numbers depend on which values were primary, and nothing of other persons, for whom there are too few."
        )
    if "persons" in over:
        lines.append(
            "Intervals over persons draw those whom distances are measured from anew, each with all sets; whom they are "
            "compared with stays as it is."
        )
    lines.append(
        "Images are not drawn anew: sets are compared that hold the same conditions but for one, and draws of images, which "
        "mix the conditions, would add violated pairs that are not there."
    )
    if result.projection == "pair":
        lines.append("Each pair of sets has a subspace of its own (the paper's way), so that two violins are not in one space.")
    lines.append(
        "A backbone that sees clothes or colours alone tells persons apart who do not change them: pixels and colour moments "
        "beside it show how much of the margin that is."
    )
    return lines


def _change(row: dict[Any, Any]) -> str:
    change = Interval(*(100 * end for end in Interval.of(row, "change").ends))
    return f"{row['backbone']} under {row['variation']} ({change.signed(1)})"


def section(result: Identity, context: doc.Context) -> doc.Section:
    """Build the section of a study of identity."""
    units = {"persons": "the persons that are measured from", "primary sets": "the primary sets of each person"}
    over = [units[unit] for unit in dict.fromkeys(result.claims["interval_over"]) if unit]
    shown = result.pictures.groupby("person", sort=False).size()
    counts = doc.listing([f"{number} of {called(str(person))}" for person, number in shown.items()], 8)
    rows = "One row a person, drawn by the seed; under each image the values of its variations."
    pictures = Caption("Images of the persons", rows, f"Rows of small photographs: {counts}.")
    return doc.Section(
        lead=lead(result),
        sentences=sentences(result),
        parts=[
            doc.TablePart(
                "claims",
                "Violated pairs and margins",
                claims_table(result),
                "A pair is another set of the same person and a set of another person, both measured from one primary set; it "
                "is violated where the other person is not farther (eqs. 9 to 11). The paper reports no violated pair of its "
                "two persons by the backbones that it shows, but for blurred images."
                + (f" Intervals draw {' or '.join(over)} anew." if over else ""),
                "Appendix E",
            ),
            doc.TablePart(
                "variations",
                "Variations",
                variations_table(result),
                "A set holds the images of one person under one value of a variation, whatever the others are.",
                "Table 9",
                TABLE_9 if FINEGPR_VARIATIONS.issuperset(result.variations) else None,
            ),
            doc.FigurePart("persons", partial(identity_pictures, result), pictures, "Figure 30"),
            *_figures(result),
        ],
        limits=limits(result),
    )


def _figures(result: Identity) -> Iterator[doc.FigurePart]:
    """Draw figure 31 by each backbone, then figure 32 by each backbone and perturbation."""
    for position, backbone in enumerate(result.backbones, 1):
        caption = Caption(
            f"Distances from one person under one value, {backbone}",
            f"One panel a variation; distances are measured from {_primaries(result)}. {_READ}",
            violated_in_words(result, backbone, UNCHANGED),
        )
        yield doc.FigurePart(f"violins-{position}", partial(identity_violins, result, backbone), caption, "Figure 31")
    for (position, backbone), perturbation in product(enumerate(result.backbones, 1), result.perturbations[1:]):
        caption = Caption(
            f"Distances with and without {perturbation}, {backbone}",
            f"Images as they are (left) and with {perturbation} (right); scales differ. Distances are measured from "
            f"{_primaries(result)}. {_READ}",
            " ".join(violated_in_words(result, backbone, each) for each in (UNCHANGED, perturbation)),
        )
        draw = partial(identity_violins, result, backbone, perturbation)
        yield doc.FigurePart(f"{perturbation}-{position}", draw, caption, "Figure 32")


def _primaries(result: Identity) -> str:
    named = [(variation, *primary_set(result, variation)) for variation in result.variations]
    return doc.listing([f"{called(person)} under {variation} {value}" for variation, person, value in named], 8)
