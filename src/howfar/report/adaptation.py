"""Report an adaptation study on one page: scores, gains, false positives, thresholds, and training images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from howfar.report.figures import draw_figures
from howfar.report.page import write_page
from howfar.report.rerun import rerun_adaptation
from howfar.report.section import (
    UNDEFINED,
    Cell,
    Column,
    Context,
    FigurePart,
    Part,
    Section,
    Table,
    TablePart,
    change,
    count,
    decimal,
    facts,
    listing,
    with_interval,
)
from howfar.results.adaptation import ALL, BASELINE, F_ODS, F_OWN, Adaptation, Adaptations
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
    shown = _model_cells(adaptation)
    several = len(shared_seeds(adaptation)) > 1
    datasets, many = scored(adaptation), len(adaptation.secondaries) > 1
    columns = [Column("model")]
    columns += [Column(f"{name} (blind)" if name in adaptation.blind else name) for name in datasets]
    columns += [Column("all", "mean over the secondaries, datasets alike")] if many else []
    bars = ranges(adaptation, models(adaptation), shared_seeds(adaptation), column)
    rows = [
        (shown(model), *(_range(bars.get((model, name)), several) for name in (*datasets, *([ALL] * many))))
        for model in models(adaptation)
    ]
    return Table(tuple(columns), tuple(rows))


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
        rows.append(
            (shown(model), Cell(f"{dataset} (blind)" if dataset in adaptation.blind else dataset), *map(decimal, now), *changes)
        )
    return Table(columns, tuple(rows))


def slopes(adaptation: Adaptation) -> Table:
    """List the slope of both Fs on scaled distance for every model, dataset and seed; empty for earlier versions' studies."""
    shown = _model_cells(adaptation)
    own = "F at the model's own threshold; marked, here and in the other column, where the interval excludes 0"
    columns = (
        Column("model"),
        Column("dataset"),
        Column("seed"),
        Column("n", "images that have an F"),
        Column("slope", own),
        Column("slope at its best", "F at the dataset's own best threshold, as in the paper"),
    )
    rows = []
    for (seed, model, dataset), lines in adaptation.slopes.groupby(["seed", "model", "dataset"], sort=False):
        by_measure = {row["measure"]: row for row in lines.to_dict("records")}
        cells = [_slope(by_measure.get(measure)) for measure in (F_OWN, F_ODS)]
        named = (shown(str(model)), Cell(str(dataset)), Cell(f"{seed}", int(str(seed))))
        rows.append((*named, count(int(lines["n"].iloc[0])), *cells))
    return Table(columns, tuple(rows))


def strata(adaptation: Adaptation) -> Table:
    """List F on halves and thirds by distance for every model, dataset and seed; empty for earlier versions' studies."""
    shown = _model_cells(adaptation)
    columns = (
        Column("model"),
        Column("dataset"),
        Column("seed"),
        Column("part", "by distance as that seed's M sees it, nearest first"),
        Column("n", "images, those with a blank mask too"),
        Column(
            "F (μ, σ)", "F re-tuned in the part, as in the paper, which looks at labels; mean and spread of scaled distance"
        ),
        Column("F, own threshold", "F of the part's summed counts at the model's own threshold"),
    )
    rows = [
        (
            shown(str(row["model"])),
            Cell(str(row["dataset"])),
            Cell(f"{row['seed']}", int(row["seed"])),
            Cell(str(row["part"])),
            count(int(row["n"])),
            _retuned(row),
            decimal(row["f"]),
        )
        for row in adaptation.strata.to_dict("records")
    ]
    return Table(columns, tuple(rows))


def shared_seeds(adaptation: Adaptation) -> list[int]:
    """List the seeds in which every model was trained; the tables' means are over these seeds."""
    return seeds_of(adaptation, models(adaptation))


