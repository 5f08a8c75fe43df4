"""List the models of an adaptation study (`Arm`), check its options, and build its tables: scores, and gains with intervals."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from howfar.adaptation_ways import steps_of
from howfar.arrays import Float64Array
from howfar.data import Dataset
from howfar.data.image_and_mask_folders import path_text
from howfar.data.image_groups_and_variations import HashedDataset
from howfar.errors import InputError, LeakError
from howfar.metrics import at_threshold, f, ods, threshold_index
from howfar.options_by_function import AdaptOptions
from howfar.random_streams import stream
from howfar.relation.performance_by_distance import Indices, PerformancePoints, parts
from howfar.relation.trend import trend
from howfar.results import Evaluation
from howfar.results.adaptation_result import BASELINE, CONTRIBUTIONS, F_ODS, F_OWN, SLOPES
from howfar.selection import named
from howfar.significance.variance_components import REST, variance_components
from howfar.studies.performance.image_performance import counts_of

ANEW, GOING_ON = "anew", "tuned"
"""How the training of an adapted model begins."""
RANDOM = "random"
RETRAIN = "retrain"


@dataclass(frozen=True)
class Arm:
    """Describe an adapted model: way, strategy (None without labels), and numbers of labelled and background images."""

    strategy: str | None
    shots: int
    background: int = 0
    way: str = RETRAIN

    @property
    def label(self) -> str:
        """Return the model's name in folders and tables; the study's way for labelled images is not part of the name."""
        if self.strategy is None:
            return self.way
        return f"{self.strategy}-{self.shots}" + (f"-B{self.background}" if self.background else "")


def check_adaptation(options: AdaptOptions, *, background: bool, blind: bool) -> None:
    """Raise `InputError` for options that contradict each other, or a way that would learn from fully scored datasets."""
    repeated: list[tuple[str, Sequence[Any]]] = [
        ("shots", options["shots"]),
        ("background_shots", options["background_shots"]),
        ("strategies", options["strategies"]),
        ("seeds and random_seeds", all_seeds(options)),
    ]
    for name, values in repeated:
        if len(set(values)) < len(values):
            raise InputError.of(name, "must not repeat one", list(values))
    if options["random_seeds"] and RANDOM not in options["strategies"]:
        raise InputError.of("random_seeds", "are of use only where random is a strategy", list(options["random_seeds"]))
    for name, values in repeated[:2]:
        if min((*values, 1)) < 1:
            raise InputError.of(name, "must be at least 1", list(values), "the models without any are always trained")
    for strategy in options["strategies"]:
        named(strategy)
    own, without_labels = steps_of(options["way"]), {way: steps_of(way) for way in options["without_labels"]}
    if options["start"] == GOING_ON and options["way"] != RETRAIN:
        rule = f"must be {ANEW} where the way is not {RETRAIN}"
        raise InputError.of("start", rule, options["start"], "leave it out: the way says what training begins with")
    for before, step in itertools.pairwise(own):
        if before.needs == "images" and step.needs != "images":
            rule = f"must do {step.name} first, which learns from the labels of all datasets together"
            raise InputError.of("way", rule, options["way"], "put ways that read unlabelled images last")
    for way, steps in {options["way"]: own, **without_labels}.items():
        if not any(step.learns_from_site for step in steps):
            continue
        if options["pool_share"] is None:
            rule = f"must be given for {way}, which learns from unlabelled images that may not be scored too"
            raise InputError.of("pool_share", rule, None, "pass 0.5")
        for name in (name for name, whole in {"blind": blind, "background": background}.items() if whole):
            rule = f"must not be given with {way}, which would learn from the images that are scored"
            raise InputError.of(name, rule, "some", f"leave {name} out, or {way}")
    for way, steps in without_labels.items():
        if any(step.needs == "labels" for step in steps):
            raise InputError.of("without_labels", "must be ways that need no label", way, "pass it as way")
    if options["background_shots"] and not background:
        raise InputError.of("background_shots", "are of no use without background", list(options["background_shots"]))


def arms_of(options: AdaptOptions, seed: int | None = None) -> tuple[Arm, ...]:
    """List the adapted models of a study or seed: without labels, strategies by shots, background on the most shots."""
    strategies, way = options["strategies"] if seed is None else strategies_of(options, seed), options["way"]
    zero = [Arm(None, 0, way=each) for each in options["without_labels"]]
    plain = [Arm(strategy, shots, way=way) for strategy in strategies for shots in options["shots"]]
    most = max(options["shots"])
    blank = [Arm(strategy, most, count, way) for strategy in strategies for count in options["background_shots"]]
    return (*zero, *plain, *blank)


def strategies_of(options: AdaptOptions, seed: int) -> tuple[str, ...]:
    """Return the strategies used in this seed."""
    return (RANDOM,) if seed in options["random_seeds"] else tuple(options["strategies"])


def all_seeds(options: AdaptOptions) -> tuple[int, ...]:
    """Return the seeds of all strategies, then those of random only."""
    return (*options["seeds"], *options["random_seeds"])


_RECORDED = (
    "shots", "strategies", "seeds", "random_seeds", "background_shots", "pool_share", "start", "way", "without_labels",
    "components", "bootstrap", "group",
)  # fmt: skip


def recorded(options: AdaptOptions) -> dict[str, Any]:
    """Return the options for training and measuring gains under the names of `Adaptation.settings`."""
    values: Mapping[str, Any] = {**options}
    size = {"score_size": values["score_size"]} if values.get("score_size") else {}
    return {"pool" if name == "pool_share" else name: values[name] for name in _RECORDED} | size


@dataclass(frozen=True)
class EvaluatedPart:
    """Hold the evaluated part of a dataset, and whether its images are known to lack foreground."""

    hashed: HashedDataset
    dataset: Dataset
    blank: bool = False


def check_unseen(hashed: HashedDataset, dataset: Dataset, taken: Collection[str]) -> None:
    """Raise `LeakError` if an image of `dataset`, a part of `hashed`, has a content hash in `taken` (learnt images)."""
    learnt = set(taken)
    leaked = [item.name for item in dataset.items if hashed.contents[item.name] in learnt]
    if leaked:
        raise LeakError(
            f"{dataset.name}: {len(leaked)} images that a model learnt from were about to be evaluated (first: {leaked[0]})"
        )


PART_COLUMNS = {
    "part": "label", "n": "n", "ods": "performance", "ods_threshold": "threshold", "f": "performance_common", "mean_f": "mean",
    "distance_mean": "distance_mean", "distance_std": "distance_std",
}  # fmt: skip
"""The attribute of `DistancePart` that each column of a study's strata holds."""


