"""Write sentences on the best model of a pool of models by score, labels needed, stability and speed, with certainty."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Final

import pandas as pd

from howfar.report import section as doc
from howfar.results.records import Interval, matching
from howfar.results.segmenter_studies import ALL_SETS, WEIGHTED, Pool
from howfar.text_formatting import format_number, share

SURE, LIKELY = 0.95, 0.8
PAPER: Final[Mapping[str, tuple[str, str]]] = {"adsam": ("ADSAM", "precision"), "deepcrack": ("DeepCrack", "recall")}
"""Which segmenter the paper suggests for what (section 5)."""


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
    if wish == "stable":
        lowest = matching(result.scores, shots=0).dropna(subset="mean_f").sort_values("mean_f", kind="stable")
        where = dict(lowest.drop_duplicates("model")[["model", "dataset"]].itertuples(index=False, name=None))
        return (
            f"{best['model']}: on the dataset where M, which learnt from none of them, is worst, mean F is {_interval(best)} "
            f"({where.get(best['model'], 'none')}), against {_interval(second)} of {second['model']} "
            f"({where.get(second['model'], 'none')}); {_difference(best)}."
        )
    if wish == "fast":
        sizes = result.costs.set_index("model")["parameters"]
        ours, theirs = (
            f"{format_number(row['value'], 3)} s an image ({millions(int(sizes[row['model']]))} parameters)"
            for row in (best, second)
        )
        return f"{best['model']}: {ours}, against {theirs} of {second['model']}."
    weights = doc.listing([f"{name} {weight:g}" for name, weight in result.weights.items()], 6)
    return (
        f"{best['model']}: weighted mean rank {_interval(best)} against {_interval(second)} of {second['model']} ({weights})."
    )


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
    level = f"mean F {result.level:g}"
    if reached:
        behind = f", and not by {doc.listing(never)} with up to {_images(result.most)}" if never else ""
        first = f"{level} is reached by {doc.listing(words)}{behind}"
    else:
        first = f"No model reaches {level} with up to {_images(result.most)}, so that the gain decides"
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
    left_out = result.scores.drop_duplicates("dataset")["left_out"].sum()
    shared = (
        f" {left_out:,} {doc.plural(int(left_out), 'image', 'images')} that some model was not scored on, as it or its "
        "photograph was learnt from, are left out for all."
        if left_out
        else ""
    )
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
