"""Report the paper's comparison of trained segmenters: scores, labels needed, costs, and a ranking by each of these."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from howfar.figures import Caption, style
from howfar.figures.style import ForestRow, forest, frame_forest
from howfar.formatting_and_escaping import format_number, share, signed
from howfar.report import section as doc
from howfar.results.display_and_shared_records import Interval, matching
from howfar.results.segmenter_studies import ALL_SETS, SECONDS, WEIGHTED, Pool

F_CURVES = (0.2, 0.4, 0.6, 0.8)
MOST_DATASETS = 8
_SHAPES = (*style.MARKERS, "v", "P", "X", "*")
COLUMNS = 3
_APART = 0.06
"""Distance of models that stand beside each other, so that their bars can be told apart."""
SURE, LIKELY = 0.95, 0.8
PAPER: Final[Mapping[str, tuple[str, str]]] = {"adsam": ("ADSAM", "precision"), "deepcrack": ("DeepCrack", "recall")}
"""Which segmenter the paper suggests for what (section 5)."""


@style.drawing()
def precision_recall_plane(result: Pool, *, limit: int = MOST_DATASETS) -> Figure:
    """Draw every model's precision against recall on each of the first `limit` secondaries, unadapted and with the most images.

    Both are of summed counts at each training's own threshold, with 95 % intervals over photographs and trainings.
    """
    datasets, left_out = style.first(result.secondaries, min(limit, len(_SHAPES)))
    figure, panels = style.side_by_side(4.9, 1, 1, sharex=True, sharey=True)
    for axes, shots in zip(panels, (0, result.most), strict=True):
        _plane(axes)
        for position, model in enumerate(result.models):
            for shape, dataset in zip(_SHAPES, datasets, strict=False):
                rows = matching(result.scores, model=model, shots=shots, dataset=dataset)
                _cross(axes, rows, style.look(position).colour, shape, f"{model}:{dataset}")
        known = style.name_text(result.primary, 20)
        name = f"M{shots}: {known} and {shots} of each" if shots else f"M: {known} alone"
        style.head_panel(axes, name, longest=44)
        axes.set_xlabel("recall")
    panels[0].set_ylabel("precision")
    lines = [Line2D([], [], color=style.look(k).colour, marker="o", lw=1.6, label=name) for k, name in enumerate(result.models)]
    grey: dict[str, Any] = {"color": style.MUTED, "ls": "none"}
    marks = [Line2D([], [], marker=_SHAPES[k], label=name, **grey) for k, name in enumerate(datasets)]
    style.name_legend(figure, [*lines, *marks], 6)
    note = f"Bars are 95 % intervals; along a grey curve F is the same. {left_out}"
    return style.head_filled(figure, "Precision and recall", note)


@style.drawing()
def rank_intervals(result: Pool) -> Figure:
    """Draw every model's rank under each wish with its 95 % interval, and the share of draws it leads."""
    wishes = result.answered()
    models = list(result.models)
    height = 0.85 + 0.3 * len(models)
    figure, panels, columns = style.panel_grid(len(wishes), 2, lambda lines: 0.9 + lines * height, narrow=5.6)
    for axes, wish in zip(panels, wishes, strict=True):
        ranked = []
        for place, (model, row) in enumerate(result.ranking(wish).set_index("model").loc[models].iterrows()):
            look = replace(style.look(place), marker="o")
            ends = (row["rank"], row["rank_low"], row["rank_high"])
            ranked.append(ForestRow(str(model), *ends, look, share(float(row["first"]))))
        forest(axes, ranked, width=2, solid_capstyle="round")
        axes.tick_params(axis="y", length=0, labelcolor=style.INK)
        style.head_panel(axes, wish)
        style.head_numbers(axes, "first in")
    figure.set_layout_engine("constrained", wspace=0.08)
    frame_forest(panels[0], [style.name_text(model, 24) for model in models])
    panels[0].set(xlim=(0.6, len(models) + 0.4), xticks=range(1, len(models) + 1))
    style.label_lowest(panels, columns, "rank, 1 for the best")
    note = f"Lines are 95 % intervals over {result.bootstrap:,} draws; right: draws in which a model is first"
    return style.head_filled(figure, "Ranks under each wish", note)


