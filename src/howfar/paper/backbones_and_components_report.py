"""Report the paper's studies of distances by backbone and by number of PCA components (tables 1, 2, 6, figs. 3, 10)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from howfar.figures import Caption, registration, style
from howfar.figures.distance_figures import backbones_agreement, backbones_relative, curve, dataset_violins, min_max
from howfar.formatting_and_escaping import format_number, signed
from howfar.paper.printed_values import SHORT_ROWS, TABLE_2, TABLE_6, scaled_rows
from howfar.report import section as doc
from howfar.report.backbones_report import FEW_SETS
from howfar.report.backbones_report import lead as agreement_lead
from howfar.results import Comparison, DatasetSummary
from howfar.results.backbones_result import DistanceTable
from howfar.results.display_and_shared_records import Interval, matching
from howfar.results.distance_studies import Components

COLUMNS: Final = 3
MOST: Final = 12
THIRDS: Final = (1 / 3, 2 / 3)
WITHOUT_CRACKS: Final = ("S_5", "S_6")
FARTHEST: Final = 2
"""How many of the farthest datasets of a row are marked, as in table 2 of the paper."""
NAMED: Final = 6
LEVEL: Final = 0.05


@style.drawing()
def violins(table: DistanceTable) -> Figure:
    """Draw the distribution of I^dist in each of the first `MOST` secondaries, a panel per backbone, after fig. 3."""
    height = 0.5 * min(len(table.secondaries), MOST) + 0.75
    figure, panels, left_out, _ = _panels(table, height)
    for axes, shown in panels:
        dataset_violins(axes, shown, [style.name_text(row.name, 20) for row in shown])
        axes.tick_params(labelsize=8.5)
    figure.supxlabel(f"mean distance to the images of P ({style.I_DIST} / n)", fontsize=9.5)
    title = f"Distances of images from {style.name_text(table.primary)}"
    return style.head_filled(figure, title, f"Grey: its own images, leave-one-out. {left_out}")


@style.drawing()
def sorted_thirds(table: DistanceTable) -> Figure:
    """Draw images of the first `MOST` secondaries in order of distance, a panel per backbone, after fig. 10 of the paper."""
    figure, panels, left_out, columns = _panels(table, 2.6)
    for axes, shown in panels:
        for share in THIRDS:
            axes.axvline(share, color=style.MUTED, lw=0.9, ls=(0, (2, 2)), label="_third", zorder=1)
        for row in shown:
            curve(axes, min_max(row.distances), row)
        style.unit_plane(axes, "y")
        axes.tick_params(labelsize=8.5)
    style.label_lowest([axes for axes, _ in panels], columns, "share of images, nearest first")
    style.name_legend(figure, panels[0][0], min(len(table.secondaries), 6), handlelength=3)
    figure.supylabel(f"scaled {style.I_DIST}", fontsize=9.5)
    title = f"Images in order of distance from {style.name_text(table.primary)}"
    return style.head_filled(figure, title, f"Distances are scaled from 0 to 1 in each dataset. {left_out}")


def _panels(table: DistanceTable, height: float) -> tuple[Figure, list[tuple[Axes, list[style.DatasetRow]]], str, int]:
    """Return a figure, its panel with the datasets of each backbone, a note on datasets left out, and panels in a row."""
    shown, left_out = style.first(table.secondaries, MOST)
    count = len(table.backbones)
    figure, panels, columns = style.panel_grid(count, COLUMNS, lambda lines: 1.4 + height * lines, narrow=6.2, sharex=False)
    drawn = []
    for axes, comparison, feature in zip(panels, table.comparison.comparisons, table.features, strict=True):
        by_name = {row.name: row for row in style.rows(comparison, len(comparison.datasets))[0]}
        drawn.append((axes, [by_name[name] for name in shown]))
        kind = "trivial" if feature.trivial else f"M of {feature.model}" if feature.model else feature.registered
        style.head_panel(axes, feature.label, f"{kind}, q = {feature.length:,}")
    return figure, drawn, left_out, columns


@dataclass(frozen=True)
class BackboneOrder:
    """Hold a backbone's answer: whether the datasets without cracks are farthest.

    `nearest` has no cracks, `farthest` is one of the others, by O^dist. `holds` says whether every dataset without cracks is
    farther than every other, `relative` the same by relative distance, None where that is undefined; `apart` whether the
    intervals of the two distances do not overlap, None without intervals.
    """

    nearest: DatasetSummary
    farthest: DatasetSummary
    holds: bool
    relative: bool | None
    apart: bool | None
    trivial: bool


def orders(table: DistanceTable, symbols: Mapping[str, str]) -> dict[str, BackboneOrder]:
    """Return each backbone's answer; {} if no secondary, or every one, stands for S_5 or S_6."""
    bare = [name for name in table.secondaries if symbols.get(name) in WITHOUT_CRACKS]
    if not bare or len(bare) == len(table.secondaries):
        return {}
    found = {}
    for comparison in table.comparison.comparisons:
        without, others = ([each for each in comparison.datasets if (each.name in bare) == kind] for kind in (True, False))
        nearest = min(without, key=lambda dataset: dataset.o_dist_mean)
        farthest = max(others, key=lambda dataset: dataset.o_dist_mean)
        near, far = nearest.o_dist_mean_ci, farthest.o_dist_mean_ci
        relative = [[each.relative for each in datasets if each.relative is not None] for datasets in (without, others)]
        whole = sum(map(len, relative)) == len(comparison.datasets)
        found[comparison.backbone.name] = BackboneOrder(
            nearest=nearest,
            farthest=farthest,
            holds=nearest.o_dist_mean > farthest.o_dist_mean,
            relative=min(relative[0]) > max(relative[1]) if whole else None,
            apart=None if near is None or far is None else near[0] > far[1] or near[1] < far[0],
            trivial=comparison.backbone.name in table.trivial,
        )
    return found


