"""Report an adaptation study on one page: scores, gains, false positives, thresholds, and training images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from howfar.errors import MissingPathError
from howfar.figures import Caption, registration
from howfar.figures.adaptation_gains import by_seed
from howfar.figures.adaptation_models import (
    CHANGE,
    COST,
    RANDOM,
    Change,
    arms,
    looks,
    scored,
    seeds_of,
    seeds_text,
    strategies,
    strategy_of,
)
from howfar.figures.adaptation_rows import adaptation_rows, rows_caption
from howfar.figures.adaptation_scores import Bar, adaptation_bars, bars_caption, is_scored, ranges
from howfar.report import adaptation_sentences
from howfar.report.adaptation_sentences import both_scores, gain, opposed, over_random, points, standing
from howfar.report.explorer import adaptation_section
from howfar.report.page import Page, fill_page, limits_section, made_section
from howfar.report.rerun import rerun_adaptation
from howfar.report.run_figures import Figures, draw_figures
from howfar.report.section import (
    UNDEFINED,
    Cell,
    Column,
    ColumnOf,
    Context,
    FigurePart,
    Made,
    Part,
    RegisteredFigure,
    Section,
    Table,
    TablePart,
    change,
    decimal,
    f_mu_sigma,
    facts,
    listing,
    notes,
    paper_source,
    plural,
    row_interval,
    shown,
    tabulate,
    texts,
    with_interval,
)
from howfar.results.adaptation_result import ALL, BASELINE, F_ODS, F_OWN, Adaptation, AdaptationResult, Adaptations
from howfar.wording import signed

ADAPTING = "adapting"
MEANINGS = {
    ADAPTING: "mean gain over M, of all strategies, on a dataset like these and by another training",
    "sites": "another dataset",
    "M's training": "another training of M, on all datasets alike",
    "M's training by site": "another training of M, on each dataset by itself",
    "choosing": "another strategy, on all datasets alike",
    "choosing by site": "another strategy, on each dataset by itself",
    "training": "another training of the adapted model, and another draw where the strategy draws",
    "rest": "another training of the adapted model, on each dataset by itself",
}


def models(adaptation: Adaptation) -> list[str]:
    """List the unadapted model, then every adapted model."""
    return [BASELINE, *arms(adaptation)["model"]]


def scores(adaptation: Adaptation, column: str) -> Table:
    """Compare each model's "mean_f" or "ods" on each dataset: mean, lowest and highest over the shared seeds."""
    seeds, rows = shared_seeds(adaptation), models(adaptation)
    bars = ranges(adaptation, rows, seeds, column)

    def of(dataset: str) -> Callable[[str], Cell]:
        return lambda model: _range(bars.get((model, dataset)), len(seeds) > 1)

    own = [(_title(adaptation, name), "", of(name)) for name in scored(adaptation)]
    every = ("all", "mean over the secondaries, datasets alike", of(ALL), len(adaptation.secondaries) > 1)
    return tabulate(rows, ("model", "", _model_cells(adaptation)), *own, every)


def both(adaptation: Adaptation) -> Table:
    """Compare F at the threshold tuned on the primary with F at each dataset's best, and their changes from the base model."""
    shown = _model_cells(adaptation)
    columns = (
        Column("model"),
        Column("dataset"),
        Column("mean F", "of the images, at the model's own threshold, which no label of the dataset chose"),
        Column("at its best", "mean F of the same images at the dataset's own best threshold, as in the paper's figs. 4 to 6"),
        Column("ODS", "F of the dataset's summed counts at that threshold, as in the paper's fig. 7"),
        Column("Δ mean F", "change from M at the models' own thresholds; marked where ODS changes the other way"),
        Column("Δ at its best", "change from M at the dataset's best thresholds"),
        Column("Δ ODS", "change of ODS from M"),
    )
    rows, scored_by = [], both_scores(adaptation)
    for (model, dataset), now in scored_by.items():
        base = scored_by[BASELINE, dataset]
        gained = [None if new != new or old != old else new - old for new, old in zip(now, base, strict=True)]
        changes = [change(each) if model != BASELINE else UNDEFINED for each in gained]
        if opposed(now[0] - base[0], now[2] - base[2]):
            changes[0] = replace(changes[0], strong=True)
        rows.append((shown(model), Cell(_title(adaptation, dataset)), *map(decimal, now), *changes))
    return Table(columns, tuple(rows))