def _plane(axes: Axes) -> None:
    """Draw the unit square with curves of equal F, and the diagonal of equal precision and recall."""
    recall = np.linspace(0.005, 1, 300)
    for f in F_CURVES:
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = f * recall / (2 * recall - f)
        inside = (precision > 0) & (precision <= 1)
        axes.plot(recall[inside], precision[inside], color=style.MUTED, lw=0.8, alpha=0.5, zorder=1, label="_f")
        at = axes.annotate(f"F {f:g}", (1, f / (2 - f)), (-2, 2), textcoords="offset points")
        at.set(ha="right", fontsize=7.5, color=style.MUTED)
    axes.plot([0, 1], [0, 1], color=style.MUTED, lw=0.8, ls=(0, (4, 3)), zorder=1, label="_equal")
    style.unit_plane(axes)
    axes.set_aspect("equal")


def _cross(axes: Axes, rows: pd.DataFrame, colour: str, marker: str, label: str) -> None:
    for row in rows.dropna(subset=["recall", "precision"]).to_dict("records"):
        recall, precision = float(row["recall"]), float(row["precision"])
        bars: dict[str, Any] = {"color": colour, "lw": 1.1, "alpha": 0.7, "zorder": 2.2, "label": "_interval"}
        axes.plot([row["recall_low"], row["recall_high"]], [precision] * 2, **bars)
        axes.plot([recall] * 2, [row["precision_low"], row["precision_high"]], **bars)
        mark: dict[str, Any] = {"marker": marker, "ms": 7, "mfc": colour, "mec": "white", "mew": 0.7, "ls": "none"}
        axes.plot([recall], [precision], zorder=2.5, label=label, **mark)


@style.drawing()
def labels_curve(result: Pool, *, limit: int = 12) -> Figure:
    """Draw mean F by the number of images of each of the first `limit` datasets, a line per model at its own threshold."""
    datasets, left_out = style.first(result.secondaries, limit)
    figure, panels, columns = style.panel_grid(len(datasets), COLUMNS, lambda lines: 1.2 + 2.5 * lines, narrow=5.6)
    middle = (len(result.models) - 1) / 2
    for axes, dataset in zip(panels, datasets, strict=True):
        axes.grid(True, axis="y")
        axes.axhline(result.level, color=style.MUTED, lw=1, ls=(0, (4, 3)), zorder=1, label="_level")
        for place, model in enumerate(result.models):
            rows = matching(result.scores, model=model, dataset=dataset).sort_values("shots")
            # The numbers of shots grow as powers do, so that they stand at equal steps.
            at = [result.shots.index(int(shots)) + _APART * (place - middle) for shots in rows["shots"]]
            own = style.look(place)
            axes.plot(at, rows["mean_f"], color=own.colour, ls=own.dash, marker=own.marker, ms=4, lw=1.6, label=model)
            axes.vlines(at, rows["mean_f_low"], rows["mean_f_high"], color=own.colour, lw=1, alpha=0.7, label="_interval")
        axes.set_xticks(range(len(result.shots)), labels=[f"{shots}" for shots in result.shots])
        style.head_panel(axes, dataset)
    style.label_lowest(panels, columns, "images of each dataset")
    panels[0].set_ylim(bottom=0)
    figure.supylabel("mean F", fontsize=9.5)
    style.name_legend(figure, panels[0], min(len(result.models), 6))
    note = f"Bars are 95 % intervals; dashed: F {result.level:g}, the level. {left_out}"
    return style.head_filled(figure, "Mean F by the number of images", note)