def by_backbone(table: DistanceTable) -> dict[str, doc.Table]:
    """Build the tables scaled (table 2), relative, raw and last-third, with a row per backbone and a column per secondary."""
    rows: dict[str, list[tuple[doc.Cell, ...]]] = {"scaled": [], "relative": [], "raw": [], "last-third": []}
    for comparison in table.comparison.comparisons:
        name, datasets, spans = doc.Cell(comparison.backbone.name), comparison.datasets, spans_of(comparison)
        ordered = sorted(datasets, key=lambda dataset: -dataset.o_dist_scaled)
        far = [dataset.name for dataset in ordered[:FARTHEST]] if len(datasets) > FARTHEST else []
        rows["scaled"].append((name, *(doc.decimal(each.o_dist_scaled, strong=each.name in far) for each in datasets)))
        relative = (Interval(each.relative, *(each.relative_ci or ())) for each in datasets)
        rows["relative"].append((name, *(doc.interval_cell(each, doc.two) for each in relative)))
        write = doc.fixed_digits(each.o_dist_mean for each in datasets)
        raw = (Interval(each.o_dist_mean, *(each.o_dist_mean_ci or ())) for each in datasets)
        own = doc.written(comparison.primary.self_distance, write)
        rows["raw"].append((name, own, *(doc.interval_cell(each, write) for each in raw)))
        rows["last-third"].append((name, *(doc.decimal(spans[each.name], 2) for each in datasets)))
    about = "mean distance of P's own images from each other, in P's own subspace or the one that all share"
    first, columns = doc.Column("backbone"), tuple(map(doc.Column, table.secondaries))
    before = {"raw": (first, doc.Column("P itself", about))}
    return {name: doc.Table((*before.get(name, (first,)), *columns), tuple(lines)) for name, lines in rows.items()}