def slopes(adaptation: Adaptation) -> Table:
    """List the slope of both Fs on scaled distance for every model, dataset and seed; empty for earlier versions' studies."""
    own = "F at the model's own threshold; marked, here and in the other column, where the interval excludes 0"
    rows = [
        {**lines.iloc[0].to_dict(), **{line["measure"]: line for line in lines.to_dict("records")}}
        for _, lines in adaptation.slopes.groupby(["seed", "model", "dataset"], sort=False)
    ]
    return _by_model(
        adaptation,
        rows,
        _text("dataset"),
        _integer("seed"),
        _integer("n", "images that have an F"),
        ("slope", own, lambda row: _slope(row.get(F_OWN))),
        ("slope at its best", "F at the dataset's own best threshold, as in the paper", lambda row: _slope(row.get(F_ODS))),
    )


def strata(adaptation: Adaptation) -> Table:
    """List F on halves and thirds by distance for every model, dataset and seed; empty for earlier versions' studies."""
    retuned = "F re-tuned in the part, as in the paper, which looks at labels; mean and spread of scaled distance"
    common = "F of the part's summed counts at the model's own threshold"
    return _by_model(
        adaptation,
        adaptation.strata.to_dict("records"),
        _text("dataset"),
        _integer("seed"),
        _text("part", "by distance as that seed's M sees it, nearest first"),
        _integer("n", "images, those with a blank mask too"),
        ("F (μ, σ)", retuned, _retuned),
        ("F, own threshold", common, lambda row: decimal(row["f"])),
    )


def shared_seeds(adaptation: Adaptation) -> list[int]:
    """List the seeds in which every model was trained; the tables' means are over these seeds."""
    return seeds_of(adaptation, models(adaptation))


def gains(adaptation: Adaptation) -> Table:
    """List every model's gain over the unadapted model with its 95 % interval: all secondaries equally, then each dataset."""
    alike = "the secondaries, datasets alike; marked, here and in the other columns, where the interval lies below 0"

    def of(dataset: str) -> Callable[[str], Cell]:
        return lambda model: _change(gain(adaptation, model, dataset))

    own = [(_title(adaptation, name), "", of(name)) for name in scored(adaptation)]
    return tabulate(models(adaptation)[1:], ("model", "", _model_cells(adaptation)), ("all", alike, of(ALL)), *own)


def against_random(adaptation: Adaptation) -> Table:
    """List every model's gain over random with the same number of images; empty if random was no strategy."""
    alike = "the secondaries, datasets alike; the 95 % interval is not corrected"
    corrected = "beside random, by the interval at a level that is corrected for the number of strategies (Bonferroni)"
    pooled = adaptation.gains[(adaptation.gains["dataset"] == ALL) & adaptation.gains["over_random"].notna()]

    def over(dataset: str) -> Callable[[Any], Cell]:
        return lambda row: _change(over_random(adaptation, row["model"], dataset))

    own = [(name, "", over(name)) for name in adaptation.secondaries]
    verdict = ("verdict", corrected, lambda row: Cell(standing(row)))
    return _by_model(adaptation, pooled.to_dict("records"), ("all", alike, over(ALL)), verdict, *own)