def scores(result: Pool) -> doc.Table:
    """Build the table of models × datasets, unadapted and with the most images."""
    best = "best F of summed counts, at the dataset's own threshold, as in section 3.3 of the paper"
    two = "{:.2f}".format
    return doc.tabulate(
        result.scores[result.scores["shots"].isin([0, result.most])].to_dict("records"),
        ("model", "", lambda row: _model(result, row)),
        doc.count_column("shots", "that it learnt from, beside the primary dataset", "images of each"),
        doc.text_column("dataset"),
        doc.count_column("n", "images that all models were scored on"),
        ("ODS", best, lambda row: doc.decimal(row["ods"])),
        ("mean F", "of the images, at each model's own threshold", lambda row: doc.decimal(row["mean_f"])),
        ("mean F at ODS", "of the images, at the dataset's own threshold", lambda row: doc.decimal(row["mean_f_ods"])),
        ("precision", "of summed counts, at each model's own threshold", lambda row: doc.row_interval(row, "precision", two)),
        ("recall", "at the same threshold", lambda row: doc.row_interval(row, "recall", two)),
        ("lean", "precision − recall", lambda row: doc.row_interval(row, "lean", signed)),
    )


def labels(result: Pool) -> doc.Table:
    """Build the table of mean F by the number of images, and the number that reaches the level."""
    keys = ["model", "dataset", "shots"]
    f = result.scores.set_index(keys)["mean_f"].to_dict()
    f |= result.spreads.assign(dataset=ALL_SETS).set_index(keys)["mean"].to_dict()

    def mean_f(shots: int) -> doc.ColumnOf[doc.Record]:
        title, explanation = f"M{shots}" if shots else "M", f"mean F with {shots} of each"
        return title, explanation, lambda row: doc.decimal(f[row["model"], row["dataset"], shots])

    def until(row: doc.Record) -> doc.Cell:
        return doc.Cell("not reached") if row["until"] != row["until"] else doc.count(int(row["until"]))

    return doc.tabulate(
        result.labels.to_dict("records"),
        ("model", "", lambda row: _model(result, row)),
        doc.text_column("dataset"),
        *map(mean_f, result.shots),
        (f"until F {result.level:g}", "images of each until mean F reaches it", until),
        (f"gain of M{result.fewest}", "over M, with its 95 % interval", lambda row: doc.row_interval(row, "gain", doc.three)),
    )


def slopes(result: Pool) -> doc.Table:
    """Build the table of slopes and verdicts before and after adaptation."""
    by_shots = {(row["model"], row["dataset"], row["shots"]): row for row in result.scores.to_dict("records")}

    def slope(shots: int) -> doc.ColumnOf[doc.Record]:
        def cell(row: doc.Record) -> doc.Cell:
            fitted = by_shots[row["model"], row["dataset"], shots]
            ends = doc.row_interval(fitted, "slope", signed)
            said = ends.sort is not None and fitted["verdict"] != "none"
            return replace(ends, text=f"{ends.text} {fitted['verdict']}") if said else ends

        return f"M{shots}" if shots else "M", "", cell

    seen = result.scores[result.scores["dataset"].isin(result.secondaries)].drop_duplicates(["model", "dataset"])
    model: doc.ColumnOf[doc.Record] = ("model", "", lambda row: _model(result, row))
    return doc.tabulate(seen.to_dict("records"), model, doc.text_column("dataset"), *map(slope, result.shots))


def spreads(result: Pool) -> doc.Table:
    """Build the table of variation in mean F between datasets and between seeds."""
    return doc.tabulate(
        result.spreads.to_dict("records"),
        ("model", "", lambda row: _model(result, row)),
        doc.count_column("shots", title="images of each"),
        ("mean", "of mean F over the secondary datasets", lambda row: doc.decimal(row["mean"])),
        ("lowest", "", lambda row: doc.decimal(row["lowest"])),
        doc.text_column("lowest_dataset", title="on"),
        ("highest", "", lambda row: doc.decimal(row["highest"])),
        ("over datasets", "standard deviation of mean F", lambda row: doc.decimal(row["sets_std"])),
        ("over seeds", "standard deviation of the mean; a dash with one seed", lambda row: doc.decimal(row["seeds_std"])),
    )