def without_cracks(orders: Mapping[str, BackboneOrder]) -> doc.Table:
    """List by backbone the nearest dataset without cracks and the farthest other one."""
    least = "the dataset standing for S5 or S6 with the least O^dist (mean form)"
    farther = "whether every dataset without cracks is farther than every other, by O^dist"
    relative = "the same question by O^dist over P's distance from itself in each pair's subspace"

    def dataset(each: DatasetSummary) -> doc.Cell:
        return doc.Cell(f"{each.name} {format_number(each.o_dist_mean, 3)}")

    def ratio(row: tuple[str, BackboneOrder]) -> doc.Cell:
        other = row[1].farthest.o_dist_mean
        return doc.decimal(row[1].nearest.o_dist_mean / other if other > 0 else None)

    return doc.tabulate(
        orders.items(),
        ("backbone", "", lambda row: doc.Cell(f"{row[0]} (trivial)" if row[1].trivial else row[0])),
        ("nearest without cracks", least, lambda row: dataset(row[1].nearest)),
        ("farthest other", "the other dataset with the greatest O^dist", lambda row: dataset(row[1].farthest)),
        ("ratio", "of the two distances; above 1 all datasets without cracks are farthest", ratio),
        ("farthest?", farther, lambda row: _yes(row[1].holds)),
        ("intervals apart", "whether the 95 % intervals of the two distances do not overlap", lambda row: _yes(row[1].apart)),
        ("by relative", relative, lambda row: _yes(row[1].relative)),
    )


def spans_of(comparison: Comparison) -> dict[str, float | None]:
    """Compute, by dataset, the share of the I^dist range that the last third spans; None where it has none."""
    spans: dict[str, float | None] = {}
    for name, values in comparison.images.groupby("dataset", sort=False)["i_dist_scaled"]:
        ordered = np.sort(values.to_numpy(dtype=np.float64))
        known = len(ordered) >= 3 and ordered[-1] != ordered[0]
        spans[str(name)] = float(ordered[-1] - np.array_split(ordered, 3)[2][0]) if known else None
    return spans


def _yes(answer: bool | None) -> doc.Cell:
    return doc.UNDEFINED if answer is None else doc.Cell("yes" if answer else "no", float(answer), strong=not answer)


def distance_lead(table: DistanceTable, answers: Mapping[str, BackboneOrder]) -> str:
    """State whether the datasets without cracks are farthest; without such datasets, name the farthest dataset."""
    if answers:
        parts = []
        for trivial, one in ((False, "backbone"), (True, "trivial one")):
            holds = {name: each.holds for name, each in answers.items() if each.trivial == trivial}
            parts += [_counted(holds, one)] if holds else []
        return f"Every dataset without cracks is farther than every other {' and '.join(parts)}."
    if len(table.backbones) > 1:
        return agreement_lead(table.comparison)
    ordered = sorted(table.comparison.comparisons[0].datasets, key=lambda dataset: dataset.o_dist_mean)
    beside = f", and {ordered[0].name} nearest" if len(ordered) > 1 else ""
    return f"By {table.backbones[0]} {ordered[-1].name} is farthest from {table.primary}{beside}."


def _counted(holds: Mapping[str, bool], one: str) -> str:
    """State for how many backbones the claim holds, naming these or the others, whichever are fewer."""
    holding, failing = ([name for name in holds if holds[name] == answer] for answer in (True, False))
    if not holding:
        return f"by no {one} ({doc.listing(failing, NAMED)})"
    if not failing:
        every = {1: f"the {one}", 2: f"both {one}s"}.get(len(holds), f"all {len(holds)} {one}s")
        return f"by {every} ({doc.listing(holding, NAMED)})"
    named = doc.listing(holding, NAMED) if len(holding) <= len(failing) else f"not {doc.listing(failing, NAMED)}"
    return f"by {len(holding)} of {len(holds)} {one}s ({named})"


def order_sentences(answers: Mapping[str, BackboneOrder]) -> tuple[str, str, str]:
    """Compare the answers with those of trivial backbones, by intervals and relative distance; "" without findings."""
    evidence = apart = relative = ""
    trivial = [name for name, answer in answers.items() if answer.trivial]
    holding = {answer.trivial for answer in answers.values() if answer.holds}
    if answers and not trivial:
        evidence = (
            "No trivial backbone is listed, so it is open whether colour alone gives this order: name pixels and "
            "colour_moments among the backbones."
        )
    elif holding == {True, False}:
        evidence = (
            "Where a trivial backbone gives the same order, the order is no evidence that a model sees more than colour and "
            "layout."
        )
    elif holding:
        seen = f"{doc.listing(trivial, NAMED)}, which {doc.plural(len(trivial), 'sees', 'see')} colour and layout alone,"
        evidence = f"{seen} {doc.plural(len(trivial), 'does', 'do')} not put every dataset without cracks farthest."

    # Where intervals overlap, the answer may be chance.
    close = [name for name, answer in answers.items() if answer.apart is False]
    both = "of the nearest dataset without cracks and the farthest with them"
    if close:
        apart = f"By {doc.listing(close, NAMED)} the intervals {both} overlap: the answer may be chance."
    elif any(answer.apart for answer in answers.values()):
        apart = f"By every backbone the intervals {both} do not overlap."

    differs = [name for name, answer in answers.items() if answer.relative is not None and answer.relative != answer.holds]
    if differs:
        named = doc.listing(differs, NAMED)
        relative = f"By relative distance the answer is the other one by {named}: P's own spread differs between pairs."
    return evidence, apart, relative