def strata_of(evaluation: Evaluation, images: pd.DataFrame, threshold: float) -> list[dict[str, Any]]:
    """Measure a model's F on a dataset's halves and thirds by distance, at both thresholds; return rows of `Adaptation.strata`.

    Blank masks count: false predictions on them lower the F of a part.
    """
    taken = (evaluation.images["true"].notna().to_numpy() & images["distance"].notna().to_numpy()).nonzero()[0]
    if not len(taken):
        return []
    rows, counts = images.iloc[taken], counts_of(evaluation.images.iloc[taken])
    at = threshold_index(threshold)

    def common(chosen: Indices) -> float:
        return float(f(counts, chosen)[at])

    names, distances, values = rows["image"].tolist(), rows["distance"].to_numpy(), rows[F_OWN].to_numpy()
    own = {name: rows[name].iloc[0] for name in ("seed", "model", "dataset")}
    strata = []
    for count in (2, 3):
        for part in parts(distances, names, count, retuned=lambda chosen: ods(counts, chosen), common=common, values=values):
            known = {column: getattr(part, name) for column, name in PART_COLUMNS.items()}
            strata.append({**own, **{column: np.nan if value is None else value for column, value in known.items()}})
    return strata


def slopes_of(images: pd.DataFrame, bootstrap: int) -> pd.DataFrame:
    """Fit the slope of F on scaled distance for every seed, model and dataset, for both Fs.

    All models of a dataset share the drawn photographs; datasets with fewer than three known images have no row.
    """
    rows = []
    known = images[images["distance"].notna()]
    for keys, own in known.groupby(["seed", "model", "dataset"], sort=False):
        for measure in (F_OWN, F_ODS):
            points = PerformancePoints.of(
                own["distance"].to_numpy(), own[measure].to_numpy(), groups=own["photograph"].to_numpy(str)
            )
            fitted = trend(points, stream(None, "slopes of adaptation", str(keys[-1])), bootstrap)
            if fitted is not None:
                rows.append((*keys, measure, fitted.n, fitted.groups, *fitted.slope.ends))
    return pd.DataFrame(rows, columns=list(SLOPES))


