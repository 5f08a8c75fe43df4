"""Report the result of `howfar adapt` on one page: scores, gains, false positives, thresholds, and training images."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from howfar.errors import MissingPathError
from howfar.explore.image_rows_and_positions import adaptation_points, masks_in
from howfar.figures import Caption, registration
from howfar.figures import adaptation_models as adapted
from howfar.figures.adaptation_figures import adaptation_bars, adaptation_rows, bars_caption, by_seed, ranges, rows_caption
from howfar.formatting_and_escaping import signed
from howfar.report import adaptation_sentences, explorer
from howfar.report import section as doc
from howfar.report.adaptation_sentences import both_scores, gain, opposed, over_random, points, standing
from howfar.report.page import limits_section, made_section, write_page
from howfar.report.report_figures import Figures, draw_figures
from howfar.report.reproduction_code import rerun_adaptation
from howfar.results.adaptation_result import ALL, BASELINE, F_ODS, F_OWN, Adaptation, Adaptations
from howfar.results.display_and_shared_records import Interval

if TYPE_CHECKING:
    import pandas as pd

Key: TypeAlias = tuple[str, str]
_KEY = itemgetter("segmenter", "model")
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


def scores(result: Adaptation, column: str) -> doc.Table:
    """Compare each model's "mean_f" or "ods" on each dataset: mean, lowest and highest over the shared seeds."""
    seeds = shared_seeds(result)
    bars = ranges(result, [BASELINE, *adapted.arms(result)["model"]], seeds, column)

    def cell(dataset: str, key: Key) -> doc.Cell:
        bar = bars.get((*key, dataset))
        if bar is None or bar.mean != bar.mean:
            return doc.UNDEFINED
        return doc.Cell(f"{bar.mean:.3f}" + (f" ({bar.low:.3f}–{bar.high:.3f})" if len(seeds) > 1 else ""), bar.mean)

    own = [(_title(result, name), "", partial(cell, name)) for name in adapted.scored(result)]
    every = ("all", "mean over the secondaries, datasets alike", partial(cell, ALL), len(result.secondaries) > 1)
    return doc.tabulate(adapted.trained_models(result), *_names(result), *own, every)


def both(result: Adaptation) -> doc.Table:
    """Compare F at the threshold tuned on the primary with F at each dataset's best, and their changes from the base model."""
    scored_by = both_scores(result)

    def number(place: int, key: tuple[str, str, str]) -> doc.Cell:
        return doc.decimal(scored_by[key][place])

    def gained(place: int, key: tuple[str, str, str]) -> doc.Cell:
        now, base = scored_by[key], scored_by[key[0], BASELINE, key[2]]
        differences = [new - old for new, old in zip(now, base, strict=True)]
        if key[1] == BASELINE or differences[place] != differences[place]:
            return doc.UNDEFINED
        return replace(doc.change(differences[place]), strong=place == 0 and opposed(differences[0], differences[2]))

    best = "the dataset's own best threshold"
    return doc.tabulate(
        scored_by,
        *_names(result),
        ("dataset", "", lambda key: doc.Cell(_title(result, key[2]))),
        ("mean F", "of the images, at the model's own threshold, which no label of the dataset chose", partial(number, 0)),
        ("at its best", f"mean F of the same images at {best}, as in the paper's figs. 4 to 6", partial(number, 1)),
        ("ODS", "F of the dataset's summed counts at that threshold, as in the paper's fig. 7", partial(number, 2)),
        ("Δ mean F", "change from M at the models' own thresholds; marked where ODS changes the other way", partial(gained, 0)),
        ("Δ at its best", "change from M at the dataset's best thresholds", partial(gained, 1)),
        ("Δ ODS", "change of ODS from M", partial(gained, 2)),
    )


def slopes(result: Adaptation) -> doc.Table:
    """List the slope of both Fs on scaled distance for every model, dataset and seed; empty for earlier versions' studies."""
    own = "F at the model's own threshold; marked, here and in the other column, where the interval excludes 0"
    rows = [
        {**lines.iloc[0].to_dict(), **{line["measure"]: line for line in lines.to_dict("records")}}
        for _, lines in result.slopes.groupby(["segmenter", "seed", "model", "dataset"], sort=False)
    ]
    return doc.tabulate(
        rows,
        *_names(result, _KEY),
        doc.text_column("dataset"),
        _integer("seed"),
        _integer("n", "images that have an F"),
        ("slope", own, lambda row: _slope(row.get(F_OWN))),
        ("slope at its best", "F at the dataset's own best threshold, as in the paper", lambda row: _slope(row.get(F_ODS))),
    )