def contributions(adaptation: Adaptation) -> Table:
    """List the mean gain, then the sources of variation in gains as standard deviations; empty if unknown."""
    ends = "with its 95 % interval, which begins at 0 where 0 is not excluded"

    def number(row: Any) -> Cell:
        return row_interval(row, "value", signed if row["source"] == ADAPTING else "{:.3f}".format, "low", "high")

    return tabulate(
        adaptation.contributions.to_dict("records"),
        _integer("shots", title="images of each"),
        _text("source", "what is different between two gains"),
        ("gain, or standard deviation of gains", ends, number),
        ("meaning", "", lambda row: Cell(MEANINGS.get(str(row["source"]), ""))),
    )


def suppression(adaptation: Adaptation) -> Table:
    """List false positives on unseen background, and the cost of suppressing them; empty if no background was added."""
    changes = {str(row["model"]): row for row in adaptation.suppression.to_dict("records")}
    labels = [BASELINE, *changes] if changes else []
    shares: Any = by_seed(adaptation, labels).mean() if labels else {}
    part = "share of pixels above the model's own threshold, mean over images and seeds"
    change = "from the same model without background, in percentage points, with its 95 % interval"
    return tabulate(
        labels,
        ("model", "", _model_cells(adaptation)),
        ("false positives", part, lambda model: with_interval(shares[model], None, None, lambda value: f"{100 * value:.2f} %")),
        ("change, points", change, lambda model: priced(changes.get(model))[0]),
        ("change of mean F", "on the secondaries, with its 95 % interval", lambda model: priced(changes.get(model))[1]),
    )


def priced(row: Mapping[Any, Any] | None) -> tuple[Cell, Cell]:
    """Show the change due to background images in percentage points, and its cost in mean F; dashes without a row."""
    if row is None:
        return UNDEFINED, UNDEFINED
    change, cost = Change.of(row, *CHANGE), Change.of(row, *COST)
    in_points = with_interval(change.value, change.low, change.high, points)
    return replace(in_points, strong=change.above), _change(cost)


def trained(adaptation: Adaptation) -> Table:
    """List every model and seed with its threshold and its score on the primary's held-out photographs."""
    best = "best on P's held-out photographs; every F here is at it but ODS and what says at its best"
    home = "F of P's held-out photographs at that threshold: what adapting cost at home"
    return _by_model(
        adaptation,
        adaptation.models.to_dict("records"),
        _integer("seed"),
        _integer("shots", "images of each secondary that it learnt from", "of each"),
        _integer("background", "images without foreground that it learnt from"),
        ("threshold", best, lambda row: decimal(row["threshold"], 2)),
        ("held-out ODS", home, lambda row: decimal(row["held_out_ods"])),
        ("weights", "start of their hash", lambda row: Cell(str(row["weights"])[:12])),
    )


def chosen(adaptation: Adaptation) -> Table:
    """List the labelled images used for training, in the order of choice."""
    return tabulate(
        adaptation.picks.to_dict("records"),
        _text("image"),
        _text("dataset"),
        _text("strategy"),
        _integer("seed"),
        _integer("shots", "for how many images; of a strategy whose choices are nested the largest is listed", "choice of"),
        _integer("rank", "place in the order of choice: the first 1, 3 … are the smaller choices"),
        ("distance", "scaled I^dist in the features of that seed's M", lambda row: decimal(row["distance"], 2)),
    )


_SETTINGS = {
    "shots": "images of each secondary",
    "random_seeds": "further seeds of random",
    "pool": "share to choose from",
    "background_shots": "background images",
    "start": "adapted models start",
    "group": "photograph",
    "bootstrap": "bootstrap resamples",
}
_NONE = {"pool": "whole datasets", "group": "guessed from names", "patience": "no stopping early"}


def settings(adaptation: Adaptation) -> Table:
    """List the caller's settings, those of the training last."""
    own: dict[str, Any] = {"segmenter": adaptation.segmenter, **adaptation.settings}
    training = {name: value for name, value in own.pop("training", {}).items() if name != "seed"}
    flat: dict[str, Any] = {}
    for name, value in {**own, **training}.items():
        flat |= value if isinstance(value, Mapping) else {name: _NONE.get(name) if value is None else value}
    return facts({_SETTINGS.get(name, name): value for name, value in flat.items()})