def images_of(
    evaluation: Evaluation, part: EvaluatedPart, distances: pd.DataFrame, seed: int, label: str, folder: Path
) -> pd.DataFrame:
    """Build a row per image: a model's two Fs, the photograph, the base model's distance, and the files."""
    rows, photographs, best = evaluation.images, part.hashed.photographs, evaluation.scores["ods_threshold"]
    names = rows["image"]
    masks = {item.name: "" if item.mask is None else path_text(item.mask) for item in part.dataset.items}
    index = pd.MultiIndex.from_product([[evaluation.dataset], names])
    empty = np.full(len(rows), True) if part.blank else (rows["foreground"] == 0).to_numpy()
    return pd.DataFrame(
        {
            "seed": seed,
            "model": label,
            "dataset": evaluation.dataset,
            "image": names,
            "photograph": [photographs[name] for name in names],
            "distance": distances["i_dist_scaled"].reindex(index).to_numpy(dtype=np.float64),
            F_OWN: rows["performance"].to_numpy(dtype=np.float64),
            # NaN without a mask, or without foreground in it.
            F_ODS: np.nan if best is None else at_threshold(counts_of(rows), best).per_image_f,
            "false_positive_share": np.where(empty, rows["predicted_foreground"].to_numpy(dtype=np.float64), np.nan),
            "path": rows["path"],
            "mask": [masks[name] for name in names],
            "map": [Path(file).relative_to(folder).as_posix() for file in rows["prediction"]],
        }
    )


@dataclass(frozen=True)
class Component:
    """Hold a source's share of a mean's variance, and its degrees of freedom."""

    variance: float
    freedom: float


Spread = tuple[float, list[Component]]
"""A mean difference and the components of its variance, the seeds' last."""


OVER = ("over_random", "over_random_low", "over_random_high")


def gains_of(images: pd.DataFrame, secondaries: Sequence[str], config: AdaptOptions) -> pd.DataFrame:
    """Compute every model's gain over the base model and random choice, on each dataset and on all secondary ones together."""
    scored, draws = images[images["f"].notna()], config["bootstrap"]
    arms, datasets = arms_of(config), ("all", *dict.fromkeys(scored["dataset"]))
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    # Random choice with the same numbers of images, for every other strategy.
    without = {None, RANDOM} if RANDOM in config["strategies"] else {arm.strategy for arm in arms}
    rivals = [None if arm.strategy in without else replace(arm, strategy=RANDOM).label for arm in arms]
    # Models without labels, which stand first, vary between trainings otherwise than those with labels.
    unlabelled = sum(arm.strategy is None for arm in arms)
    for dataset in datasets:
        compared = scored[scored["dataset"].isin(secondaries if dataset == "all" else [dataset])]
        over_base = [gain(compared, arm.label, BASELINE, draws, dataset) for arm in arms]
        over_random = [
            None if rival is None else gain(compared, arm.label, rival, draws, dataset)
            for arm, rival in zip(arms, rivals, strict=True)
        ]
        gains = (*over_base[:unlabelled], *pooled(over_base[unlabelled:]))
        for arm, gained, over in zip(arms, gains, pooled(over_random), strict=True):
            found = dict(zip(("gain", "low", "high", *OVER), (*ends(gained), *ends(over)), strict=True))
            # A single seed gives no verdict.
            judged: dict[str, bool | None] = {"beats_random": None, "below_random": None}
            if over is not None and over[1][-1].freedom:
                # Bonferroni's correction, since among many strategies some stand out by chance.
                _, low, high = ends(over, 1 - (1 - LEVEL) / (len(config["strategies"]) - 1))
                judged = {"beats_random": low > 0, "below_random": high < 0}
            rows[arm.label, dataset] = {**found, **judged}
    return pd.DataFrame([{"model": arm.label, "dataset": name, **rows[arm.label, name]} for arm in arms for name in datasets])


LEVEL = 0.95


def paired(images: pd.DataFrame, model: str, rival: str, what: str = "f") -> pd.DataFrame:
    """Subtract `rival`'s scores (`what`) from `model`'s on their common images and seeds; return one difference per row."""
    keys = ["seed", "dataset", "image", "photograph"]
    minuend, subtrahend = (images[images["model"] == name].set_index(keys)[what] for name in (model, rival))
    return (minuend - subtrahend).dropna().rename("difference").reset_index().drop(columns="image")


