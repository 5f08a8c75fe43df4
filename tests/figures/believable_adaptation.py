"""A factory of believable adaptation studies from seeded random numbers, with no training behind them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from howfar.option_checks_and_signatures import checked
from howfar.options_by_function import AdaptOptions
from howfar.relation.performance_by_distance import parts
from howfar.results import Provenance
from howfar.results.adaptation_result import BASELINE, CONTRIBUTIONS, STRATA, Adaptation, Adaptations
from howfar.studies.adaptation.adaptation_tables import (
    RANDOM,
    Arm,
    all_seeds,
    arms_of,
    gains_of,
    recorded,
    slopes_of,
    strategies_of,
    suppression_of,
)

SIZES = {"roads": 30, "decks $x$": 21, "a <b>bold</b> & long name of the tunnel linings, 2024": 12, "walls": 25}
BLIND = {"blind, labelled": 9, "blind": 7}
BACKGROUND = {"plain & empty": 6}
LEVELS = (0.55, 0.4, 0.3, 0.62)
SIDE = (24, 40)


def make(
    folder: Path,
    *,
    sizes: dict[str, int] | None = None,
    strategies: Sequence[str] = ("far", RANDOM),
    shots: Sequence[int] = (1, 3, 7),
    seeds: Sequence[int] = (0, 1, 2),
    random_seeds: Sequence[int] = (3,),
    background_shots: Sequence[int] = (3, 7),
    blind: dict[str, int] | None = None,
    edge: float = 0.0,
    bootstrap: int = 60,
    files: bool = True,
) -> Adaptation:
    """A study whose folder holds photographs, masks and maps; every strategy gains alike, and the first `edge` more."""
    given = {
        "strategies": tuple(strategies),
        "shots": tuple(shots),
        "seeds": tuple(seeds),
        "random_seeds": tuple(random_seeds) if RANDOM in strategies else (),
        "background_shots": tuple(background_shots),
        "bootstrap": bootstrap,
    }
    chosen = checked(AdaptOptions, given)
    rng = np.random.default_rng(7)
    secondaries, others = sizes or SIZES, BLIND if blind is None else blind
    models = _models(chosen, rng)
    images = _images(folder, chosen, secondaries, others, edge, rng)
    if files:
        _write(folder, images, chosen["seeds"][0], rng)
    names = list(secondaries)
    return Adaptation(
        primary="training & <set>",
        secondaries=tuple(names),
        blind=tuple(others),
        background=next(iter(BACKGROUND)) if background_shots else None,
        segmenter="unetplusplus",
        settings={
            **recorded(chosen),
            "options": {"encoder": "lite0"},
            "training": {"size": 160, "epochs": 12, "batch": 8, "loss": "bce_dice", "holdout": 0.1, "seed": 0},
        },
        models=models,
        scores=_scores(images, rng),
        images=images,
        picks=_picks(chosen, names),
        gains=gains_of(images, names, chosen),
        suppression=suppression_of(images, next(iter(BACKGROUND)), names, chosen),
        contributions=_contributions(chosen),
        provenance=Provenance("0.1.0", "2026-01-03T03:04:05+00:00", "3.12.1", "Linux-6", {"numpy": "2.1.0"}),
        notes=("far: fewer than 7 images of walls lie in the band <&>",),
        strata=_strata(images, names),
        slopes=slopes_of(images, 20),
        sources={name: f"{folder}/data/{k}" for k, name in enumerate((*secondaries, *others, *BACKGROUND))},
    )


def _each(chosen: AdaptOptions) -> list[tuple[int, str, Arm | None]]:
    arms = [(seed, arm) for seed in all_seeds(chosen) for arm in (None, *arms_of(chosen, seed))]
    return [(seed, BASELINE if arm is None else arm.label, arm) for seed, arm in arms]


def _models(chosen: AdaptOptions, rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        {
            "seed": seed,
            "model": label,
            "strategy": None if arm is None else arm.strategy,
            "shots": 0 if arm is None else arm.shots,
            "background": 0 if arm is None else arm.background,
            "weights": f"{k:064x}",
            "threshold": round(float(rng.uniform(0.3, 0.7)), 2),
            "held_out_ods": float(rng.uniform(0.7, 0.8)),
        }
        for k, (seed, label, arm) in enumerate(_each(chosen))
    ]
    return pd.DataFrame(rows)


def _images(
    folder: Path,
    chosen: AdaptOptions,
    secondaries: dict[str, int],
    blind: dict[str, int],
    edge: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    frames = []
    background = BACKGROUND if chosen["background_shots"] else {}
    for k, (name, count) in enumerate({**secondaries, **blind, **background}.items()):
        distance = rng.random(count) if name in secondaries else np.full(count, np.nan)
        own = rng.normal(0, 0.12, count)
        for seed, label, arm in _each(chosen):
            level = LEVELS[k % 4] - 0.25 * np.nan_to_num(distance) + _gain(arm, chosen, edge) + 0.02 * (seed - 1)
            f = np.clip(level + own + rng.normal(0, 0.03, count), 0, 0.97)
            share = 0.06 / (1 + (0 if arm is None else arm.background)) * rng.uniform(0.6, 1.4, count)
            frames.append(
                pd.DataFrame(
                    {
                        "seed": seed,
                        "model": label,
                        "dataset": name,
                        "image": [f"photo{i:03d}.png" for i in range(count)],
                        "photograph": [f"photo{i:03d}" for i in range(count)],
                        "distance": distance,
                        "f": np.nan if name in background or name == "blind" else f,
                        "f_ods": np.nan if name in background or name == "blind" else np.minimum(f + 0.03, 1.0),
                        "false_positive_share": share if name in background else np.nan,
                        "path": [str(folder / "data" / str(k) / "images" / f"photo{i:03d}.png") for i in range(count)],
                        "mask": [
                            "" if name in background or name == "blind" else str(folder / f"data/{k}/masks/photo{i:03d}.png")
                            for i in range(count)
                        ],
                        "map": [f"maps/seed{seed}/{label}/{k}/photo{i:03d}.png" for i in range(count)],
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def _gain(arm: Arm | None, chosen: AdaptOptions, edge: float) -> float:
    if arm is None:
        return 0.0
    return 0.04 * arm.shots**0.5 - 0.004 * arm.background + (edge if arm.strategy == chosen["strategies"][0] else 0.0)


def _write(folder: Path, images: pd.DataFrame, seed: int, rng: np.random.Generator) -> None:
    """Photographs, masks, and the maps of one seed."""
    for row in images[images["seed"] == seed].to_dict("records"):
        values = np.zeros(SIDE, dtype=np.uint8)
        values[:, int(rng.integers(5, 30))] = 255
        for column in ("path", "mask", "map"):
            if row[column]:
                target = folder / row[column]
                target.parent.mkdir(parents=True, exist_ok=True)
                picture: Any = values if column != "path" else rng.integers(90, 160, (*SIDE, 3), dtype=np.uint8)
                if column == "map" or not target.exists():
                    Image.fromarray(picture).save(target)


def _scores(images: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    scored = images[(images["mask"] != "") | images["false_positive_share"].notna()]
    columns = {"mean_f": "f", "mean_f_ods": "f_ods", "false_positive_share": "false_positive_share"}
    means: Any = scored.groupby(["seed", "model", "dataset"], sort=False).agg(
        n=("image", "size"), **{name: (column, "mean") for name, column in columns.items()}
    )
    means = means.reset_index()
    thresholds = [round(float(rng.uniform(0.2, 0.8)), 2) if known else np.nan for known in means["mean_f"].notna()]
    return means.assign(ods=means["mean_f"] + 0.05, ods_threshold=thresholds, f=means["mean_f"] + 0.01)


def _strata(images: pd.DataFrame, secondaries: Sequence[str]) -> pd.DataFrame:
    """Halves and thirds, of which F of summed counts is taken for the mean: there are no counts."""
    rows: list[dict[str, Any]] = []
    known = images[images["dataset"].isin(secondaries)]
    for keys, own in known.groupby(["seed", "model", "dataset"], sort=False):
        f, f_ods, names = own["f"].to_numpy(), own["f_ods"].to_numpy(), own["image"].tolist()
        for count in (2, 3):
            cut = parts(
                own["distance"].to_numpy(),
                names,
                count,
                retuned=lambda chosen, f_ods=f_ods: (f_ods[chosen].mean(), 0.4),
                common=lambda chosen, f=f: f[chosen].mean(),
                values=f,
            )
            for part in cut:
                scores = (part.n, part.performance, part.threshold, part.performance_common, part.mean)
                rows.append(dict(zip(STRATA, (*keys, part.label, *scores, part.distance_mean, part.distance_std), strict=True)))
    return pd.DataFrame(rows, columns=list(STRATA))


def _picks(chosen: AdaptOptions, secondaries: Sequence[str]) -> pd.DataFrame:
    rows = [
        {
            "seed": seed,
            "strategy": strategy,
            "shots": max(chosen["shots"]),
            "dataset": dataset,
            "image": f"chosen-{strategy}-{rank}.png",
            "rank": rank,
            "distance": 1 - rank / 20,
            "content": f"{rank:064x}",
        }
        for seed in all_seeds(chosen)
        for strategy in strategies_of(chosen, seed)
        for dataset in secondaries
        for rank in range(1, max(chosen["shots"]) + 1)
    ]
    return pd.DataFrame(rows)


SEGMENTERS = {"unetplusplus": "unetplusplus", "deepcrack": "deepcrack", "adsam, 1024 px": "adsam"}


def several(folder: Path, names: Sequence[str] = tuple(SEGMENTERS), **options: Any) -> Adaptations:
    """Studies of several segmenters, each with its maps in a folder of its name; adapted models of the later ones do better."""
    first = make(folder / names[0], **options)
    for name in names[1:]:
        (folder / name).mkdir(parents=True)
        (folder / name / "maps").symlink_to(folder / names[0] / "maps")
    made = [replace(_better(first, 0.06 * k), segmenter=SEGMENTERS[name]) for k, name in enumerate(names)]
    return Adaptations.of(dict(zip(names, made, strict=True)))


def _better(study: Adaptation, by: float) -> Adaptation:
    """The same with a higher F of the models that the first strategy adapted."""

    def raised(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
        adapted = frame["model"].str.startswith(study.settings["strategies"][0])
        return frame.assign(**{name: frame[name].astype(float) + by * adapted for name in columns})

    return replace(
        study,
        images=raised(study.images, "f", "f_ods"),
        scores=raised(study.scores, "ods", "f", "mean_f", "mean_f_ods"),
        gains=raised(study.gains, "gain", "low", "high"),
    )


def _contributions(chosen: AdaptOptions) -> pd.DataFrame:
    """Numbers such as a fit gives them, where there is enough to fit."""
    if len(chosen["strategies"]) < 2 or len(chosen["seeds"]) < 2:
        return pd.DataFrame(columns=list(CONTRIBUTIONS))
    names = ("adapting", "sites", "M's training", "choosing", "choosing by site", "training", "rest")
    values = [(0.1, 0.05, 0.15), (0.02, 0.0, 0.08), (0.0, 0.0, 0.03), (0.0, 0.0, 0.01), (0.01, 0.0, 0.02)]
    values += [(0.02, 0.01, 0.04), (0.03, 0.02, 0.04)]
    rows = [(shots, name, *each) for shots in chosen["shots"] for name, each in zip(names, values, strict=True)]
    return pd.DataFrame(rows, columns=list(CONTRIBUTIONS))