def distances(result: Pool) -> doc.Table:
    """Build the table of the secondary datasets' distances by each model's features (M)."""
    by_model = {(row["model"], row["dataset"]): row for row in result.distances.to_dict("records")}

    def relative_cell(name: str, dataset: str) -> doc.Cell:
        row = by_model[name, dataset]
        relative, distance = row["relative"], float(row["o_dist_mean"])
        if relative is None or relative != relative:
            return doc.Cell(format_number(distance), distance)
        return doc.Cell(f"{relative:.2f} ({format_number(distance)})", float(relative), numbers=(("O^dist", distance),))

    return doc.crossed("model", result.models, result.secondaries, lambda name: _model(result, {"model": name}), relative_cell)


def costs(result: Pool) -> doc.Table:
    """Build the table of parameters and seconds."""
    seconds = result.timings.groupby("model")[SECONDS].agg(["median", "min", "max"])
    write = doc.fixed_digits([seconds["median"].min()], 2)

    def speed(row: doc.Record) -> doc.Cell:
        timed: Any = seconds.loc[row["model"]]
        return doc.row_interval(timed, "median", write, "min", "max")

    def size(name: str) -> Callable[[doc.Record], doc.Cell]:
        return lambda row: doc.Cell(millions(int(row[name])), float(row[name]))

    return doc.tabulate(
        result.costs.to_dict("records"),
        ("model", "", lambda row: _model(result, row)),
        doc.text_column("segmenter"),
        doc.count_column("size", "side of the square that images are resized to, in pixels", "input"),
        ("parameters", "", size("parameters")),
        ("trained", "parameters that training changes", size("trained")),
        ("seconds an image", "median, with the least and the most", speed),
    )


MEASURED: Mapping[str, tuple[str, str]] = {
    "precision": ("precision", "mean over the secondary datasets, with the most images of each"),
    "recall": ("recall", "mean over the secondary datasets, with the most images of each"),
    "few labels": ("images of each", "until mean F over the secondary datasets reaches the level; then the gain decides"),
    "stable": ("lowest mean F", "of M over the datasets, which it learnt nothing from"),
    "fast": ("seconds an image", "median"),
    "weighted": ("mean rank", "over the wishes, weighted"),
}


def ranks(result: Pool, wish: str) -> doc.Table:
    """Build the table of a wish's ranking, best model first."""
    rows = result.ranking(wish)
    write = doc.fixed_digits([rows["value"].min()], 2) if wish == "fast" else "{:.3f}".format

    def value(row: doc.Record) -> doc.Cell:
        if wish != "few labels":
            return doc.row_interval(row, "value", write, "low", "high")
        low, high = ("more" if row[end] != row[end] else f"{row[end]:.0f}" for end in ("low", "high"))
        known = row["value"] == row["value"]
        return doc.Cell(f"{row['value']:.0f} [{low}, {high}]", row["value"]) if known else doc.Cell("not reached")

    over, change = "difference, with its 95 % interval", _small if wish == "fast" else doc.three
    return doc.tabulate(
        rows.to_dict("records"),
        ("model", "", lambda row: _model(result, row, strong=row["rank"] == 1)),
        (*MEASURED[wish], value),
        ("rank", "with its 95 % interval over draws", lambda row: doc.row_interval(row, "rank", "{:.0f}".format)),
        ("first in", "share of draws in which it is first", lambda row: doc.percentage(float(row["first"]))),
        ("from the best other", over, lambda row: doc.row_interval(row, "over", change), wish != "few labels"),
    )