def gain(images: pd.DataFrame, model: str, rival: str, bootstrap: int, key: str, what: str = "f") -> Spread | None:
    """Compute a model's mean gain over a rival and its components of variance; None without a common image."""
    differences = paired(images, model, rival, what)
    return None if differences.empty else spread(differences, bootstrap, stream(None, "gains of adaptation", model, key))


def ends(gained: Spread | None, level: float = LEVEL) -> tuple[float, float, float]:
    """Return a mean difference and its interval, mean ± t·√(v_photographs + v_seeds); NaN if it is unknown.

    t has the joint degrees of freedom of both variances (Satterthwaite 1946).
    """
    if gained is None:
        return np.nan, np.nan, np.nan
    mean, half = gained[0], half_width(gained[1], level)
    return mean, mean - half, mean + half


def half_width(components: Sequence[Component], level: float) -> float:
    """Compute half the interval's width from the variance components; NaN if a component is unknown."""
    total = sum(component.variance for component in components)
    if np.isnan(total) or total == 0:
        return total
    freedom = total**2 / sum(component.variance**2 / component.freedom for component in components if component.freedom)
    return float(stdtrit(freedom, (1 + level) / 2) * np.sqrt(total))


def spread(differences: pd.DataFrame, bootstrap: int, rng: np.random.Generator) -> tuple[float, list[Component]]:
    """Compute the mean difference, weighting datasets equally, and its variance components: each one's photographs, then seeds.

    Photographs are drawn with replacement, the same for all seeds (Efron & Tibshirani 1993, chapter 8). Their variance is
    multiplied by n/(n − 1), as this underestimates it. One seed tells nothing of the variance over trainings.
    """
    seeds = sorted(differences["seed"].unique())
    datasets = [_sums(rows, seeds) for _, rows in differences.groupby("dataset")]
    # Of every dataset the mean of each seed that has an image of it.
    by_dataset = np.array([_by_seed(sums, np.ones((1, sums.shape[1])))[0] for sums in datasets])
    mean = float(np.nanmean(by_dataset, axis=1).mean())
    components = []
    for sums in datasets:
        count = sums.shape[1]
        weights = rng.multinomial(count, np.full(count, 1 / count), size=bootstrap).astype(np.float64)
        drawn = np.nanmean(_by_seed(sums, weights), axis=1)
        variance = np.nanvar(drawn, ddof=1) * count / (count - 1) / len(datasets) ** 2 if count > 1 else np.nan
        components.append(Component(float(variance), count - 1))
    if len(seeds) < 2:
        return mean, [*components, Component(0.0, 0)]
    variance = np.var(np.nanmean(by_dataset, axis=0), ddof=1) / len(seeds)
    return mean, [*components, Component(float(variance), len(seeds) - 1)]


def pooled(spreads: Sequence[Spread | None]) -> list[Spread | None]:
    """Replace each comparison's seed component by one pooled over all comparisons: Σ (k − 1) s² / Σ (k − 1) over k seeds.

    It has half of Σ (k − 1) degrees of freedom, as comparisons share a rival, and no fewer than k − 1. With own variances, one
    of twelve random strategies beat random in half of the simulated studies of two seeds (benchmarks/simulations.py).
    """
    by_seeds = [spread[1][-1] for spread in spreads if spread is not None and spread[1][-1].freedom]
    degrees = sum(component.freedom for component in by_seeds)
    if not degrees:
        return list(spreads)
    # A mean over k seeds has a k-th of the variance of one training.
    variance = sum(entry.freedom * entry.variance * (entry.freedom + 1) for entry in by_seeds) / degrees

    def shared(own: Component) -> Component:
        return Component(variance / (own.freedom + 1), max(own.freedom, degrees / 2)) if own.freedom else own

    return [None if spread is None else (spread[0], [*spread[1][:-1], shared(spread[1][-1])]) for spread in spreads]


def _sums(rows: pd.DataFrame, seeds: Sequence[int]) -> Float64Array:
    """Sum differences and count images by seed and photograph, (seeds, photographs, 2)."""
    place, photographs = pd.factorize(rows["photograph"], sort=True)
    shape = (len(seeds), len(photographs))
    cells = np.searchsorted(seeds, rows["seed"]) * len(photographs) + place
    tables = [np.bincount(cells, weights, minlength=shape[0] * shape[1]) for weights in (rows["difference"], None)]
    return np.stack([table.reshape(shape).astype(np.float64) for table in tables], axis=2)