def p_sentence(table: DistanceTable) -> str:
    """Name the datasets that the permutation test does not distinguish from P."""
    tested = [each for each in table.comparison.comparisons if any(row.p_value is not None for row in each.datasets)]
    if not tested:
        return ""
    draws = tested[0].settings.permutations
    if len(table.secondaries) / (draws + 1) > LEVEL:
        return f"With {draws} permutations no dataset can be told from {table.primary} at a level of {LEVEL:g}: draw more."
    undecided = {each.backbone.name: [row.name for row in each.datasets if (row.p_value or 0.0) > LEVEL] for each in tested}
    alike = {name: datasets for name, datasets in undecided.items() if datasets}
    if not alike:
        return (
            f"Every dataset differs from {table.primary} by every backbone (permutation test of the energy distance, p at most "
            "0.05 after Holm)."
        )
    parts = [f"{doc.listing(names, NAMED)} by {name}" for name, names in alike.items()]
    return f"Not told from {table.primary} by the permutation test (p above 0.05 after Holm): {doc.listing(parts, NAMED)}."


def agreement_sentence(table: DistanceTable) -> str:
    """State each two backbones' agreement on the order of datasets and of images."""
    agreed = [table.comparison.agreed(*pair) for pair in combinations(table.backbones, 2)]
    which = doc.plural(len(agreed), "the two", f"each two of {len(table.backbones)}")
    orders = [value for value, _ in agreed if value is not None] if len(table.secondaries) > 2 else []
    images = [value for _, value in agreed if value is not None]
    parts = []
    for values, of in ((orders, "the datasets"), (images, "a dataset's images, mean over the datasets")):
        if values:
            low, high = signed(min(values)), signed(max(values))
            parts.append(f"{low if low == high else f'from {low} to {high}'} for the order of {of}")
    return f"Between {which} backbones Spearman's rank correlation is {', and '.join(parts)}." if parts else ""


def thirds_sentence(table: DistanceTable) -> str:
    """State for each backbone the dataset with the steepest last third of images."""
    steepest: dict[str, list[str]] = {}
    for comparison in table.comparison.comparisons:
        spans = {name: span for name, span in spans_of(comparison).items() if span is not None}
        if spans:
            most = max(spans, key=spans.__getitem__)
            steepest.setdefault(most, []).append(f"{comparison.backbone.name} ({100 * spans[most]:.0f} %)")
    if not steepest:
        return ""
    parts = [f"{dataset} by {doc.listing(backbones, NAMED)}" for dataset, backbones in steepest.items()]
    by = "by the share of the range that the last third of the images spans"
    return f"The end is steepest, {by}, in {'; in '.join(parts)}; 33 % is even."


def distance_section(result: DistanceTable, context: doc.Context) -> doc.Section:
    """Build the section of a study of distances."""
    answers = orders(result, context.symbols)
    sentences = (*order_sentences(answers), agreement_sentence(result), p_sentence(result), thirds_sentence(result))
    few = f"Over {len(result.secondaries)} datasets a rank correlation says little: chance alone gives ±1 often."
    return doc.Section(
        lead=distance_lead(result, answers),
        sentences=list(filter(None, sentences)),
        parts=[*_tables(result, context, answers), *_figures(result)],
        limits=[
            "A row of table 2 sums to 1, so that one share falls where another rises, and a row says nothing of the level: raw "
            "and relative distances stand beside.",
            "Each backbone has its own features and each pair its own subspace: compare ranks and relative distances across "
            "rows, never raw distances.",
            *([few] if len(result.secondaries) <= FEW_SETS and len(result.backbones) > 1 else []),
            "The paper's numbers are of its own datasets: ours stand beside where a dataset is of the same kind, not where it "
            "is the same.",
        ],
    )