def gains(adaptation: Adaptation) -> Table:
    """List every model's gain over the unadapted model with its 95 % interval: all secondaries equally, then each dataset."""
    shown = _model_cells(adaptation)
    datasets = scored(adaptation)
    columns = (
        Column("model"),
        Column(
            "all", "the secondaries, datasets alike; marked, here and in the other columns, where the interval lies below 0"
        ),
        *(Column(f"{name} (blind)" if name in adaptation.blind else name) for name in datasets),
    )
    rows = [
        (shown(model), *(_change(gain(adaptation, model, name)) for name in (ALL, *datasets)))
        for model in models(adaptation)[1:]
    ]
    return Table(columns, tuple(rows))


def against_random(adaptation: Adaptation) -> Table:
    """List every model's gain over random with the same number of images; empty if random was no strategy."""
    shown = _model_cells(adaptation)
    pooled = adaptation.gains[adaptation.gains["dataset"] == ALL]
    columns = (
        Column("model"),
        Column("all", "the secondaries, datasets alike; the 95 % interval is not corrected"),
        Column(
            "verdict", "beside random, by the interval at a level that is corrected for the number of strategies (Bonferroni)"
        ),
        *(Column(name) for name in adaptation.secondaries),
    )
    rows = []
    for row in pooled.to_dict("records"):
        model = str(row["model"])
        change = over_random(adaptation, model)
        if change is None or not change.known:
            continue
        own = (_change(over_random(adaptation, model, name)) for name in adaptation.secondaries)
        rows.append((shown(model), _change(change), Cell(standing(row)), *own))
    return Table(columns, tuple(rows))


def contributions(adaptation: Adaptation) -> Table:
    """List the mean gain, then the sources of variation in gains as standard deviations; empty if unknown."""
    columns = (
        Column("images of each"),
        Column("source", "what is different between two gains"),
        Column("gain, or standard deviation of gains", "with its 95 % interval, which begins at 0 where 0 is not excluded"),
        Column("meaning"),
    )
    rows = []
    for row in adaptation.contributions.to_dict("records"):
        name, shots = str(row["source"]), int(row["shots"])
        write = signed if name == ADAPTING else "{:.3f}".format
        number = with_interval(float(row["value"]), float(row["low"]), float(row["high"]), write)
        rows.append((Cell(f"{shots}", shots), Cell(name), number, Cell(MEANINGS.get(name, ""))))
    return Table(columns, tuple(rows))


def suppression(adaptation: Adaptation) -> Table:
    """List false positives on unseen background, and the cost of suppressing them; empty if no background was added."""
    shown = _model_cells(adaptation)
    columns = (
        Column("model"),
        Column("false positives", "share of pixels above the model's own threshold, mean over images and seeds"),
        Column("change, points", "from the same model without background, in percentage points, with its 95 % interval"),
        Column("change of mean F", "on the secondaries, with its 95 % interval"),
    )
    if not len(adaptation.suppression):
        return Table(columns, ())
    labels = [BASELINE, *map(str, adaptation.suppression["model"])]
    shares = by_seed(adaptation, labels).mean()
    changes = {str(row["model"]): row for row in adaptation.suppression.to_dict("records")}
    parts = {model: with_interval(share, None, None, lambda value: f"{100 * value:.2f} %") for model, share in shares.items()}
    rows = [(shown(model), parts[model], *priced(changes.get(model))) for model in labels]
    return Table(columns, tuple(rows))


def priced(row: Mapping[Any, Any] | None) -> tuple[Cell, Cell]:
    """Show the change due to background images in percentage points, and its cost in mean F; dashes without a row."""
    if row is None:
        return UNDEFINED, UNDEFINED
    change, cost = Change.of(row, *CHANGE), Change.of(row, *COST)
    in_points = with_interval(change.value, change.low, change.high, points)
    return replace(in_points, strong=change.above), _change(cost)


