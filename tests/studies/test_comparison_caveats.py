"""What a comparison says of equal features is true of embeddings, of constants and beside extreme offsets."""

from __future__ import annotations

import numpy as np
import pytest

import howfar

FLAT = "the features of primary do not differ"
ROUNDED = f"{FLAT} by more than rounding: it has no self-distance to be relative to, and other distances may be rounding too"


def notes(p: np.ndarray, s: np.ndarray) -> list[str]:
    found = howfar.compare(p, {"s": s}, bootstrap=0, permutations=0, progress=False)
    return [note for note in found.notes if "components" not in note]


def draws(seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, size=(30, 5))


@pytest.mark.parametrize(
    ("p", "s", "expected"),
    [
        *((draws(0) + offset, draws(1, 1.0) + offset, []) for offset in (0.0, 1e6, 1e9)),
        (draws(0) + 1e14, draws(1, 1.0) + 1e14, [ROUNDED]),
        (
            np.ones((30, 5)),
            draws(1),
            ["primary holds 29 exact copies of its own embeddings", f"{FLAT}: it has no self-distance to be relative to"],
        ),
        (
            draws(0),
            np.concatenate([draws(0)[:2], draws(1)]),
            ["primary holds embeddings of s too (2): they make those sets look nearer"],
        ),
    ],
)
def test_offsets_constants_and_shared_rows(p: np.ndarray, s: np.ndarray, expected: list[str]) -> None:
    assert notes(p, s) == expected


def test_an_absurd_cell_is_named() -> None:
    s = draws(1)
    s[3, 2] = 1e10
    (note,) = notes(draws(0), s)
    assert note.startswith("row-3 of s is ")
    assert "by column 2: the dataset's mean and interval tell of that cell alone" in note


def test_many_small_datasets_are_one_note() -> None:
    def small(count: int) -> list[str]:
        sets = {f"s{k}": draws(k)[:9] for k in range(count)}
        found = howfar.compare(draws(99), sets, bootstrap=0, permutations=0, progress=False)
        return [note for note in found.notes if "say little" in note]

    assert small(2) == [f"s{k} has 9 images: its interval and p-value say little" for k in range(2)]
    assert small(7) == ["s0, s1, s2, s3, s4 and 2 more have fewer than 10 images: their intervals and p-values say little"]