def _tables(result: DistanceTable, context: doc.Context, answers: dict[str, BackboneOrder]) -> list[doc.Part]:
    printed = scaled_rows(TABLE_2, "model", result.secondaries, context.symbols)
    far = " The two farthest are marked, as in the paper." if len(result.secondaries) > FARTHEST else ""
    divided = f"Each row is divided by its sum over the datasets.{far}{SHORT_ROWS if printed else ''}"
    ci = "Mean over the pairs of images, with 95 % bootstrap intervals over the images of both; times n it is the paper's sum."
    over = "Over the mean distance of P's own images from each other, in the same subspace: 1 is as far as P's own images."
    title = "Are the datasets without cracks the farthest?"
    tables = by_backbone(result)
    asked = [doc.TablePart("without-cracks", title, without_cracks(answers))] if answers else []
    named = "the registered name (howfar backbones); M of a study is its model trained on P alone"
    features = doc.tabulate(
        result.features,
        ("backbone", "", lambda each: doc.Cell(each.label)),
        ("loaded as", named, lambda each: doc.Cell(each.registered + (f", M of {each.model}" if each.model else ""))),
        ("feature", "", lambda each: doc.Cell(each.feature)),
        ("q", "length of the feature", lambda each: doc.count(each.length)),
    )
    return [
        doc.TablePart("features", "What each backbone measures", features, "", "Table 1"),
        doc.TablePart("scaled", "Row-scaled O^dist", tables["scaled"], divided, "Table 2", printed),
        doc.TablePart("relative", "Relative distance, with 95 % intervals", tables["relative"], over),
        doc.TablePart("raw", "O^dist in mean form, with 95 % intervals", tables["raw"], ci),
        *asked,
        doc.TablePart(
            "last-third",
            "Share of the range of I^dist that the last third of the images spans",
            tables["last-third"],
            "Of each dataset's images in order of distance: a third is an even rise, more is a steep end (appendix A.2).",
        ),
    ]


def _figures(result: DistanceTable) -> list[doc.Part]:
    comparison = result.comparison
    relative, agreement = (registration("", draw).caption(comparison) for draw in (backbones_relative, backbones_agreement))
    several = len(result.backbones) > 1
    medians = []
    for each in comparison.comparisons:
        by_name = each.images.groupby("dataset", sort=False)["i_dist_mean"].median()
        medians.append(f"{each.backbone.name}: {', '.join(f'{name} {value:.3g}' for name, value in by_name.items())}")
    spread = Caption(
        "How the distances are spread, by each backbone",
        "One panel a backbone, with an axis of its own. Coloured: mean distance of each image to P's images; grey: of P's own "
        "images to the rest of P, in the same subspace. Bars span the quartiles, white dots are medians.",
        f"Half-violins of image distances. Medians by {'; '.join(medians)}.",
    )
    ordered = Caption(
        "Images in order of distance, by each backbone",
        "One panel a backbone, one line a dataset: distances scaled from 0 to 1 within the dataset, from its nearest image to "
        "its farthest. Upright lines part the thirds.",
        thirds_sentence(result) or "No dataset has three images.",
    )
    return [
        doc.FigurePart("violins", partial(violins, result), spread, "Figure 3"),
        doc.FigurePart("relative", partial(backbones_relative, comparison), relative),
        *([doc.FigurePart("agreement", partial(backbones_agreement, comparison), agreement)] if several else []),
        doc.FigurePart("thirds", partial(sorted_thirds, result), ordered, "Figure 10"),
    ]