def trained(adaptation: Adaptation) -> Table:
    """List every model and seed with its threshold and its score on the primary's held-out photographs."""
    shown = _model_cells(adaptation)
    columns = (
        Column("model"),
        Column("seed"),
        Column("of each", "images of each secondary that it learnt from"),
        Column("background", "images without foreground that it learnt from"),
        Column("threshold", "best on P's held-out photographs; every F here is at it but ODS and what says at its best"),
        Column("held-out ODS", "F of P's held-out photographs at that threshold: what adapting cost at home"),
        Column("weights", "start of their hash"),
    )
    rows = [
        (
            shown(str(row["model"])),
            *(Cell(f"{int(row[name])}", int(row[name])) for name in ("seed", "shots", "background")),
            decimal(row["threshold"], 2),
            decimal(row["held_out_ods"]),
            Cell(str(row["weights"])[:12]),
        )
        for row in adaptation.models.to_dict("records")
    ]
    return Table(columns, tuple(rows))


def chosen(adaptation: Adaptation) -> Table:
    """List the labelled images used for training, in the order of choice."""
    columns = (
        Column("image"),
        Column("dataset"),
        Column("strategy"),
        Column("seed"),
        Column("choice of", "for how many images; of a strategy whose choices are nested the largest is listed"),
        Column("rank", "place in the order of choice: the first 1, 3 … are the smaller choices"),
        Column("distance", "scaled I^dist in the features of that seed's M"),
    )
    rows = [
        (
            Cell(str(row["image"])),
            Cell(str(row["dataset"])),
            Cell(str(row["strategy"])),
            *(Cell(f"{int(row[name])}", int(row[name])) for name in ("seed", "shots", "rank")),
            decimal(row["distance"], 2),
        )
        for row in adaptation.picks.to_dict("records")
    ]
    return Table(columns, tuple(rows))


def settings(adaptation: Adaptation) -> Table:
    """List the caller's settings."""
    options: dict[str, Any] = {"segmenter": adaptation.segmenter, **adaptation.settings}
    training = dict(options.pop("training", {}))
    training.pop("seed", None)
    return facts({name: _text(name, value) for name, value in {**_flat(options), **_flat(training)}.items()})


_SETTINGS = {
    "shots": "images of each secondary",
    "random_seeds": "further seeds of random",
    "pool": "share to choose from",
    "background_shots": "background images",
    "start": "adapted models start",
    "group": "photograph",
    "bootstrap": "bootstrap resamples",
}
_NONE = {"share to choose from": "whole datasets", "photograph": "guessed from names", "patience": "no stopping early"}


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= {str(key): inner for key, inner in value.items()}
        else:
            flat[_SETTINGS.get(name, name)] = value
    return flat


def _text(name: str, value: Any) -> str:
    if value is None and name in _NONE:
        return _NONE[name]
    if value is None or (isinstance(value, list | tuple) and not value):
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value}"


def _model_cells(adaptation: Adaptation) -> Callable[[str], Cell]:
    """Return a function that shows a model's name in its colour in the figures."""
    look_of = looks(adaptation)
    return lambda model: Cell(model, colour=look_of[model].colour)


def _slope(row: Mapping[Any, Any] | None) -> Cell:
    if row is None:
        return UNDEFINED
    value, low, high = (float(row[name]) for name in ("slope", "low", "high"))
    return replace(with_interval(value, low, high, signed), strong=low > 0 or high < 0)


