"""A factory of believable results from seeded random numbers, with no pipeline behind them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from howfar.results import (
    BackboneSummary,
    BaselineSummary,
    Comparison,
    DatasetSummary,
    Leak,
    PrimarySummary,
    Provenance,
    Settings,
    Skipped,
)
from howfar.results.comparison_result import COPIES

NAMES = (
    "roads-dry",
    "roads_wet",
    "a <b>bold</b> & long name of the concrete bridge decks, 2024 survey, north side",
    "tunnel linings $x$",
    "street photographs",
    "one",
)
SIZES = (120, 60, 200, 7, 90, 1)
SHIFTS = (0.0, 0.4, 1.0, 0.2, 3.0, 1.5)
P = 150


def draw_images(folder: Path, name: str, n: int, rng: np.random.Generator, files: int = 3) -> list[str]:
    """The first and last few images of a dataset as real files (those that thumbnails may show), the rest as names alone."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}-{i:04d}.png" for i in range(n)]
    for path in dict.fromkeys([*paths[:files], *paths[-files:]]):
        size = (int(rng.integers(40, 90)), int(rng.integers(40, 90)), 3)
        Image.fromarray(rng.integers(0, 255, size, dtype=np.uint8)).save(path)
    return [str(path) for path in paths]


def dataset_frames(
    name: str, n: int, shift: float, rng: np.random.Generator, paths: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Per-image tables of one pair: five normal components, S moved along the first."""
    p, s = rng.normal(size=(P, 5)), rng.normal(size=(n, 5)) + shift * np.array([1.0, 0, 0, 0, 0])
    between = np.linalg.norm(s[:, None] - p[None], axis=2)
    own = np.linalg.norm(p[:, None] - p[None], axis=2).sum(axis=1) / (P - 1)
    mean = np.sort(between.mean(axis=1))
    spread = mean.max() - mean.min()
    images = pd.DataFrame(
        {
            "dataset": name,
            "image": [f"image-{i:04d}.png" for i in range(n)],
            "path": paths,
            "content": [f"{i:064x}" for i in range(n)],
            "i_dist": P * mean,
            "i_dist_mean": mean,
            "i_dist_scaled": (mean - mean.min()) / spread if spread > 0 else np.zeros(n),
            "knn": np.sort(between, axis=1)[:, :5].mean(axis=1),
            "mahalanobis": np.linalg.norm(s, axis=1),
            "percentile": [100 * float((own < value).mean()) for value in mean],
            "p_value": [(1 + int((own >= value).sum())) / (P + 1) for value in mean],
            "pc1": s[:, 0],
            "pc2": s[:, 1],
        }
    )
    primary = pd.DataFrame(
        {
            "against": name,
            "image": [f"p-{i:04d}.png" for i in range(P)],
            "path": "",
            "content": "",
            "i_dist_mean": own,
            "pc1": p[:, 0],
            "pc2": p[:, 1],
        }
    )
    return images, primary


def summary(name: str, images: pd.DataFrame, primary: pd.DataFrame, total: float) -> DatasetSummary:
    """The numbers of one pair, consistent with its tables."""
    mean, own = float(images["i_dist_mean"].mean()), float(primary["i_dist_mean"].mean())
    ratio = mean / own
    alone = len(images) == 1
    return DatasetSummary(
        name=name,
        n=len(images),
        o_dist=P * mean,
        o_dist_mean=mean,
        o_dist_mean_ci=(0.95 * mean, 1.05 * mean),
        o_dist_scaled=mean / total,
        self_distance=own,
        relative=ratio,
        relative_ci=None if alone else (0.96 * ratio, 1.05 * ratio),
        energy=max(0.0, 2 * (mean - own)),
        energy_ci=None if alone else (0.0, 3.0),
        p_value=None if alone else (0.006 if ratio > 1.02 else 0.42),
        p_value_raw=None if alone else 0.001,
        beyond=float((images["p_value"] <= 0.05).mean()),
        components=5,
        explained_variance=0.813,
        rivals={
            "knn_mean": float(images["knn"].mean()),
            "mahalanobis_mean": float(images["mahalanobis"].mean()),
            "frechet": 4.2 * ratio,
            "kid": 0.031,
            "mmd": 0.02 * ratio,
            "sliced_wasserstein": 0.7 * ratio,
        },
    )


def make(folder: Path, count: int = 6, seed: int = 0) -> Comparison:
    """A result of `count` secondaries: the six above, then more of the same kind."""
    rng = np.random.default_rng(seed)
    names = [NAMES[i] if i < len(NAMES) else f"site-{i:02d}" for i in range(count)]
    pairs = [
        dataset_frames(name, SIZES[i % 6], SHIFTS[i % 6], rng, draw_images(folder / f"set{i}", "img", SIZES[i % 6], rng))
        for i, name in enumerate(names)
    ]
    total = sum(float(images["i_dist_mean"].mean()) for images, _ in pairs)
    datasets = tuple(summary(name, *pair, total) for name, pair in zip(names, pairs, strict=True))
    baselines = tuple(
        BaselineSummary(backbone, d.name, d.o_dist_scaled, float(rng.uniform(0.9, 1.6)), float(rng.uniform(0, 2)))
        for backbone in ("pixels", "colour_moments")
        for d in datasets
    )
    return Comparison(
        primary=PrimarySummary("training & <set>", P, 3.1),
        backbone=BackboneSummary("efficientnet_lite0", 1280, (1280,), {"weights": "1f" * 32, "pool": "mean", "size": 224}),
        settings=Settings(25, "pair", "none", 0, 1000, 999, 5),
        datasets=datasets,
        images=pd.concat([images for images, _ in pairs], ignore_index=True),
        primary_images=pd.concat([primary for _, primary in pairs], ignore_index=True),
        provenance=Provenance("0.1.0", "2026-01-02T03:04:05+00:00", "3.12.1", "Linux-6", {"numpy": "2.1.0", "torch": "2.5.0"}),
        baselines=baselines,
        skipped=(
            Skipped(names[0], str(folder / "set0" / "broken <i>&.jpg"), "cut short: 12 of 900 bytes"),
            Skipped("training & <set>", str(folder / "p" / "empty.png"), "empty file"),
        ),
        leaks=(Leak(names[0], "copy <1>.png", "p-0003.png", "ab" * 32),),
        notes=("roads-dry: 5 components are all that can be had, 25 were asked for <&>",),
        options={"name": "efficientnet_lite0"},
    )


def without_yardstick(comparison: Comparison) -> Comparison:
    """The same result as if P were a single image: everything that needs two images of P is undefined."""
    images, primary = comparison.images.copy(), comparison.primary_images.copy()
    images["percentile"] = images["p_value"] = np.nan
    primary = primary.groupby("against", sort=False).head(1).copy()
    primary["i_dist_mean"] = np.nan
    undefined: dict[str, Any] = dict.fromkeys(
        ("self_distance", "relative", "relative_ci", "p_value", "p_value_raw", "energy_ci", "beyond")
    )
    return replace(
        comparison,
        primary=PrimarySummary(comparison.primary.name, 1, None),
        datasets=tuple(replace(dataset, o_dist_mean_ci=None, **undefined) for dataset in comparison.datasets),
        images=images,
        primary_images=primary,
        baselines=tuple(replace(baseline, relative=None) for baseline in comparison.baselines),
    )


def constant(comparison: Comparison) -> Comparison:
    """The same result with every distance equal, as where all images are one picture."""
    images, primary = comparison.images.copy(), comparison.primary_images.copy()
    images[["i_dist_mean", "pc1", "pc2"]] = 2.0
    images["i_dist_scaled"] = 0.0
    primary[["i_dist_mean", "pc1", "pc2"]] = 2.0
    return replace(comparison, images=images, primary_images=primary)


def only(comparison: Comparison, *places: int) -> Comparison:
    """The same result with these secondaries alone."""
    datasets = tuple(comparison.datasets[place] for place in places)
    names = {dataset.name for dataset in datasets}
    return replace(
        comparison,
        datasets=datasets,
        images=comparison.images[comparison.images["dataset"].isin(names)].reset_index(drop=True),
        primary_images=comparison.primary_images[comparison.primary_images["against"].isin(names)].reset_index(drop=True),
        baselines=tuple(baseline for baseline in comparison.baselines if baseline.dataset in names),
        skipped=tuple(skipped for skipped in comparison.skipped if skipped.dataset in {*names, comparison.primary.name}),
        leaks=tuple(leak for leak in comparison.leaks if leak.dataset in names),
    )


def with_copies(comparison: Comparison) -> Comparison:
    """Two images of the first dataset that are P's, an equal and a mirrored one, and one that is another of its own."""
    images, name, primary = comparison.images, comparison.datasets[0].name, comparison.primary.name
    rows = [
        (primary, "p1.png", "equal", "content", 1.0, False),
        (primary, "p2.png", "near", "hash", 0.9, True),
        (name, images["image"][3], "near", "features", 0.7, False),
    ]
    table = [
        (name, images["image"][at], images["path"][at], other, image, images["path"][5], kind, by, agreed, turned, False)
        for at, (other, image, kind, by, agreed, turned) in enumerate(rows)
    ]
    return replace(comparison, near_duplicates=pd.DataFrame(table, columns=list(COPIES)).astype(COPIES))