def _title(adaptation: Adaptation, dataset: str) -> str:
    return f"{dataset} (blind)" if dataset in adaptation.blind else dataset


def _model_cells(adaptation: Adaptation) -> Callable[[str], Cell]:
    """Return a function that shows a model's name in its colour in the figures."""
    look_of = looks(adaptation)
    return lambda model: Cell(model, colour=look_of[model].colour)


def _by_model(adaptation: Adaptation, rows: Iterable[Mapping[Any, Any]], *columns: ColumnOf[Any]) -> Table:
    """Build a table with a row per record; the first column is the model's coloured name."""
    shown = _model_cells(adaptation)
    return tabulate(rows, ("model", "", lambda row: shown(str(row["model"]))), *columns)


def _text(name: str, explanation: str = "") -> ColumnOf[Any]:
    return name, explanation, lambda row: Cell(str(row[name]))


def _integer(name: str, explanation: str = "", title: str = "") -> ColumnOf[Any]:
    return title or name, explanation, lambda row: Cell(f"{int(row[name])}", int(row[name]))


def _slope(row: Mapping[Any, Any] | None) -> Cell:
    return (
        UNDEFINED
        if row is None
        else row_interval(row, "slope", signed, "low", "high", strong=row["low"] > 0 or row["high"] < 0)
    )


def _retuned(row: Mapping[Any, Any]) -> Cell:
    if row["ods"] != row["ods"]:
        return UNDEFINED
    return f_mu_sigma(float(row["ods"]), float(row["distance_mean"]), float(row["distance_std"]))


def _range(bar: Bar | None, several: bool) -> Cell:
    if bar is None or bar.mean != bar.mean:
        return UNDEFINED
    return Cell(f"{bar.mean:.3f}" + (f" ({bar.low:.3f}–{bar.high:.3f})" if several else ""), bar.mean)


def _change(change: Change | None) -> Cell:
    if change is None or not change.known:
        return UNDEFINED
    return replace(with_interval(change.value, change.low, change.high, lambda value: signed(value, 3)), strong=change.below)