def _small(value: float) -> str:
    """Format a difference with its sign to two significant digits, as seconds may be of any size."""
    return f"{'−' if value < 0 else '+'}{format_number(abs(value), 2)}"


def _model(result: Pool, row: doc.Record, *, strong: bool = False) -> doc.Cell:
    return replace(doc.name_cell(str(row["model"]), result.models.index(str(row["model"]))), strong=strong)


def lead(result: Pool) -> str:
    """State the best model for every wish in one sentence, with its certainty."""
    wanted = {"few labels": "few labels", "stable": "stability", "fast": "speed", WEIGHTED: "all, weighted,"}
    return doc.sentence_case("; ".join(f"for {wanted.get(wish, wish)} {_answer(result, wish)}" for wish in result.answered()))


def _answer(result: Pool, wish: str) -> str:
    ranked = result.ranking(wish).to_dict("records")
    # A model is below the floor by mean F or precision, or by an F not above that of marking every pixel: those of M where the
    # wish is about M, else of the model with the most images of each.
    below: dict[str, str] = {}
    for row in ranked:
        own = _secondaries(result, str(row["model"]), 0 if wish == "stable" else result.most)
        f, precision = float(own["mean_f"].mean()), float(own["precision"].fillna(0.0).mean())
        # Studies of earlier versions do not hold what chance gives.
        chance = float(own["chance"].mean()) if "chance" in own else 0.0
        if not (f >= max(result.floor, chance) and precision >= result.floor):
            marking = f", where marking every pixel gives {chance:.2f}" if f < chance else ""
            below[str(row["model"])] = f"mean F {f:.2f}{marking}, precision {precision:.2f}"

    rows = sorted((row for row in ranked if row["model"] not in below), key=lambda row: -float(row["first"]))
    if wish == "few labels" and all(row["value"] != row["value"] or row["value"] == inf for row in ranked):
        return f"none, as no model reaches F {result.level:g} with up to {_images(result.most)}"
    if not rows:
        return f"none, as no model is above the floor ({'; '.join(f'{name}: {why}' for name, why in below.items())})"
    passed = [row for row in ranked if row["model"] in below and row["rank"] < rows[0]["rank"]]
    despite = "".join(f"; {row['model']}, which ranks before it, is below the floor: {below[row['model']]}" for row in passed)
    sure = float(rows[0]["first"])
    if passed or sure >= LIKELY:
        probably = "" if sure >= SURE or passed else "probably "
        return f"{probably}{rows[0]['model']} (first in {share(sure)} of draws{despite})"
    ahead = [f"{row['model']} in {share(row['first'])}" for row in rows if row["first"] >= 0.1]
    return f"no model stands out (first in draws: {doc.listing(ahead)})"


def reason(result: Pool, wish: str) -> str:
    """State the numbers that put the first model of a ranking ahead of the next."""
    rows = result.ranking(wish).to_dict("records")
    if wish in ("precision", "recall"):
        return _of_measure(result, rows, wish)
    if wish == "few labels":
        return _of_labels(result, rows)
    best, second = rows[:2]
    ours, theirs = _interval(best), _interval(second)
    if wish == "stable":
        lowest = matching(result.scores, shots=0).dropna(subset="mean_f").sort_values("mean_f", kind="stable")
        by_model = lowest.drop_duplicates("model").set_index("model")["dataset"]
        our_worst, their_worst = (by_model.get(row["model"], "none") for row in (best, second))
        worst = "on the dataset where M, which learnt from none of them, is worst, mean F is"
        against = f"against {theirs} of {second['model']} ({their_worst}); {_difference(best)}"
        return f"{best['model']}: {worst} {ours} ({our_worst}), {against}."
    if wish == "fast":
        sizes = result.costs.set_index("model")["parameters"].map(millions)
        both = [f"{format_number(row['value'], 3)} s an image ({sizes[row['model']]} parameters)" for row in (best, second)]
        return f"{best['model']}: {both[0]}, against {both[1]} of {second['model']}."
    weights = doc.listing([f"{name} {weight:g}" for name, weight in result.weights.items()], 6)
    return f"{best['model']}: weighted mean rank {ours} against {theirs} of {second['model']} ({weights})."


