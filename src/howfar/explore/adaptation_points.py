"""Collect what the interactive page knows of an adaptation study: its images, and what each trained model makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.explore.planes import NOWHERE
from howfar.explore.points import Column, ModelRows, Points
from howfar.figures.style import PRIMARY, look
from howfar.results.adaptation import BASELINE, Adaptation

_KEYS = ["dataset", "image"]


def adaptation_points(adaptation: Adaptation, folder: Path, most: int | None = None) -> Points:
    """Make the rows of a study: each image that is scored once, with every model's performance and prediction.

    Images that a seed's models learnt from are not scored by that seed: its models know nothing of them. A study keeps no
    components of its images, so they lie in no plane.

    Parameters
    ----------
    adaptation, folder
        The study, and its folder, below which the models' maps lie.
    most
        Take at most so many models, those of the first seed; by default all.
    """
    images = adaptation.images.drop_duplicates(_KEYS, ignore_index=True)
    names = [name for name in dict.fromkeys(images["dataset"].astype(str)) if name != adaptation.primary]
    images = images[images["dataset"].isin(names)].reset_index(drop=True)
    order = {name: index for index, name in enumerate(names)}
    images = images.sort_values("dataset", key=lambda column: column.map(order), kind="stable", ignore_index=True)
    rows = pd.DataFrame({name: images[name].astype(str) for name in (*_KEYS, "path")}).assign(prediction="")
    models = tuple(_models(adaptation, images, folder, most))
    return Points(
        rows=rows,
        secondary_count=len(rows),
        datasets=(*names, adaptation.primary),
        colours=(*(look(index).colour for index in range(len(names))), PRIMARY),
        columns=tuple(_columns(adaptation, images)),
        places=NOWHERE,
        nearest=np.zeros((len(rows), 0), np.uint32),
        primary=adaptation.primary,
        models=models,
    )


def masks_in(adaptation: Adaptation) -> dict[tuple[str, str], str]:
    """Name the mask of each image that has one, by dataset and image."""
    known = adaptation.images.drop_duplicates(_KEYS)
    found = zip(known["dataset"], known["image"], known["mask"], strict=True)
    return {(str(dataset), str(image)): mask for dataset, image, mask in found if isinstance(mask, str) and mask}


def _models(adaptation: Adaptation, images: pd.DataFrame, folder: Path, most: int | None) -> Iterator[ModelRows]:
    """Give each trained model's rows: by seed, M first, then in the study's order."""
    keys = pd.MultiIndex.from_frame(images[_KEYS])
    rows = adaptation.models.to_dict("records")
    tuned = {(row["seed"], str(row["model"])): float(row.get("threshold", np.nan)) for row in rows}
    every = list(_in_order(adaptation.models))
    for seed, name in every if most is None else [each for each in every if each[0] == every[0][0]][:most]:
        scored = adaptation.images[(adaptation.images["seed"] == seed) & (adaptation.images["model"] == name)]
        known = scored.drop_duplicates(_KEYS).set_index(_KEYS).reindex(keys)
        threshold = tuned[seed, name]
        yield ModelRows(
            name=str(name),
            seed=int(seed),
            threshold=None if np.isnan(threshold) else threshold,
            performance=known["f"].to_numpy(np.float64),
            distance=known["distance"].to_numpy(np.float64),
            predictions=tuple(_files(known["map"], folder)),
        )


def _in_order(models: pd.DataFrame) -> Iterator[tuple[int, str]]:
    for seed in dict.fromkeys(models["seed"]):
        names = [str(name) for name in models.loc[models["seed"] == seed, "model"]]
        yield from ((seed, name) for name in sorted(dict.fromkeys(names), key=lambda name: name != BASELINE))


def _files(maps: Iterable[object], folder: Path) -> Iterator[str]:
    """Give the files of maps; "" for one that is not known, is not there, or is named outside of the study's folder."""
    root = folder.resolve()
    for name in maps:
        file = (root / name).resolve() if isinstance(name, str) and name else root
        yield str(file) if file.is_relative_to(root) and file.is_file() else ""


def _columns(adaptation: Adaptation, images: pd.DataFrame) -> Iterator[Column]:
    """Make the columns; the page fills those that a model has values of its own in."""

    def blank() -> NDArray[np.float64]:
        return np.full(len(images), np.nan)

    yield Column("performance", "F", "number", blank(), "at the model's own threshold, tuned on P's held-out photographs")
    yield Column("gain", "gain over M", "number", blank(), "F less that of M, trained on P alone, with the same seed")
    yield Column("distance", "distance (scaled)", "number", blank(), "0 to 1 within each dataset, by that seed's M")
    counts = images[_KEYS].merge(adaptation.picks.groupby(_KEYS).size().rename("times").reset_index(), how="left", on=_KEYS)
    if counts["times"].notna().any():
        times = counts["times"].fillna(0).to_numpy(np.float64)
        yield Column("chosen", "times chosen", "number", times, "how many models of other seeds learnt from it")