def _retuned(row: Mapping[Any, Any]) -> Cell:
    if row["ods"] != row["ods"]:
        return UNDEFINED
    return Cell(f"{row['ods']:.3f} ({row['distance_mean']:.2f}, {row['distance_std']:.2f})", float(row["ods"]))


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

    The page is whole in itself: it asks for no other file and no address, and can be read without scripts. `folder` is the
    study's, below which the models' maps lie; what is in it by these names is replaced.
    """
    figures = draw_figures({"adaptation_figures": adaptation}, folder, prefix="adaptation_")
    content = {**_content(adaptation), "explore": adaptation_section(adaptation, Path(folder))}
    return write_page("adaptation/page.html.j2", content, folder, figures)


def _content(adaptation: Adaptation) -> dict[str, Any]:
    f, ods = (scores(adaptation, column) for column in ("mean_f", "ods"))
    look_of = looks(adaptation)
    return {
        "a": adaptation,
        "strategy": strategy_of(adaptation),
        "strategies": listing(strategies(adaptation)),
        "several": len(shared_seeds(adaptation)) > 1,
        "lead": adaptation_sentences.lead(adaptation),
        "random": adaptation_sentences.against_random(adaptation),
        "any": adaptation_sentences.any_beats(adaptation),
        "numbers": [(model, line, look_of[model].colour) for model, line in adaptation_sentences.by_number(adaptation)],
        "suppressed": adaptation_sentences.suppressed(adaptation),
        "limitations": adaptation_sentences.limits(adaptation),
        "seeds": seeds_text(shared_seeds(adaptation)),
        "f": f,
        "ods": ods,
        "both": both(adaptation),
        "disagreement": adaptation_sentences.disagreement(adaptation),
        "slopes": slopes(adaptation),
        "strata": strata(adaptation),
        "gains": gains(adaptation),
        "over_random": against_random(adaptation),
        "contributions": contributions(adaptation),
        "suppression": suppression(adaptation),
        "trained": trained(adaptation),
        "chosen": chosen(adaptation),
        "settings": settings(adaptation),
        "rerun": rerun_adaptation(adaptation),
    }


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

    `draw` is a registered figure of one segmenter's study, `labels` are the paper's numbers by architecture, and `before` is
    what the first caption begins with.
    """
    parts: list[Part] = []
    for name, study in studied.by_segmenter().items():
        named = replace(study, segmenter=name)
        found = registration(f"curves-{name}", draw).caption(named)
        text = f"Of {name}, drawn as the figure before." if parts else f"{before} {found.text}".strip()
        caption = Caption(f"{found.title}, {name}", text, found.alternative)
        parts.append(FigurePart(f"curves-{name}", partial(draw, named), caption, labels.get(study.segmenter, "")))
    return parts


def stacked(result: Adaptations, make: Callable[[Adaptation], Table]) -> Table:
    """Stack the tables of all segmenters' studies, with the segmenter's name in the first column."""
    made = {name: make(study) for name, study in result.by_segmenter().items()}
    columns = next(iter(made.values())).columns
    rows = tuple((Cell(name), *row) for name, table in made.items() for row in table.rows)
    return Table((Column("segmenter"), *columns), rows)


def section(result: Adaptations, context: Context) -> Section:
    """Build the section of an adaptation study."""
    study, names = result.first, list(result.by_segmenter())
    over = f" Means over {len(shared_seeds(study))} seeds; in brackets the lowest and the highest."
    over = over if len(shared_seeds(study)) > 1 else ""
    rivals = {name: adaptation_sentences.against_random(each) for name, each in result.by_segmenter().items()}
    compared = RANDOM in strategies(study) and strategy_of(study) != RANDOM
    told = [f"{name}: {text}" for name, text in rivals.items()] if compared and len(names) > 1 else [rivals[names[0]]]
    beside_random = stacked(result, against_random)
    bars = FigurePart("bars", partial(adaptation_bars, result), bars_caption(result), "Figure 7")
    parts: list[Part] = [
        *([bars] if is_scored(result) else []),
        TablePart("gains", "Gain over M", stacked(result, gains), _GAINED),
        TablePart(
            "mean-f", "Mean F at each model's own threshold", stacked(result, partial(scores, column="mean_f")), _HONEST + over
        ),
        TablePart("ods", "ODS, as in the paper", stacked(result, partial(scores, column="ods")), _PAPER + over),
    ]
    if beside_random.rows:
        parts.append(TablePart("over-random", "Beside as many images drawn at random", beside_random, _RIVALS))
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


def rows_part(
    result: Adaptations, folder: Path, datasets: Sequence[str], name: str, label: str, background: bool = False
) -> FigurePart:
    """Build the figure with pictures of at most four datasets and the maps below the study's folder."""
    draw = partial(adaptation_rows, result, datasets, folder=folder, background=background, limit=4)
    return FigurePart(name, draw, rows_caption(result, datasets, background), label)