def _of_measure(result: Pool, rows: Sequence[doc.Record], measure: str) -> str:
    best, second = rows[:2]
    mean = f"with {_images(result.most)}, mean of {_datasets(result)}"
    without = [str(row["model"]) for row in rows if row["value"] != row["value"]]
    none = f"no {measure} on some dataset, as nothing is predicted there"
    if len(without) == len(rows):
        return f"{doc.sentence_case(mean)[:-1]}: every model has {none}."
    # Of precision and recall each alone is easy to maximize.
    other = "recall" if measure == "precision" else "precision"
    means = [float(_secondaries(result, str(row["model"]), result.most)[other].mean(skipna=False)) for row in (best, second)]
    ours, theirs = (f" (with {other} {value:.2f})" if value == value else "" for value in means)
    behind = f" {doc.listing(without)} {doc.plural(len(without), 'has', 'have')} {none}." if without else ""
    against = ""
    if str(second["model"]) not in without:
        against = f", against {_interval(second)} of {second['model']}{theirs}; {_difference(best)}"
    return f"{best['model']}: {measure} {_interval(best)}{ours} {mean}{against}.{behind}"


def _of_labels(result: Pool, rows: Sequence[doc.Record]) -> str:
    gains = {row["model"]: row for row in matching(result.labels, dataset=ALL_SETS).to_dict("records")}
    reached = [row for row in rows if row["value"] == row["value"]]
    never = [str(row["model"]) for row in rows if row["value"] != row["value"]]
    words = [f"{row['model']} {_shots(int(row['value']))}" for row in reached]
    level, most = f"mean F {result.level:g}", f"with up to {_images(result.most)}"
    first = f"No model reaches {level} {most}, so that the gain decides"
    if reached:
        first = f"{level} is reached by {doc.listing(words)}{f', and not by {doc.listing(never)} {most}' if never else ''}"
    told = [f"{row['model']} {Interval.of(gains[row['model']], 'gain').signed()}" for row in rows]
    image = "The first image of each changes" if result.fewest == 1 else f"The first {_images(result.fewest)} change"
    return f"{doc.sentence_case(first)} {image} mean F: {doc.listing(told)}."


def leans(result: Pool, shots: int) -> str:
    """State which models lean to precision and which to recall, and on how many datasets, with `shots` shots."""
    words = []
    for model in result.models:
        rows = _secondaries(result, model, shots)
        counts = {
            "to precision on": int((rows["lean_low"] > 0).sum()),
            "to recall on": int((rows["lean_high"] < 0).sum()),
            "predicting nothing on": int(rows["precision"].isna().sum()),
        }
        parts = [f"{where} {count}" for where, count in counts.items() if count]
        words.append(f"{model} {doc.listing(parts) if parts else 'to neither'}")
    whole = "Trained on the primary dataset alone" if not shots else f"With {_images(shots)}"
    return f"{whole}, of {_datasets(result)} these lean clearly: {'; '.join(words)}."


