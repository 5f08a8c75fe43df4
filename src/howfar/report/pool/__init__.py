"""Report a pool of models: which of them suits which wish, with the numbers behind it (contribution d, section 6)."""

from __future__ import annotations

from functools import partial

from howfar.figures.pool import precision_recall_plane, rank_intervals
from howfar.figures.pool_labels import labels_curve
from howfar.figures.registration import Caption
from howfar.numbers import share
from howfar.report.parts import Context, FigurePart, Part, Section, TablePart
from howfar.report.pool import tables, text
from howfar.results.pool import Pool


def section(result: Pool, context: Context) -> Section:
    """Make the section of a study of a pool of models."""
    claim = text.papers_claim(result)
    return Section(
        lead=text.lead(result),
        sentences=[
            *(f"{wish.capitalize()}: {text.reason(result, wish)}" for wish in result.answered()),
            *(text.leans(result, shots) for shots in (0, result.most)),
            *([claim] if claim else []),
        ],
        parts=[FigurePart("ranks", partial(rank_intervals, result), _ranks(result)), *_rankings(result), *_measured(result)],
        limits=text.limits(result),
    )


def _rankings(result: Pool) -> list[Part]:
    return [
        TablePart(f"rank-{wish.replace(' ', '-')}", f"Ranking: {wish}", tables.ranks(result, wish))
        for wish in result.answered()
    ]


def _measured(result: Pool) -> list[Part]:
    plane = FigurePart("precision-recall", partial(precision_recall_plane, result), _plane(result))
    verdicts = (
        "Change of F from the nearest image to the farthest by M's own features, with its 95 % interval, at each model's own "
        "threshold, on all images that it was scored on. Consistent: the interval holds 0 and lies within "
        f"±{result.flat:g}, and mean F is at least {result.level:g}. Without a word: no evidence either way."
    )
    of = f"Models of the study {result.of}, images chosen by the strategy {result.strategy}. {text.thresholds(result)}"
    return [
        TablePart("scores", "Models and datasets: ODS, mean F, precision and recall", tables.scores(result), of),
        plane,
        TablePart(
            "labels", "Mean F by the number of images of each dataset", tables.labels(result), "“all”: mean of the datasets."
        ),
        FigurePart("labels-curve", partial(labels_curve, result), _labels(result)),
        TablePart("slopes", "Slope of F on distance before and after adaptation", tables.slopes(result), verdicts),
        TablePart("spreads", "Spread of mean F over datasets and seeds", tables.spreads(result)),
        TablePart(
            "distances",
            "Distance of each dataset by each model's features",
            tables.distances(result),
            "O^dist over the primary dataset's distance from itself; in brackets O^dist (mean form). By M of the first seed.",
        ),
        TablePart("costs", "Parameters and seconds an image", tables.costs(result), f"Timed on {text.machine(result)}."),
    ]


def _ranks(result: Pool) -> Caption:
    words = []
    for wish in result.answered():
        rows = result.ranking(wish).to_dict("records")
        words.append(f"{wish}: " + ", ".join(f"{row['model']} {row['rank']} (first in {share(row['first'])})" for row in rows))
    return Caption(
        "Ranks under each wish",
        "One panel a wish, one row a model: its rank, and the 95 % interval of its rank over paired draws of photographs"
        f"{' and trainings' if len(result.seeds) > 1 else ''}; for speed, of timings. Where intervals overlap the order "
        "is not sure.",
        f"Dots and lines. {'; '.join(words)}.",
    )


def _plane(result: Pool) -> Caption:
    rows = result.scores[(result.scores["shots"] == result.most) & result.scores["dataset"].isin(result.secondaries)]
    words = [f"{r['model']} on {r['dataset']} {r['precision']:.2f} and {r['recall']:.2f}" for r in rows.to_dict("records")]
    return Caption(
        "Precision and recall of each model on each dataset",
        "Left M, right the model with the most images of each. Above the dashed line a model leans to precision, below it to "
        "recall. Bars are 95 % intervals.",
        f"Two panels of dots. Precision and recall with {result.most} of each: {'; '.join(words)}.",
    )


def _labels(result: Pool) -> Caption:
    means = result.spreads.set_index(["model", "shots"])["mean"]
    words = [f"{model} {', '.join(f'{means[model, shots]:.3f}' for shots in result.shots)}" for model in result.models]
    return Caption(
        "Mean F by the number of images of each dataset",
        "One panel a dataset, one line a model, at its own threshold. Bars are 95 % intervals, the "
        f"dashed line is F {result.level:g}.",
        f"Lines. Mean over the datasets with {', '.join(str(shots) for shots in result.shots)} images: {'; '.join(words)}.",
    )