def _by_seed(sums: Float64Array, photographs: Float64Array) -> Float64Array:
    """Average over a dataset's images for every draw of its photographs and seed, (draws, seeds); NaN without a drawn image."""
    totals = np.einsum("spk,bp->bsk", sums, photographs, optimize=True)
    empty = np.full(totals.shape[:2], np.nan)
    means: Float64Array = np.divide(totals[..., 0], totals[..., 1], out=empty, where=totals[..., 1] > 0)
    return means


ADAPTING = "adapting"
SOURCES = {
    "sites": ("dataset",),
    "M's training": ("seed",),
    "M's training by site": ("dataset", "seed"),
    "choosing": ("strategy",),
    "choosing by site": ("dataset", "strategy"),
    "training": ("strategy", "seed"),
}
"""What gains vary by: columns whose values together are the levels of a source.

"training" is another training of the adapted model, and for a strategy that draws another draw too; the rest is that by site.
"""


def contributions_of(images: pd.DataFrame, secondaries: Sequence[str], config: AdaptOptions) -> pd.DataFrame:
    """Fit a mixed model to a study's gains at each number of shots: the mean gain, and a standard deviation for each source."""
    rows: list[dict[str, Any]] = []
    scored = images[images["f"].notna() & images["dataset"].isin(secondaries)]
    for shots in config["shots"]:
        gains = []
        for arm in arms_of(config):
            if arm.strategy is not None and arm.shots == shots and not arm.background:
                means = paired(scored, arm.label, BASELINE).groupby(["dataset", "seed"])["difference"].mean().reset_index()
                gains += [means.assign(strategy=arm.strategy)] if len(means) else []
        every = pd.concat(gains, ignore_index=True) if gains else pd.DataFrame(columns=["dataset", "seed", "strategy"])
        if all(every[column].nunique() > 1 for column in ("dataset", "seed", "strategy")):
            rows += [{"shots": shots, **row} for row in contributions(every)]
    return pd.DataFrame(rows, columns=list(CONTRIBUTIONS))


def contributions(gains: pd.DataFrame) -> list[dict[str, Any]]:
    """Fit the mixed model to gains (dataset, seed, strategy, difference); return a row per source: value, low, high."""
    levels = {name: gains.groupby(list(columns)).ngroup().to_numpy() for name, columns in SOURCES.items()}
    apart = {name: codes for name, codes in levels.items() if 1 < len(np.unique(codes)) < len(gains)}
    found = variance_components(gains["difference"].to_numpy(dtype=np.float64), apart, LEVEL)
    estimates = {ADAPTING: found.mean, **found.deviations}
    return [{"source": name, **asdict(estimates[name])} for name in (ADAPTING, *SOURCES, REST) if name in estimates]


COLUMNS = ("model", "of", "share", "change", "low", "high", "cost", "cost_low", "cost_high")


def suppression_of(
    images: pd.DataFrame, background: str | None, secondaries: Sequence[str], config: AdaptOptions
) -> pd.DataFrame:
    """Compare the models that learnt from background (M_B3, M_B7) with the same model without (figs 13-17, appendix C).

    `share` counts false positives on unseen background images, `change` its difference from the model `of`, and `cost` the
    change of mean F on the secondary datasets; without background models there is no row.
    """
    blank, measure, draws = images[images["dataset"] == background], "false_positive_share", config["bootstrap"]
    if not config["background_shots"] or blank.empty:
        return pd.DataFrame([], columns=list(COLUMNS))
    found: list[tuple[Any, ...]] = []
    others, unknown = images[images["dataset"].isin(secondaries)], (np.nan,) * 3
    share = {model: float(rows.groupby("seed")[measure].mean().mean()) for model, rows in blank.groupby("model")}
    for strategy in config["strategies"]:
        plain = Arm(strategy, max(config["shots"])).label
        found.append((plain, "", share.get(plain, np.nan), *unknown, *unknown))
        for count in config["background_shots"]:
            label = Arm(strategy, max(config["shots"]), count).label
            change = ends(gain(blank, label, plain, draws, measure, measure))
            cost = ends(gain(others, label, plain, draws, "f"))
            found.append((label, plain, share.get(label, np.nan), *change, *cost))
    return pd.DataFrame(found, columns=list(COLUMNS))
