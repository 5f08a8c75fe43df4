"""Define the methods that `howfar bench` compares by default, as `howfar.studies.bench.run_methods` describes methods."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import ndtri

from howfar.arrays import Float64Array
from howfar.errors import InputError
from howfar.relation import gate as gates
from howfar.relation.calibrated_estimator import KnownFits, calibrate
from howfar.relation.labelled_images import HISTOGRAM, VALUES, LabelledImages
from howfar.relation.site_judge import Evidence, Terms, judge_of
from howfar.sampling import draw, mean
from howfar.significance.bootstrap import student
from howfar.significance.hypothesis_tests import quantile

Ask: TypeAlias = Callable[[Any], Float64Array]
LEVEL: Final = 0.9
TERMS: Final = Terms(tau=0.5, level=LEVEL, error_rate=0.2)
KNOWN: Final = KnownFits()
FAR: Final = 0.99
"""Share of the labelled sites' images that are nearer than what `distance_atc` counts as failing."""


def columns_of(images: pd.DataFrame) -> dict[str, Any]:
    """Return the signals of images as `howfar.relation` reads them; a histogram becomes (m, 256)."""
    numbers = images.drop(columns="performance", errors="ignore").select_dtypes("number")
    columns: dict[str, Any] = {str(name): values.to_numpy(dtype=np.float64) for name, values in numbers.items()}
    if HISTOGRAM in images:
        blank = np.full(VALUES, np.nan)
        columns[HISTOGRAM] = np.array([blank if row is None else row for row in images[HISTOGRAM]], dtype=np.float64)
    return columns


def registered(name: str) -> Callable[[pd.DataFrame, pd.DataFrame], Any]:
    """Make a method's function of a registered estimator, with its calibrated intervals."""

    def estimator(labelled: pd.DataFrame, site: pd.DataFrame) -> Any:
        known = labelled[labelled["role"] != "corrupted"]
        home = next(iter(known.loc[known["role"] == "home", "dataset"]), None)
        try:
            fitted = calibrate(name, columns_of(known), known["performance"], known["dataset"], level=LEVEL, home=home)
        except InputError:
            return None
        images, low, high = fitted.predict(columns_of(site))
        if not np.isfinite(images).all():
            return None
        whole, ends = fitted.of_estimates(images, ""), {"images_low": low, "images_high": high}
        answer = {"images": images, "mean": whole.predicted, "low": whole.low, "high": whole.high}
        return answer | (ends if np.isfinite(low).all() else {})

    return estimator


def evidence(labelled: pd.DataFrame) -> Evidence:
    """Collect the labelled images as an assessment does."""

    def images(rows: pd.DataFrame) -> LabelledImages:
        photographs = (rows["dataset"] + "/" + rows["image"]).to_numpy(dtype=str)
        return LabelledImages(
            columns_of(rows), rows["performance"].to_numpy(), rows["dataset"].to_numpy(dtype=str), photographs
        )

    of_home = labelled["role"] == "home"
    own, others = images(labelled[of_home]), images(labelled[~of_home])
    return Evidence.of(others, own if len(own.sets) else None, str(own.sets[0]) if len(own.sets) else "")


def judged(labelled: pd.DataFrame, site: pd.DataFrame) -> dict[str, Any] | None:
    """Estimate scores as `howfar assess` does: judge the site by the labels of the others."""
    judge = judge_of(evidence(labelled), TERMS, "performance", None, known=KNOWN, rivals=False)
    said = judge.site("site", columns_of(site))
    if said.estimate is None:
        return None
    ends = {} if np.isnan(said.low).any() else {"images_low": said.low, "images_high": said.high}
    whole = {"mean": said.estimate.predicted, "low": said.estimate.low, "high": said.estimate.high}
    return {"images": said.predicted, **whole, **ends}


def inside(labelled: pd.DataFrame, site: pd.DataFrame) -> bool:
    """Say by the gate of `howfar assess` whether the site lies in the range of the labelled ones."""
    return evidence(labelled).gate().read("site", gates.values_of(columns_of(site))).inside is not False


def certified(proxy: Float64Array, k: int, ask: Ask, seed: int) -> tuple[float, float, float]:
    """Draw k images in strata of the predicted performance, as `howfar certify` does."""
    sample = draw(proxy, k, seed=seed)
    found = mean(ask(sample.indices), proxy, sample)
    return found.value, found.low, found.high


def distance_atc(labelled: pd.DataFrame, site: pd.DataFrame) -> Float64Array | None:
    """Estimate scores by average thresholded confidence (ATC), 0 for images that are too far from the primary dataset.

    Source: Roschewitz & Glocker, "Distance matters for improving performance estimation under covariate shift" (ICCV workshops
    2023), https://arxiv.org/abs/2308.07223. There the cut is of distances of the primary's own images, which entries lack: here
    of the labelled sites' images.
    """
    said, known = registered("atc")(labelled, site), labelled.loc[labelled["role"] == "site", "knn"].dropna()
    if said is None or not len(known):
        return None
    return np.where(site["knn"] > np.quantile(known, FAR), 0.0, said["images"])