@style.drawing()
def components_curve(result: Components) -> Figure:
    """Draw each secondary's relative distance by number of components, a panel per backbone (appendix A.1)."""
    shown, left_out = style.first(result.secondaries, 2 * MOST)
    count = len(result.backbones)
    figure, panels, _ = style.panel_grid(count, COLUMNS, lambda lines: 1.2 + 2.6 * lines, narrow=5.6, sharey=False)
    for axes, backbone in zip(panels, result.backbones, strict=True):
        for position, name in enumerate(shown):
            row, own = matching(result.distances, backbone=backbone, dataset=name), style.look(position)
            marks: dict[str, Any] = {"color": own.colour, "ls": own.dash, "marker": own.marker, "ms": 3.5, "lw": 1.6}
            axes.plot(row["components"], row["relative"], label=name, **marks)
        plateau = result.plateaus[backbone]
        if plateau is not None:
            axes.axvline(plateau, color=style.MUTED, lw=1, ls=(0, (4, 3)), zorder=1)
        style.head_panel(axes, backbone, "no plateau" if plateau is None else f"holds from {plateau}")
        axes.tick_params(labelbottom=True)
        axes.set(xticks=result.components, xlabel="principal components z")
    figure.supylabel("relative distance", fontsize=9.5)
    style.name_legend(figure, panels[0], min(len(shown), 6))
    note = f"Distance from {result.primary} over its distance from itself. {left_out}"
    return style.head_filled(figure, "Distances by the number of components", note)


def components_section(result: Components, context: doc.Context) -> doc.Section:
    """Build the section of a study of components."""
    shown = "unetplusplus" if "unetplusplus" in result.backbones else result.backbones[0]
    caption = Caption(
        "Relative distance by the number of components",
        "One panel a backbone, one line a dataset: O^dist over P's distance from itself with as many components. The upright "
        "line marks the plateau, where there is one.",
        components_lead(result),
    )
    printed = scaled_rows(TABLE_6, "components (UNet++)", result.secondaries, context.symbols)
    cells = "Each row is divided by its sum over the datasets. Explained: the least share of variance, over the pairs."
    title = "Row-scaled O^dist by the number of components"
    usual, beside = (cells, "Table 6"), {shown: (cells + (SHORT_ROWS if printed is not None else ""), "Table 6", printed)}
    return doc.Section(
        lead=components_lead(result),
        sentences=[result.plateau_line(name) for name, z in result.plateaus.items() if z is not None],
        parts=[
            doc.FigurePart("curve", partial(components_curve, result), caption),
            *(
                doc.TablePart(f"scaled-{place}", f"{title}, {name}", _component_table(result, name), *beside.get(name, usual))
                for place, name in enumerate(result.backbones, 1)
            ),
        ],
        limits=[
            "A row's scaled distances sum to 1, so that one of them falls where another rises; the figure shows relative "
            "distances, which do not depend on the other datasets.",
            "The numbers of components listed are those that were tried: a plateau is one among them.",
        ],
    )


def components_lead(result: Components) -> str:
    """State the number of components from which distances are stable, over all backbones."""
    found = [z for z in result.plateaus.values() if z is not None]
    without = [name for name, z in result.plateaus.items() if z is None]
    tried = doc.listing([str(z) for z in result.components], 8)
    change = f"{100 * result.share:g} %"
    if not found:
        return f"No backbone's distances hold within {change} from any number of components on (tried: {tried})."
    span = f"{min(found)}" if min(found) == max(found) else f"{min(found)} to {max(found)}, by the backbone,"
    behind = f"; by {doc.listing(without)} from none of those tried ({tried})" if without else ""
    return f"From {span} components on, the order holds and no relative distance changes by {change} or more{behind}."


def _component_table(result: Components, backbone: str) -> doc.Table:
    measured: Any = matching(result.distances, backbone=backbone).set_index("dataset").groupby("components")

    def scaled(name: str) -> doc.ColumnOf[Any]:
        return name, "", lambda row: doc.decimal(float(row[1]["o_dist_scaled"][name]))

    return doc.tabulate(
        measured,
        ("components", "", lambda row: doc.Cell(f"{row[0]}", float(row[0]), strong=row[0] == result.plateaus[backbone])),
        *map(scaled, result.secondaries),
        ("explained", "", lambda row: doc.percentage(float(row[1]["explained_variance"].min()))),
    )