def strata(result: Adaptation) -> doc.Table:
    """List F on halves and thirds by distance for every model, dataset and seed; empty for earlier versions' studies."""
    retuned = "F re-tuned in the part, as in the paper, which looks at labels; mean and spread of scaled distance"
    common = "F of the part's summed counts at the model's own threshold"
    return doc.tabulate(
        result.strata.to_dict("records"),
        *_names(result, _KEY),
        doc.text_column("dataset"),
        _integer("seed"),
        doc.text_column("part", "by distance as that seed's M sees it, nearest first"),
        _integer("n", "images, those with a blank mask too"),
        ("F (μ, σ)", retuned, _retuned),
        ("F, own threshold", common, lambda row: doc.decimal(row["f"])),
    )


def shared_seeds(result: Adaptation) -> list[int]:
    """List the seeds in which every model was trained; the tables' means are over these seeds."""
    return adapted.seeds_of(result, [BASELINE, *adapted.arms(result)["model"]])


def gains(result: Adaptation) -> doc.Table:
    """List every model's gain over the unadapted model with its 95 % interval: all secondaries equally, then each dataset."""
    alike = "the secondaries, datasets alike; marked, here and in the other columns, where the interval lies below 0"

    def cell(dataset: str, key: Key) -> doc.Cell:
        return _change(gain(result, *key, dataset))

    own = [(_title(result, name), "", partial(cell, name)) for name in adapted.scored(result)]
    keys = [key for key in adapted.trained_models(result) if key[1] != BASELINE]
    return doc.tabulate(keys, *_names(result), ("all", alike, partial(cell, ALL)), *own)


def against_random(result: Adaptation) -> doc.Table:
    """List every model's gain over random with the same number of images; empty if random was no strategy."""
    alike = "the secondaries, datasets alike; the 95 % interval is not corrected"
    corrected = "beside random, by the interval at a level that is corrected for the number of strategies (Bonferroni)"
    pooled = result.gains[(result.gains["dataset"] == ALL) & result.gains["over_random"].notna()]

    def over(dataset: str, row: Any) -> doc.Cell:
        return _change(over_random(result, row["segmenter"], row["model"], dataset))

    own = [(name, "", partial(over, name)) for name in result.secondaries]
    verdict = ("verdict", corrected, lambda row: doc.Cell(standing(row)))
    return doc.tabulate(pooled.to_dict("records"), *_names(result, _KEY), ("all", alike, partial(over, ALL)), verdict, *own)


def contributions(result: Adaptation) -> doc.Table:
    """List the mean gain, then the sources of variation in gains as standard deviations; empty if unknown."""
    ends = "with its 95 % interval, which begins at 0 where 0 is not excluded"

    def number(row: Any) -> doc.Cell:
        return doc.row_interval(row, "value", signed if row["source"] == ADAPTING else "{:.3f}".format, "low", "high")

    return doc.tabulate(
        result.contributions.to_dict("records"),
        _integer("shots", title="images of each"),
        doc.text_column("source", "what is different between two gains"),
        ("gain, or standard deviation of gains", ends, number),
        ("meaning", "", lambda row: doc.Cell(MEANINGS.get(str(row["source"]), ""))),
    )


def suppression(result: Adaptation) -> doc.Table:
    """List false positives on unseen background, and the cost of suppressing them; empty if no background was added."""
    shares: Any = by_seed(result).mean() if len(result.suppression) else {}
    part = "share of pixels above the model's own threshold, mean over images and seeds"
    less = "from the same model without background, in percentage points, with its 95 % interval"
    rows = [{"segmenter": name, "model": model, "share": share} for (name, model), share in shares.items()]
    return suppression_table(result, rows, result.suppression, part, less, "on the secondaries, with its 95 % interval")


def suppression_table(
    result: Any, rows: Iterable[Mapping[Any, Any]], changes: pd.DataFrame, share: str, less: str, cost: str
) -> doc.Table:
    """List the false positive shares in `rows`, their changes and their costs, a row per segmenter and model."""
    of: dict[Any, Mapping[Any, Any]] = defaultdict(lambda: defaultdict(lambda: math.nan))
    of |= {_KEY(row): row for row in changes.to_dict("records")}

    def changed(row: Mapping[Any, Any]) -> doc.Cell:
        each = Interval.of(of[_KEY(row)], *adapted.CHANGE)
        return doc.interval_cell(each, points, strong=each.above)

    def positives(row: Any) -> doc.Cell:
        ends = Interval(row["share"], row.get("low"), row.get("high"))
        return doc.interval_cell(ends, lambda value: f"{100 * value:.2f} %")

    return doc.tabulate(
        rows,
        *_names(result, _KEY),
        ("false positives", share, positives),
        ("change, points", less, changed),
        ("change of mean F", cost, lambda row: _change(Interval.of(of[_KEY(row)], "cost"))),
    )