def write_adaptation_report(adaptation: Adaptation, folder: str | Path) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    The page is whole in itself. `folder` is the study's, below which the models' maps lie.
    """
    figures = draw_figures({"adaptation_figures": adaptation}, folder, prefix="adaptation_")
    count, seeds = len(adaptation.secondaries), len(adaptation.settings["seeds"])
    return Page(
        kicker="Adaptation report",
        question="What did labelling a few images gain?",
        title=f"What adapting to a few images gained ({adaptation.segmenter} on {adaptation.primary})",
        facts=[
            f"{adaptation.segmenter} trained on {adaptation.primary}",
            f"{count} secondary dataset{plural(count)}",
            f"images chosen by {listing(strategies(adaptation))}",
            f"{seeds} seed{plural(seeds)}",
        ],
        provenance=adaptation.provenance,
        sections=fill_page(_sections(adaptation, Path(folder), figures), figures),
    ).write(folder, figures)


def _sections(adaptation: Adaptation, folder: Path, figures: Figures) -> Iterator[tuple[str, str, Section | None]]:
    yield "answer", "In short", _answer(adaptation)
    yield "pictures", "Pictures", Section("", [RegisteredFigure("rows")]) if "rows" in figures.drawn else None
    yield "gains", "Gains", Section("", _gain_parts(adaptation), folded=True)
    yield "scores", "Scores", Section("", _score_parts(adaptation), folded=True)
    by_distance: list[Part] = [
        RegisteredFigure("curves"),
        *shown("slopes", "Slopes", slopes(adaptation), text=_SLOPES, style="models"),
        *shown("strata", "Halves and thirds", strata(adaptation), text=_STRATA, style="models"),
    ]
    yield "distance", "By distance", Section("", by_distance, folded=True)
    yield "explore", "Explore", adaptation_section(adaptation, folder)
    suppressed = suppression(adaptation)
    if suppressed.rows:
        title = "False positives on background, and what suppressing them cost"
        drawn = map(RegisteredFigure, ("suppression", "bars_background", "curves_background"))
        parts: list[Part] = [TablePart("suppression", title, suppressed, heading="", style="models"), *drawn]
        yield "background", "Background", Section(adaptation_sentences.suppressed(adaptation), parts, folded=True)
    learnt = [
        TablePart("models", "Models", trained(adaptation), _MODELS, style="models"),
        TablePart("chosen", "Chosen images", chosen(adaptation), "In the order of choice.", style="named"),
    ]
    yield "learnt", "What was learnt from", Section("", learnt, folded=True)
    yield limits_section(adaptation_sentences.limits(adaptation))
    additions = "Random beside it, intervals, several seeds and scoring only what no model learnt from are howfar's additions."
    source = paper_source("section 4.3 and appendix C", additions)
    yield made_section(Made([("Settings", settings(adaptation))], adaptation.provenance, rerun_adaptation(adaptation), source))


def _answer(adaptation: Adaptation) -> Section:
    said = [adaptation_sentences.against_random(adaptation), adaptation_sentences.any_beats(adaptation)]
    way, strategy = adaptation.settings.get("way", "retrain"), strategy_of(adaptation)
    on = "anew" if way == "retrain" and adaptation.settings["start"] != "tuned" else "on from M's weights"
    by = "" if way == "retrain" else f" (by {way})"
    background = "; -B3 and the like with that many images without foreground besides" if len(adaptation.suppression) else ""
    names = (
        f"M is {adaptation.segmenter} trained on {adaptation.primary} alone. {strategy}-1 and the like were trained {on}{by} "
        f"on {adaptation.primary} and that many images of each secondary{background}. Gains are on images that no model "
        "learnt from."
    )
    parts: list[Part] = [
        RegisteredFigure("gains"),
        *texts(adaptation_sentences.suppressed(adaptation)),
        *texts(names, style="small"),
        *notes("Notes of the study", adaptation.notes),
    ]
    return Section(adaptation_sentences.lead(adaptation), parts, [text for text in said if text])


def _gain_parts(result: AdaptationResult) -> list[Part]:
    """Build the tables of gains over M and over random, and of what gains differ by."""
    more = len(result.first.settings["random_seeds"])
    seeds = f" Random has {more} further seed{plural(more)}: a gain is over the seeds that its model has." if more else ""
    parts: list[Part] = [
        TablePart("gains", "Gain over M", stacked(result, gains), _GAINED + seeds, style="models"),
        *shown(
            "over-random",
            "Beside as many images drawn at random",
            stacked(result, against_random),
            text=_RIVALS,
            style="models",
        ),
    ]
    if isinstance(result, Adaptation):
        text = f"{result.contributed()} One mixed model of the gains, with datasets, strategies and trainings crossed."
        parts += shown("contributions", "What gains differ by", contributions(result), text=text, style="texts")
    return parts


def _score_parts(result: AdaptationResult) -> list[Part]:
    """Build the tables of scores by both measures, and the bars."""
    seeds = shared_seeds(result.first)
    over = f" {seeds_text(seeds).capitalize()}{'; in brackets the lowest and the highest' if len(seeds) > 1 else ''}."
    f, ods = (stacked(result, partial(scores, column=column)) for column in ("mean_f", "ods"))
    parts: list[Part] = [
        TablePart("mean-f", "Mean F at each model's own threshold", f, _HONEST + over, style="models"),
        TablePart("ods", "ODS, as in the paper", ods, _PAPER + over, style="models"),
    ]
    if isinstance(result, Adaptation):
        told = f"Changes are from M. {adaptation_sentences.disagreement(result)}"
        parts += [TablePart("both", "Both side by side", both(result), told, style="models"), RegisteredFigure("bars")]
    return parts


ABSENT = "The study of adaptation does not lie beside this one, so the figures of its images are left out."


def folder_of(of: str, folder: Path) -> Path:
    """Return the folder of the adaptation study `of`, beside the given folder of a study of the same file."""
    return folder.resolve().parent / of


def beside(of: str, folder: Path) -> Adaptations | None:
    """Load the adaptation study `of` beside a study's folder; return None if it is missing."""
    try:
        return Adaptations.load(folder_of(of, folder))
    except MissingPathError:
        return None


