"""Report the paper's studies of adapted models: F by distance (tables 3 to 5), false positives (figs. 13 to 17)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from howfar.figures import Caption, style
from howfar.figures import adaptation_figures as figures
from howfar.figures import adaptation_models as adapted
from howfar.figures.style import ForestRow, forest, frame_forest
from howfar.paper.printed_values import PARTS, TABLES_3_TO_5
from howfar.report import section as doc
from howfar.report.adaptation_report import ABSENT, beside, curves, folder_of, rows_part, suppression_table
from howfar.report.adaptation_sentences import did, in_points, price
from howfar.results.adaptation_result import ALL, BASELINE, F_ODS, F_OWN
from howfar.results.display_and_shared_records import Interval, matching
from howfar.results.segmenter_studies import PerformanceByDistance, Suppression

TITLE = "Slope of F on distance"
COLUMNS = 3
SHOWN = {"0–50 %": PARTS[0], "50–100 %": PARTS[1], "0–33 %": PARTS[2], "67–100 %": PARTS[3]}
"""The parts that the paper prints, by our labels."""
WORDS = {"falls": "falls", "rises": "rises", "consistent": "consistent", "none": "no evidence"}
TABLES = {"unetplusplus": "Table 3", "deepcrack": "Table 4", "adsam": "Table 5"}
PERFORMANCE_FIGURES = {"deepcrack": "Figure 4", "unetplusplus": "Figure 5", "adsam": "Figure 6"}
_PAPER = "F is at the threshold that is best for the dataset by that model, as in the paper, which looks at its labels."
_HONEST = "F is at the threshold tuned on P, which needs no label of the dataset."
_SLOPES = "Intervals are over photographs; all: within the secondaries, differences between them play no part."
SUPPRESSION_FIGURES = {"deepcrack": "Figure 14", "unetplusplus": "Figure 15", "adsam": "Figure 16"}


@style.drawing()
def performance_slopes(result: PerformanceByDistance, *, measure: adapted.Measure = "f_ods", limit: int = 24) -> Figure:
    """Draw the change of F from the nearest to the farthest image, a panel per segmenter and a row per model.

    Shown are M and the models without background of the strategy that the result is about, and at most `limit` datasets, the
    first. `measure` "f_ods" takes F at each dataset's best threshold, as the paper; "f" at each model's own.
    """
    adapted.check_measure(measure)
    shown, left_out = style.first(result.secondaries, limit)
    rows = matching(result.slopes, measure=measure)
    models = [BASELINE, *(model for model in dict.fromkeys(rows["model"]) if _strategy(model) == _strategy(result.adapted))]
    height = 0.75 + 0.3 * len(models)
    figure, panels, _ = style.panel_grid(len(result.segmenters), COLUMNS, lambda lines: 1.3 + height * lines, narrow=5.6)
    for axes, segmenter in zip(panels, result.segmenters, strict=True):
        own = matching(rows, segmenter=segmenter)
        pooled = ALL in set(own["dataset"])
        axes.axvspan(-result.flat, result.flat, color=style.MUTED, alpha=0.13, lw=0, zorder=1.2, label="_flat")
        axes.axvline(0, color=style.MUTED, lw=1.1, zorder=2.0, label="_nothing")
        axes.locator_params(axis="x", nbins=5)
        for row in own[own["model"].isin(models) & own["slope"].notna()].to_dict("records"):
            at, dataset = models.index(str(row["model"])), str(row["dataset"])
            value, low, high = (float(row[name]) for name in ("slope", "low", "high"))
            if dataset == ALL or not pooled:
                dot = ForestRow(f"slope:{row['model']}", value, low, high, style.Look(style.INK, "-", "o"), place=at)
                forest(axes, [dot], width=1.8, size=6.5, solid_capstyle="projecting")
            elif dataset in shown:
                mark = _hollow(style.look(shown.index(dataset)))
                axes.plot([value], [at], zorder=2.7, label=f"{dataset}:{row['model']}", **mark)
        style.head_panel(axes, segmenter)
        axes.set_xlabel("change of F, nearest to farthest")
        axes.tick_params(axis="y", length=0)
    frame_forest(panels[0], [style.name_text(model, 24) for model in models])
    handles = [Line2D([], [], label=style.name_text(name, 20), **_hollow(style.look(k))) for k, name in enumerate(shown)]
    whole = "within all" if len(shown) > 1 else style.name_text(shown[0])
    dots = Line2D([], [], marker="o", color=style.INK, ms=6, lw=1.8, label=whole)
    style.name_legend(figure, [dots, *(handles if len(shown) > 1 else [])], 6)
    note = f"The band is a change of ±{result.flat:g}, which counts as none; lines are 95 % intervals. {left_out}"
    return style.head_filled(figure, TITLE, note)


def _strategy(model: str) -> str:
    """Return the strategy of a model without background: "far" for far-7."""
    return model.rpartition("-")[0]


def _hollow(own: style.Look) -> dict[str, Any]:
    return {"marker": own.marker, "mec": own.colour, "mfc": style.PAPER, "mew": 1.3, "ms": 5, "ls": "none"}


def parts(result: PerformanceByDistance, segmenter: str, models: Sequence[str]) -> doc.Table:
    """Lay out F (mean, standard deviation of distance) on halves and thirds, a row per dataset and model."""
    rows = matching(result.strata[result.strata["seed"].isin(result.seeds)], segmenter=segmenter)

    def cell(label: str) -> Callable[[tuple[str, str]], doc.Cell]:
        return lambda key: _part(matching(rows, dataset=key[0], model=key[1], part=label))

    return doc.tabulate(
        product(result.secondaries, models),
        ("dataset", "", lambda key: doc.Cell(key[0])),
        ("model", "", lambda key: doc.Cell(key[1]), len(models) > 1),
        *((f"F(μ, σ) {label}", "", cell(label)) for label in SHOWN),
    )


def _part(rows: pd.DataFrame) -> doc.Cell:
    """Format a part's F over the seeds, with mean and spread of its distances."""
    f, mean, std = (float(rows[name].mean()) for name in ("ods", "distance_mean", "distance_std"))
    over = f" ± {float(rows['ods'].std()):.3f}" if len(rows) > 1 else ""
    return doc.UNDEFINED if f != f else doc.f_mu_sigma(f, mean, std, f"{f:.3f}{over}")