def papers_claim(result: Pool) -> str:
    """Compare the paper's suggestion (ADSAM for precision, DeepCrack for recall) with the results; "" without these."""
    words = []
    segmenters = result.costs.set_index("model")["segmenter"]
    for segmenter, (name, measure) in PAPER.items():
        own = [model for model in result.models if segmenters[model] == segmenter]
        if not own or len(result.models) == len(own):
            continue
        against = []
        for shots in (0, result.most):
            # A model that predicts nothing somewhere has no precision, and is not the most precise.
            known = {model: _secondaries(result, model, shots)[measure].mean(skipna=False) for model in result.models}
            means = pd.Series(known, dtype=float).fillna(0.0)
            ours, theirs = means[own], means.drop(own)
            holds = "as suggested" if ours.max() > theirs.max() else "against it"
            against.append(f"{ours.max():.2f} against {theirs.max():.2f} of {theirs.idxmax()} {_shots(shots)} ({holds})")
        sure = ""
        if measure in result.wishes:
            rows = result.ranking(measure)
            sure = f", first in {share(float(rows.loc[rows['model'].isin(own), 'first'].sum()))} of draws"
        words.append(f"{name} for {measure}: {measure} is {' and '.join(against)}{sure}")
    return f"The paper suggests (section 5) {'; '.join(words)}." if words else ""


def _secondaries(result: Pool, model: str, shots: int) -> pd.DataFrame:
    rows = matching(result.scores, model=model, shots=shots)
    return rows[rows["dataset"].isin(result.secondaries)]


def limits(result: Pool) -> list[str]:
    """List the limits of the rankings."""
    fewest, repeats = int(result.scores["photographs"].min()), int(result.timings.groupby("model").size().min())
    seeds = len(result.seeds)
    trained = (
        "Each model was trained with one seed: how much trainings vary is unknown, so that ranks hold for these trainings, and "
        "the intervals, which are over photographs alone, are too narrow for the architectures."
        if seeds == 1
        else f"Intervals are over photographs and {seeds} trainings; so few trainings tell their own variation roughly."
    )
    left_out = int(result.scores.drop_duplicates("dataset")["left_out"].sum())
    some = f" {left_out:,} {doc.plural(left_out, 'image', 'images')} that some model was not scored on, as it or its"
    shared = f"{some} photograph was learnt from, are left out for all." if left_out else ""
    return [
        trained,
        f"All models are scored on the same images, and drawn alike, of {fewest:,} photographs at least.{shared}",
        f"{thresholds(result)} A lean is of model and threshold together, and another threshold would move both. ODS does not "
        "depend on it, but looks at labels.",
        "Each dataset counts alike. Ranks are among these models, on these datasets.",
        f"No model is recommended whose mean F or precision is below {result.floor:g}, or whose mean F is not above that of "
        "marking every pixel.",
        f"Seconds were measured on {machine(result)}, one image at a time, from the decoded image to its map; "
        f"median of {repeats} timings a model. They differ from run to run, by more than these draws say where the machine "
        "does other work.",
    ]


def thresholds(result: Pool) -> str:
    """State the threshold of F, precision and recall."""
    if result.tuned:
        return "Each model's own threshold was tuned on photographs of the primary dataset that were held out."
    return "Each model's own threshold is 0.5, as no photograph of the primary dataset was held out to tune it on."


def machine(result: Pool) -> str:
    """Describe the hardware on which seconds were measured."""
    made = result.hardware
    device = "" if made["device"] == "CPU" else f", {made['device']}"
    threads = int(made["threads"])
    return f"{made['processor']} with {made['cores']} cores, {threads} {doc.plural(threads, 'thread', 'threads')}{device}"


def millions(count: int) -> str:
    """Format a number of parameters in millions or thousands."""
    return f"{count / 1e6:.1f} M" if count >= 1_000_000 else f"{count / 1e3:.1f} k"


def _interval(row: doc.Record) -> str:
    return f"{Interval.of(row, 'value', 'low', 'high'):.2f}"


def _difference(row: doc.Record) -> str:
    return f"the difference is {Interval.of(row, 'over').signed()}"


def _datasets(result: Pool) -> str:
    return f"{len(result.secondaries)} {doc.plural(len(result.secondaries), 'dataset', 'datasets')}"


def _images(count: int) -> str:
    return f"{count} {doc.plural(count, 'image', 'images')} of each"


def _shots(count: int) -> str:
    return "without images" if not count else f"with {_images(count)}"