def trained(result: Adaptation) -> doc.Table:
    """List every model and seed with its threshold and its score on the primary's held-out photographs."""
    best = "best on P's held-out photographs; every F here is at it but ODS and what says at its best"
    home = "F of P's held-out photographs at that threshold: what adapting cost at home"
    return doc.tabulate(
        result.models.to_dict("records"),
        *_names(result, _KEY),
        _integer("seed"),
        _integer("shots", "images of each secondary that it learnt from", "of each"),
        _integer("background", "images without foreground that it learnt from"),
        ("threshold", best, lambda row: doc.decimal(row["threshold"], 2)),
        ("held-out ODS", home, lambda row: doc.decimal(row["held_out_ods"])),
        ("weights", "start of their hash", lambda row: doc.Cell(str(row["weights"])[:12])),
    )


def chosen(adaptation: Adaptation) -> doc.Table:
    """List the labelled images used for training, in the order of choice."""
    return doc.tabulate(
        adaptation.picks.to_dict("records"),
        *map(doc.text_column, ("image", "dataset", "strategy")),
        _integer("seed"),
        _integer("shots", "for how many images; of a strategy whose choices are nested the largest is listed", "choice of"),
        _integer("rank", "place in the order of choice: the first 1, 3 … are the smaller choices"),
        ("distance", "scaled I^dist in the features of that seed's M", lambda row: doc.decimal(row["distance"], 2)),
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


def settings(adaptation: Adaptation) -> doc.Table:
    """List the caller's settings, those of the training last."""
    own: dict[str, Any] = {"segmenter": adaptation.segmenter, **adaptation.settings}
    training = {name: value for name, value in own.pop("training", {}).items() if name != "seed"}
    flat: dict[str, Any] = {}
    for name, value in {**own, **training}.items():
        flat |= value if isinstance(value, Mapping) else {name: _NONE.get(name) if value is None else value}
    return doc.facts({_SETTINGS.get(name, name): value for name, value in flat.items()})


def _title(adaptation: Adaptation, dataset: str) -> str:
    return f"{dataset} (blind)" if dataset in adaptation.blind else dataset


def _names(result: Any, key: Callable[[Any], Any] = tuple) -> list[doc.ColumnOf[Any]]:
    """Return the columns of a row's segmenter, if there are several, and of its model; `key` takes both from the row.

    The models of an adaptation have their colour in its figures.
    """
    look_of = adapted.looks(result) if isinstance(result, Adaptation) else {}

    def model(row: Any) -> doc.Cell:
        name = str(key(row)[1])
        return doc.Cell(name, colour=look_of[name].colour if name in look_of else "")

    return [("segmenter", "", lambda row: doc.Cell(str(key(row)[0])), len(result.segmenters) > 1), ("model", "", model)]


def _integer(name: str, explanation: str = "", title: str = "") -> doc.ColumnOf[Any]:
    return title or name, explanation, lambda row: doc.Cell(f"{int(row[name])}", int(row[name]))


def _slope(row: Mapping[Any, Any] | None) -> doc.Cell:
    slope = Interval(None) if row is None else Interval.of(row, "slope", "low", "high")
    return doc.interval_cell(slope, signed, strong=slope.clear)


def _retuned(row: Mapping[Any, Any]) -> doc.Cell:
    if row["ods"] != row["ods"]:
        return doc.UNDEFINED
    return doc.f_mu_sigma(float(row["ods"]), float(row["distance_mean"]), float(row["distance_std"]))


def _change(difference: Interval) -> doc.Cell:
    return doc.interval_cell(difference, partial(signed, decimals=3), strong=difference.below)


def write_adaptation_report(adaptation: Adaptation, folder: str | Path) -> Path:
    """Write ``figures/<name>.png`` (and ``.svg``) and ``report.html``, and return the page's path.

    The page is whole in itself. `folder` is the study's, below which the models' maps lie.
    """
    figures = draw_figures({"adaptation_figures": adaptation}, folder, prefix="adaptation_")
    count, seeds = len(adaptation.secondaries), len(adaptation.settings["seeds"])
    title = f"What adapting to a few images gained ({adaptation.segmenter} on {adaptation.primary})"
    heads = "Adaptation report", "What did labelling a few images gain?", title
    facts = [
        f"{adaptation.segmenter} trained on {adaptation.primary}",
        f"{count} secondary dataset{doc.plural(count)}",
        f"images chosen by {doc.listing(adapted.strategies(adaptation))}",
        f"{seeds} seed{doc.plural(seeds)}",
    ]
    return write_page(folder, figures, _sections(adaptation, Path(folder), figures), heads, facts, adaptation.provenance)


def _sections(adaptation: Adaptation, folder: Path, figures: Figures) -> Iterator[tuple[str, str, doc.Section | None]]:
    yield "answer", "In short", _answer(adaptation)
    yield "pictures", "Pictures", doc.Section("", [doc.RegisteredFigure("rows")]) if "rows" in figures.drawn else None
    yield "gains", "Gains", doc.Section("", _gain_parts(adaptation), folded=True)
    yield "scores", "Scores", doc.Section("", [*_score_parts(adaptation), doc.RegisteredFigure("bars")], folded=True)
    by_distance: list[doc.Part] = [
        doc.RegisteredFigure("curves"),
        *doc.shown("slopes", "Slopes", slopes(adaptation), text=_SLOPES, style="models"),
        *doc.shown("strata", "Halves and thirds", strata(adaptation), text=_STRATA, style="models"),
    ]
    yield "distance", "By distance", doc.Section("", by_distance, folded=True)
    images = adaptation_points(adaptation, folder, explorer.MODELS)
    interactive = explorer.section(images, masks_in(adaptation), adaptation.folder) if len(images) else None
    yield "explore", "Explore", interactive
    suppressed = suppression(adaptation)
    if suppressed.rows:
        title = "False positives on background, and what suppressing them cost"
        drawn = map(doc.RegisteredFigure, ("suppression", "bars_background", "curves_background"))
        parts: list[doc.Part] = [doc.TablePart("suppression", title, suppressed, heading="", style="models"), *drawn]
        yield "background", "Background", doc.Section(adaptation_sentences.suppressed(adaptation), parts, folded=True)
    learnt = [
        doc.TablePart("models", "Models", trained(adaptation), _MODELS, style="models"),
        doc.TablePart("chosen", "Chosen images", chosen(adaptation), "In the order of choice.", style="named"),
    ]
    yield "learnt", "What was learnt from", doc.Section("", learnt, folded=True)
    yield limits_section(adaptation_sentences.limits(adaptation))
    additions = "Random beside it, intervals, several seeds and scoring only what no model learnt from are howfar's additions."
    source = doc.paper_source("section 4.3 and appendix C", additions)
    again = rerun_adaptation(adaptation)
    yield made_section(doc.Made([("Settings", settings(adaptation))], adaptation.provenance, again, source))


def _answer(adaptation: Adaptation) -> doc.Section:
    said = [adaptation_sentences.against_random(adaptation), adaptation_sentences.any_beats(adaptation)]
    way, strategy = adaptation.settings.get("way", "retrain"), adapted.strategy_of(adaptation)
    on = "anew" if way == "retrain" and adaptation.settings["start"] != "tuned" else "on from M's weights"
    by = "" if way == "retrain" else f" (by {way})"
    background = "; -B3 and the like with that many images without foreground besides" if len(adaptation.suppression) else ""
    names = (
        f"M is {adaptation.segmenter} trained on {adaptation.primary} alone. {strategy}-1 and the like were trained {on}{by} "
        f"on {adaptation.primary} and that many images of each secondary{background}. Gains are on images that no model "
        "learnt from."
    )
    parts: list[doc.Part] = [
        doc.RegisteredFigure("gains"),
        *doc.texts(adaptation_sentences.suppressed(adaptation)),
        *doc.texts(names, style="small"),
        *doc.notes("Notes of the study", adaptation.notes),
    ]
    return doc.Section(adaptation_sentences.lead(adaptation), parts, [text for text in said if text])


def _gain_parts(result: Adaptation) -> list[doc.Part]:
    """Build the tables of gains over M and over random, and of what gains differ by."""
    more = len(result.settings["random_seeds"])
    seeds = f" Random has {more} further seed{doc.plural(more)}: a gain is over the seeds that its model has." if more else ""
    title = "Beside as many images drawn at random"
    parts: list[doc.Part] = [
        doc.TablePart("gains", "Gain over M", gains(result), _GAINED + seeds, style="models"),
        *doc.shown("over-random", title, against_random(result), text=_RIVALS, style="models"),
    ]
    if len(result.segmenters) == 1:
        text = f"{result.contributed()} One mixed model of the gains, with datasets, strategies and trainings crossed."
        parts += doc.shown("contributions", "What gains differ by", contributions(result), text=text, style="texts")
    return parts


def _score_parts(result: Adaptation) -> list[doc.Part]:
    """Build the tables of scores by both measures."""
    seeds = shared_seeds(result)
    over = f" {adapted.seeds_text(seeds).capitalize()}{'; in brackets the lowest and the highest' if len(seeds) > 1 else ''}."
    own = "Mean F at each model's own threshold"
    parts: list[doc.Part] = [
        doc.TablePart("mean-f", own, scores(result, "mean_f"), _HONEST + over, style="models"),
        doc.TablePart("ods", "ODS, as in the paper", scores(result, "ods"), _PAPER + over, style="models"),
    ]
    if len(result.segmenters) == 1:
        text = f"Changes are from M. {adaptation_sentences.disagreement(result)}"
        parts.append(doc.TablePart("both", "Both side by side", both(result), text, style="models"))
    return parts


ABSENT = "The study of adaptation does not lie beside this one, so the figures of its images are left out."


def folder_of(of: str, folder: Path) -> Path:
    """Return the folder of the adaptation study `of`: a sibling of the folder of another study of the same file."""
    return folder.resolve().parent / of


def beside(of: str, folder: Path) -> Adaptations | None:
    """Load the adaptation study `of` beside a study's folder; return None if it is missing."""
    try:
        return Adaptations.load(folder_of(of, folder))
    except MissingPathError:
        return None


def curves(studied: Adaptations, draw: Callable[..., Any], labels: Mapping[str, str], before: str = "") -> list[doc.Part]:
    """Make a figure per segmenter, under the study file's name for it; only the first caption explains the figure.

    `labels` are the paper's numbers by architecture, and `before` is what the first caption begins with.
    """
    parts: list[doc.Part] = []
    for name, architecture in studied.architectures.items():
        study = studied.alone(name)
        found = registration(f"curves-{name}", draw).caption(study)
        text = f"Of {name}, drawn as the figure before." if parts else f"{before} {found.text}".strip()
        caption = Caption(f"{found.title}, {name}", text, found.alternative)
        parts.append(doc.FigurePart(f"curves-{name}", partial(draw, study), caption, labels.get(architecture, "")))
    return parts


def section(result: Adaptations, context: doc.Context) -> doc.Section:
    """Build the section of an adaptation study."""
    rivals = {name: adaptation_sentences.against_random(result.alone(name)) for name in result.segmenters}
    compared = (
        adapted.RANDOM in adapted.strategies(result) and adapted.strategy_of(result) != adapted.RANDOM and len(rivals) > 1
    )
    told = [f"{name}: {text}" for name, text in rivals.items()] if compared else list(rivals.values())[:1]
    bars = doc.FigurePart("bars", partial(adaptation_bars, result), bars_caption(result), "Figure 7")
    parts: list[doc.Part] = [*([bars] if adapted.scored(result) else []), *_gain_parts(result), *_score_parts(result)]
    parts.append(rows_part(result, context.folder, result.secondaries, "rows", "Figure 8"))
    if result.blind:
        parts.append(rows_part(result, context.folder, result.blind, "rows-blind", "Figure 9"))
    parts.append(doc.TablePart("models", "The models", trained(result), _MODELS))
    sentences = [*told, adaptation_sentences.disagreement(result)]
    return doc.Section(adaptation_sentences.lead(result), parts, sentences, adaptation_sentences.limits(result))


_GAINED = "Change of mean F from M on images that no model learnt from, each model at its own threshold, with 95 % intervals."
_HONEST = "Mean of the images' F at the threshold tuned on P, which no label of the dataset chose."
_PAPER = "F of the dataset's summed counts at the threshold that is best for it, which looks at its labels."
_RIVALS = "Difference from the model that learnt from as many images drawn at random."
_MODELS = "Every model and seed, its threshold, and how it does at home."
_SLOPES = "Change of F from the nearest image of a dataset to the farthest; the curve of a model is flat where it is 0."
_STRATA = "As in tables 3 to 5 of the paper, for every model, on the images that no model learnt from."


def rows_part(
    result: Adaptations, folder: Path, datasets: Sequence[str], name: str, label: str, background: bool = False
) -> doc.FigurePart:
    """Build the figure with pictures of at most four datasets and the maps below the study's folder."""
    draw = partial(adaptation_rows, result, datasets, folder=folder, background=background, limit=4)
    return doc.FigurePart(name, draw, rows_caption(result, datasets, background), label)