def printed(result: PerformanceByDistance, architecture: str, symbols: Mapping[str, str]) -> doc.Table | None:
    """Return the paper's numbers for datasets that stand for its own; None without any, or for another segmenter."""
    numbers = TABLES_3_TO_5.get(architecture, {})
    shown = [(name, symbols[name]) for name in result.secondaries if symbols.get(name) in numbers]
    if not shown:
        return None
    rows = tuple(
        (doc.Cell(f"{symbol.replace('_', '')} ({name})"), *(doc.f_mu_sigma(*each) for each in numbers[symbol]))
        for name, symbol in shown
    )
    return doc.Table((doc.Column("dataset"), *(doc.Column(f"F(μ, σ) {label}") for label in SHOWN)), rows)


def slopes(result: PerformanceByDistance, measure: str) -> doc.Table:
    """List slope, verdict and difference from M's slope for every segmenter, model and dataset, for one of the two Fs."""
    span = "from the nearest of them to the farthest; 1 where none was chosen to be learnt from; of all the mean"
    less = "the same images: this slope less that of M; marked where the interval excludes 0"
    over_1 = "change of F over a distance of 1, with its 95 % interval"
    flat = f"consistent: no more than ±{result.flat:g}, and mean F at least {result.tau:g}"

    def changed(row: doc.Record) -> doc.Cell:
        return doc.row_interval(row, "change", doc.three, strong=bool(row["change_low"] > 0 or row["change_high"] < 0))

    return doc.tabulate(
        matching(result.slopes, measure=measure).to_dict("records"),
        *map(doc.text_column, ("segmenter", "model", "dataset")),
        doc.count_column("n", "images that have an F"),
        ("span", span, lambda row: doc.decimal(row["span"], 2)),
        ("mean F", "", lambda row: doc.decimal(row["mean"])),
        ("slope", over_1, lambda row: doc.row_interval(row, "slope", doc.three, "low", "high")),
        ("seeds", "lowest and highest slope of single seeds", _range, len(result.seeds) > 1),
        ("less M's", less, changed),
        ("by distance", flat, lambda row: doc.Cell(WORDS[row["kind"]])),
    )


def _range(row: doc.Record) -> doc.Cell:
    low, high = row["lowest"], row["highest"]
    return doc.UNDEFINED if low != low else doc.Cell(f"[{doc.three(low)}, {doc.three(high)}]", low, numbers=(("high", high),))


def performance_lead(result: PerformanceByDistance) -> str:
    """State each segmenter's change of F from the nearest to the farthest image, before and after adaptation."""
    told = [f"with {name} by {' and '.join(map(_short, _ends(result, name)))}" for name in result.segmenters]
    changes = "From the nearest image to the farthest F changes, before adaptation and after"
    return f"{changes} ({result.adapted}): {'; '.join(told)}."


def _short(row: doc.Record) -> str:
    slope = Interval.of(row, "slope", "low", "high")
    return f"{'an undefined amount' if slope.value is None else slope.signed(2)} ({WORDS[row['kind']]})"