def section(result: Pool, context: doc.Context) -> doc.Section:
    """Build the section of a study of a pool of models."""
    words, wishes = [], result.answered()
    for wish in wishes:
        rows = result.ranking(wish).to_dict("records")
        words.append(f"{wish}: " + ", ".join(f"{row['model']} {row['rank']} (first in {share(row['first'])})" for row in rows))
    ranks_caption = Caption(
        "Ranks under each wish",
        "One panel a wish, one row a model: its rank, and the 95 % interval of its rank over paired draws of photographs"
        f"{' and trainings' if len(result.seeds) > 1 else ''}; for speed, of timings. Where intervals overlap the order "
        "is not sure.",
        f"Dots and lines. {'; '.join(words)}.",
    )
    return doc.Section(
        lead=lead(result),
        sentences=[
            *(f"{wish.capitalize()}: {reason(result, wish)}" for wish in wishes),
            *(leans(result, shots) for shots in (0, result.most)),
            *filter(None, [papers_claim(result)]),
        ],
        parts=[
            doc.FigurePart("ranks", partial(rank_intervals, result), ranks_caption),
            *(doc.TablePart(f"rank-{wish.replace(' ', '-')}", f"Ranking: {wish}", ranks(result, wish)) for wish in wishes),
            *_measured(result),
        ],
        limits=limits(result),
    )


def _measured(result: Pool) -> list[doc.Part]:
    rows = result.scores[(result.scores["shots"] == result.most) & result.scores["dataset"].isin(result.secondaries)]
    words = [f"{r['model']} on {r['dataset']} {r['precision']:.2f} and {r['recall']:.2f}" for r in rows.to_dict("records")]
    plane = Caption(
        "Precision and recall of each model on each dataset",
        "Left M, right the model with the most images of each. Above the dashed line a model leans to precision, below it to "
        "recall. Bars are 95 % intervals.",
        f"Two panels of dots. Precision and recall with {result.most} of each: {'; '.join(words)}.",
    )
    means = result.spreads.set_index(["model", "shots"])["mean"]
    told = [f"{model} {', '.join(f'{means[model, shots]:.3f}' for shots in result.shots)}" for model in result.models]
    lines = Caption(
        "Mean F by the number of images of each dataset",
        "One panel a dataset, one line a model, at its own threshold. Bars are 95 % intervals, the "
        f"dashed line is F {result.level:g}.",
        f"Lines. Mean over the datasets with {', '.join(str(shots) for shots in result.shots)} images: {'; '.join(told)}.",
    )
    verdicts = (
        "Change of F from the nearest image to the farthest by M's own features, with its 95 % interval, at each model's own "
        "threshold, on all images that it was scored on. Consistent: the interval holds 0 and lies within "
        f"±{result.flat:g}, and mean F is at least {result.level:g}. Without a word: no evidence either way."
    )
    over = "O^dist over the primary dataset's distance from itself; in brackets O^dist (mean form). By M of the first seed."
    of = f"Models of the study {result.of}, images chosen by the strategy {result.strategy}. "
    of += f"{thresholds(result)} A model has one colour in all tables and figures."
    return [
        doc.TablePart("scores", "Models and datasets: ODS, mean F, precision and recall", scores(result), of),
        doc.FigurePart("precision-recall", partial(precision_recall_plane, result), plane),
        doc.TablePart(
            "labels", "Mean F by the number of images of each dataset", labels(result), "“all”: mean of the datasets."
        ),
        doc.FigurePart("labels-curve", partial(labels_curve, result), lines),
        doc.TablePart("slopes", "Slope of F on distance before and after adaptation", slopes(result), verdicts),
        doc.TablePart("spreads", "Spread of mean F over datasets and seeds", spreads(result)),
        doc.TablePart("distances", "Distance of each dataset by each model's features", distances(result), over),
        doc.TablePart("costs", "Parameters and seconds an image", costs(result), f"Timed on {machine(result)}."),
    ]