def conformal_rca(labelled: pd.DataFrame, site: pd.DataFrame) -> dict[str, Any] | None:
    """Estimate each image's score by reverse classification accuracy (RCA), with a split-conformal interval.

    Half-widths are from the accuracies' errors on labelled images. Source: Cosarinsky et al., "Conformal in-context reverse
    classification accuracy" (2025), https://arxiv.org/abs/2503.04522, which segments by a pretrained in-context model. The
    entries' column `rca` is of a random forest on pixels, as reverse classification accuracy first was (Valindria et al., IEEE
    Trans. Med. Imaging 36, 2017).
    """
    if "rca" not in site or site["rca"].isna().any():
        return None
    known = labelled.dropna(subset="rca")
    half = quantile((known["rca"] - known["performance"]).abs(), 0.9)
    images = site["rca"].to_numpy(dtype=float)
    return {"images": images, "images_low": np.clip(images - half, 0, 1), "images_high": np.clip(images + half, 0, 1)}


def pairwise_dice(labelled: pd.DataFrame, site: pd.DataFrame) -> Float64Array | None:
    """Rank images by how probably a model fails: by the Dice score between maps of models trained with different seeds.

    Source: Zenk et al., "Comparative benchmarking of failure detection methods in medical image segmentation" (Medical Image
    Analysis 2025), https://arxiv.org/abs/2406.03323. Entries with a single seed have none.
    """
    if "pairwise_dice" not in site or site["pairwise_dice"].isna().any():
        return None
    return site["pairwise_dice"].to_numpy(dtype=float)


def s_otdd(labelled: pd.DataFrame, site: pd.DataFrame) -> Float64Array | None:
    """Estimate a site's mean score from s-OTDD, a distance between labelled datasets, by a straight line.

    The line is fitted to the labelled sites' mean scores over their distances. Source: Nguyen, Nguyen, Pham & Ho, "Lightspeed
    geometric dataset distance via sliced optimal transport" (ICML 2025), https://arxiv.org/abs/2501.18901.
    """
    if "s_otdd" not in site or site["s_otdd"].isna().any():
        return None
    means = labelled[labelled["role"] == "site"].groupby("dataset")[["s_otdd", "performance"]].mean().dropna()
    if len(means) < 2:
        return None
    slope, start = np.polyfit(means["s_otdd"], means["performance"], 1)
    line: Float64Array = start + slope * site["s_otdd"].to_numpy(dtype=np.float64)
    return np.clip(line, 0.0, 1.0)


def ppi(proxy: Float64Array, k: int, ask: Ask, seed: int) -> tuple[float, float, float]:
    """Estimate a mean score from a simple random sample by PPI++ (prediction-powered inference), with a normal interval.

    The labels' mean is corrected by the difference between the mean prediction of all images and of the sample. Source:
    Angelopoulos, Duchi & Zrnic, "PPI++: efficient prediction-powered inference" (2023), https://arxiv.org/abs/2311.01453,
    example 6.1 of a mean.
    """
    chosen = np.random.default_rng(seed).choice(len(proxy), k, replace=False)
    y, p = ask(chosen), proxy[chosen]
    weight = 0.0 if p.var() == 0 else float(np.clip(np.cov(y, p)[0, 1] / ((1 + k / len(proxy)) * proxy.var(ddof=1)), 0, 1))
    value = float(y.mean() + weight * (proxy.mean() - p.mean()))
    variance = (y - weight * p).var(ddof=1) / k + weight**2 * proxy.var(ddof=1) / len(proxy)
    half = float(ndtri(0.95) * np.sqrt(variance))
    return value, value - half, value + half


def ssepy(proxy: Float64Array, k: int, ask: Ask, seed: int) -> tuple[float, float, float]:
    """Estimate a mean score from a sample stratified by prediction, with the difference estimator, as the package ssepy does.

    The strata's mean differences from the predictions are added to the mean prediction. Source: Fogliato, Patil, Akpinar &
    Monfort, "Precise model benchmarking with only a few observations" (EMNLP 2024), https://arxiv.org/abs/2410.05222. Strata
    are by k-means there, here of equal size, one for every 4 labels.
    """
    rng, parts = np.random.default_rng(seed), max(1, k // 4)
    value, variance = float(proxy.mean()), 0.0
    strata, labels = np.array_split(np.argsort(proxy, kind="stable"), parts), np.array_split(np.arange(k), parts)
    for stratum, count in zip(strata, map(len, labels), strict=True):
        chosen, share = rng.choice(stratum, count, replace=False), len(stratum) / len(proxy)
        apart = ask(chosen) - proxy[chosen]
        value += share * float(apart.mean())
        variance += share**2 * (1 - count / len(stratum)) * float(apart.var(ddof=1)) / count
    half = float(ndtri(0.95) * np.sqrt(variance))
    return value, value - half, value + half


def random_order(labelled: pd.DataFrame, site: pd.DataFrame) -> Float64Array:
    """Rank the images at random."""
    return np.random.default_rng(0).random(len(site))


def random_sample(proxy: Float64Array, k: int, ask: Ask, seed: int) -> tuple[float, float, float]:
    """Estimate the mean score by the mean of k images drawn at random (Student's t)."""
    values = ask(np.random.default_rng(seed).choice(len(proxy), k, replace=False))
    half = student(k - 1, 0.9) * float(values.std(ddof=1)) / np.sqrt(k)
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


METHODS: Final[Mapping[str, Mapping[str, Callable[..., Any]]]] = {
    "howfar": {"estimator": judged, "gate": inside, "certificate": certified},
    "distance_atc": {"estimator": distance_atc},
    "conformal_rca": {"estimator": conformal_rca},
    "pairwise_dice": {"selector": pairwise_dice},
    "s_otdd": {"estimator": s_otdd},
    "ppi": {"certificate": ppi},
    "ssepy": {"certificate": ssepy},
    "random": {"selector": random_order, "certificate": random_sample},
}
"""The functions of each method, by kind."""