def _ends(result: PerformanceByDistance, segmenter: str, measure: str = F_ODS) -> tuple[doc.Record, doc.Record]:
    """Return the pooled rows of M and of the first strategy's most-shots model."""
    own = {str(row["model"]): row for row in matching(result.pooled(measure), segmenter=segmenter).to_dict("records")}
    return own[BASELINE], own[result.adapted]


def performance_sentences(result: PerformanceByDistance) -> list[str]:
    """State each segmenter's verdicts before and after adaptation, the change, and where its own threshold gives another."""
    sentences = []
    for name in result.segmenters:
        of_m, adapted_row = _ends(result, name)
        sentences.append(f"{name}, M: {of_m['verdict']}.")
        change, changed = Interval.of(adapted_row, "change"), ""
        if change.value is not None:
            judged = "a change, or a difference of two trainings" if change.clear else "no evidence that adapting changed it"
            judged = ", with no interval" if change.low is None else f": {judged}"
            changed = f"Its slope differs from M's by {change.signed(2)}{judged}."
        differing = [
            f"{own['model']} {_short(own)} instead of {_short(paper)}"
            for paper, own in zip((of_m, adapted_row), _ends(result, name, F_OWN), strict=True)
            if own["kind"] != paper["kind"]
        ]
        other = f" At the threshold tuned on P the verdict is another: {'; '.join(differing)}." if differing else ""
        sentences.append(f"{name}, {adapted_row['model']}: {adapted_row['verdict']}. {changed}{other}")
    return sentences


def performance_limits(result: PerformanceByDistance) -> list[str]:
    """List the limits of the numbers."""
    seeds, least = len(result.seeds), float(result.slopes["span"].min())
    return [
        "There is one training of each model: how slopes differ between trainings is unknown."
        if seeds == 1
        else f"F and distance of an image are means over {seeds} seeds; intervals are over photographs; the column seeds shows "
        "how single trainings differ.",
        "F re-tuned in a part, and at a dataset's best threshold, looks at its labels, as in the paper. A new site has none.",
        f"Flat is not good: consistent needs a mean F of {result.tau:g} besides, and an interval that holds 0 is no evidence "
        "of flatness where it is wide.",
        "Images that any model learnt from are left out for all models. Where those were the farthest, those that are left "
        f"span little of the distances (the least span is {least:.2f} of 1), and a slope, which is for all, is extrapolated.",
    ]


def performance_section(result: PerformanceByDistance, context: doc.Context) -> doc.Section:
    """Build the section of a study of performance by distance."""
    caption = Caption(
        TITLE,
        "One panel a segmenter, one row a model. Black: within all secondaries, with its 95 % interval over photographs; "
        f"hollow: single datasets. Within the band, of ±{result.flat:g}, a change counts as none; F is at the threshold that "
        "is best for the dataset, as in the paper.",
        performance_lead(result),
    )
    # Tables 3 to 5 of the unadapted models, one per segmenter, with the printed numbers; then of the adapted ones.
    seeds = len(result.seeds)
    over = f" Means over {seeds} seeds; after ± the standard deviation of F over them." if seeds > 1 else ""
    cells = (
        "F of the part at the threshold that is best for it, as in the paper (mean and standard deviation of scaled I^dist); "
        f"parts by distance as M sees it, nearest first.{over}"
    )
    others = [model for model in dict.fromkeys(result.strata["model"]) if model != BASELINE]
    before, after = list[doc.Part](), list[doc.Part]()
    for name, architecture in zip(result.segmenters, result.architectures, strict=True):
        title = f"F of nearer and farther images, {name} trained on {result.primary} alone"
        paper = (TABLES.get(architecture, ""), printed(result, architecture, context.symbols))
        before.append(doc.TablePart(f"parts-{name}", title, parts(result, name, [BASELINE]), cells, *paper))
        same = f"The same by the adapted models, {name}"
        after.append(doc.TablePart(f"parts-adapted-{name}", same, parts(result, name, others), cells))

    studied, drawn = beside(result.of, context.folder), list[doc.Part]()
    if studied is not None:
        models = [BASELINE, *adapted.by_shots(studied, adapted.strategy_of(studied))]
        drawn = curves(studied, figures.adaptation_curves, PERFORMANCE_FIGURES, adapted.as_called(models))
    return doc.Section(
        lead=performance_lead(result),
        sentences=performance_sentences(result),
        parts=[
            *before,
            *drawn,
            doc.FigurePart("slopes", partial(performance_slopes, result), caption),
            doc.TablePart("slopes", "Slope of F at the dataset's best threshold", slopes(result, F_ODS), f"{_PAPER} {_SLOPES}"),
            doc.TablePart(
                "slopes-own", "Slope of F at each model's own threshold", slopes(result, F_OWN), f"{_HONEST} {_SLOPES}"
            ),
            *after,
        ],
        limits=[*performance_limits(result), *([ABSENT] if studied is None else [])],
    )


