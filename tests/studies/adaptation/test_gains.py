"""Gains with intervals: paired by image, resampled by photograph and seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from howfar.studies.adaptation.gains import interval, paired


def rows(rng: np.random.Generator, gain: float, seeds: int = 3, photographs: int = 20) -> pd.DataFrame:
    """Two datasets; what a photograph, its two tiles and a seed add to the gain."""
    found = []
    for dataset in ("a", "b"):
        of_photo = rng.normal(0, 0.1, photographs)
        for seed in range(seeds):
            of_seed = rng.normal(0, 0.02)
            for photo in range(photographs):
                for tile in range(2):
                    value = gain + of_photo[photo] + of_seed + rng.normal(0, 0.05)
                    found.append((seed, dataset, f"{photo}", f"{photo}-{tile}", value))
    return pd.DataFrame(found, columns=["seed", "dataset", "photograph", "image", "difference"])


def test_pairs_are_of_one_image_and_seed() -> None:
    images = pd.DataFrame(
        {
            "seed": [0, 0, 0, 0, 1],
            "model": ["M", "M", "far-3", "far-3", "far-3"],
            "dataset": "a",
            "image": ["1", "2", "2", "1", "1"],
            "photograph": ["1", "2", "2", "1", "1"],
            "f": [0.5, np.nan, 0.9, 0.75, 0.1],
        }
    )
    found = paired(images, "far-3", "M")
    assert found.to_dict("records") == [{"seed": 0, "dataset": "a", "photograph": "1", "difference": 0.25}]


def test_datasets_count_alike_whatever_their_size() -> None:
    sizes = {"a": 9, "b": 1}
    rows = [(0, name, str(k), float(name == "b")) for name, count in sizes.items() for k in range(count)]
    frame = pd.DataFrame(rows, columns=["seed", "dataset", "photograph", "difference"])
    assert interval(frame, 20, np.random.default_rng(0))[0] == pytest.approx(0.5)


def test_the_interval_holds_the_gain_about_as_often_as_it_says() -> None:
    held = sum(
        low <= 0.1 <= high
        for _, low, high in (interval(rows(rng, 0.1), 200, rng) for rng in map(np.random.default_rng, range(100)))
    )
    assert 85 <= held <= 100


def test_more_tiles_of_the_same_photographs_do_not_make_it_surer() -> None:
    once = rows(np.random.default_rng(0), 0.1)
    copies = pd.concat([once] * 5, ignore_index=True)
    widths = [np.ptp(interval(one, 400, np.random.default_rng(1))[1:]) for one in (once, copies)]
    assert widths[1] == pytest.approx(widths[0], rel=1e-9)