def curves(studied: Adaptations, draw: Callable[..., Any], labels: Mapping[str, str], before: str = "") -> list[Part]:
    """Make a figure per segmenter, under the study file's name for it; only the first caption explains the figure.

    `labels` are the paper's numbers by architecture, and `before` is what the first caption begins with.
    """
    parts: list[Part] = []
    for name, study in studied.by_segmenter().items():
        named = replace(study, segmenter=name)
        found = registration(f"curves-{name}", draw).caption(named)
        text = f"Of {name}, drawn as the figure before." if parts else f"{before} {found.text}".strip()
        caption = Caption(f"{found.title}, {name}", text, found.alternative)
        parts.append(FigurePart(f"curves-{name}", partial(draw, named), caption, labels.get(study.segmenter, "")))
    return parts


def stacked(result: AdaptationResult, make: Callable[[Adaptation], Table]) -> Table:
    """Stack the tables of all segmenters' studies, with the segmenter's name in the first column; one study has its table."""
    if isinstance(result, Adaptation):
        return make(result)
    made = {name: make(study) for name, study in result.by_segmenter().items()}
    columns = next(iter(made.values())).columns
    rows = tuple((Cell(name), *row) for name, table in made.items() for row in table.rows)
    return Table((Column("segmenter"), *columns), rows)


def section(result: Adaptations, context: Context) -> Section:
    """Build the section of an adaptation study."""
    study, names = result.first, list(result.by_segmenter())
    rivals = {name: adaptation_sentences.against_random(each) for name, each in result.by_segmenter().items()}
    compared = RANDOM in strategies(study) and strategy_of(study) != RANDOM
    told = [f"{name}: {text}" for name, text in rivals.items()] if compared and len(names) > 1 else [rivals[names[0]]]
    bars = FigurePart("bars", partial(adaptation_bars, result), bars_caption(result), "Figure 7")
    parts: list[Part] = [*([bars] if is_scored(result) else []), *_gain_parts(result), *_score_parts(result)]
    parts.append(rows_part(result, context.folder, study.secondaries, "rows", "Figure 8"))
    if study.blind:
        parts.append(rows_part(result, context.folder, study.blind, "rows-blind", "Figure 9"))
    parts.append(TablePart("models", "The models", stacked(result, trained), _MODELS))
    sentences = [*told, adaptation_sentences.disagreement(result)]
    return Section(adaptation_sentences.lead(result), parts, sentences, adaptation_sentences.limits(study))


_GAINED = "Change of mean F from M on images that no model learnt from, each model at its own threshold, with 95 % intervals."
_HONEST = "Mean of the images' F at the threshold tuned on P, which no label of the dataset chose."
_PAPER = "F of the dataset's summed counts at the threshold that is best for it, which looks at its labels."
_RIVALS = "Difference from the model that learnt from as many images drawn at random."
_MODELS = "Every model and seed, its threshold, and how it does at home."
_SLOPES = "Change of F from the nearest image of a dataset to the farthest; the curve of a model is flat where it is 0."
_STRATA = "As in tables 3 to 5 of the paper, for every model, on the images that no model learnt from."


def rows_part(
    result: Adaptations, folder: Path, datasets: Sequence[str], name: str, label: str, background: bool = False
) -> FigurePart:
    """Build the figure with pictures of at most four datasets and the maps below the study's folder."""
    draw = partial(adaptation_rows, result, datasets, folder=folder, background=background, limit=4)
    return FigurePart(name, draw, rows_caption(result, datasets, background), label)