def suppression(result: Suppression) -> Figure:
    """Draw false positives of M and of the most-shots models without and with background, a row per model, and their price."""
    look_of = {name: style.look(position) for position, name in enumerate(result.segmenters)}
    images = f"{result.left} image{doc.plural(result.left)} of {style.name_text(result.background)}"
    note = f"on {images} that no model learnt from; lines are 95 % intervals"
    return figures.draw_suppression(result.shares.to_dict("records"), result.changes, look_of, note)


def suppression_lead(result: Suppression) -> str:
    """State each segmenter's change in false positives and mean F from the most background images, with intervals."""
    told, clear = [], False
    for name in result.segmenters:
        row = _most(result, name)
        change, cost = Interval.of(row, *adapted.CHANGE), Interval.of(row, "cost")
        clear = clear or change.below or change.above or cost.below or cost.above
        unbounded = "changed false positives by an amount without an interval"
        lowered = unbounded if change.low is None else f"{did(change)} false positives"
        unpaid = "and what that cost was not measured"
        paid = unpaid if cost.value is None else f"{price(cost)} of the secondaries ({cost.signed()})"
        told.append(f"with {name} they {lowered} ({in_points(change)}) {paid}")
    single = " With one seed that may be a difference of two trainings." if clear and len(result.seeds) == 1 else ""
    model = _most(result, result.segmenters[0])["model"]
    return f"Background images, the most that were tried ({model}): {'; '.join(told)}.{single}"


def _most(result: Suppression, segmenter: str) -> doc.Record:
    """Return the row of the first strategy's model with the most background."""
    rows = result.changes[(result.changes["segmenter"] == segmenter) & (result.changes["of"] != "")]
    most: doc.Record = rows[rows["of"] == rows["of"].iloc[0]].to_dict("records")[-1]
    return most


def suppression_section(result: Suppression, context: doc.Context) -> doc.Section:
    """Build the section of a study of suppression."""
    title = "False positives and their price"
    caption = Caption(
        title,
        f"Left: share of pixels of {result.background} that are taken for foreground although nothing is there. Right: how "
        "mean F of the secondaries changed by adding the background to what the model learnt from. Lines are 95 % intervals; a "
        "segmenter has one colour.",
        suppression_lead(result),
    )
    cells = (
        "Share of the pixels of background above the model's own threshold, mean over images and seeds; its change from the "
        "same model without background, in percentage points; and what that cost on the secondaries. Brackets are 95 % "
        "intervals."
    )
    sentences = []
    for name in result.segmenters:
        rows = matching(result.shares, segmenter=name).to_dict("records")
        shares = ", ".join(f"{row['model']} {100 * row['share']:.2f} %" for row in rows)
        sentences.append(f"{name}: false positives of {shares}.")
    share = "share of pixels above the model's own threshold, with its interval over photographs and trainings"
    change, cost = "from the same model without background", "on the secondaries; marked where the interval lies below 0"
    table = suppression_table(result, result.shares.to_dict("records"), result.changes, share, change, cost)
    few = "" if result.left > 1 else " One photograph gives no interval."
    studied = beside(result.of, context.folder)
    drawn = list[doc.Part]()
    if studied is not None:
        # Figs. 13 to 17: pictures of blind sets, else of background; curves and bars of the secondaries.
        datasets = studied.blind or (result.background,)
        drawn.append(rows_part(studied, folder_of(result.of, context.folder), datasets, "rows", "Figure 13", background=True))
        drawn += curves(studied, figures.adaptation_curves_background, SUPPRESSION_FIGURES)
        bars = partial(figures.adaptation_bars, studied, background=True)
        drawn.append(doc.FigurePart("bars", bars, figures.bars_caption(studied, background=True), "Figure 17"))
    return doc.Section(
        lead=suppression_lead(result),
        sentences=sentences,
        parts=[
            doc.FigurePart("shares", partial(suppression, result), caption),
            doc.TablePart("shares", title, table, cells),
            *drawn,
        ],
        limits=[
            f"False positives are measured on {result.left} image{doc.plural(result.left)} of {result.background} that no "
            f"model learnt from, and say nothing of other backgrounds.{few}",
            "An interval that holds 0 does not prove that background costs nothing.",
            "Shares are at each model's own threshold, tuned on P: a model that is unsure everywhere may have few false "
            "positives.",
            *([ABSENT] if studied is None else []),
        ],
    )
