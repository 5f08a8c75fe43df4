from __future__ import annotations

from typing import Any

import numpy as np

from howfar.selection.diversity import HERDING

LINE = [[0.0], [1.0], [2.0], [10.0], [11.0]]


def picks(features: Any, k: int, labelled: tuple[int, ...] = ()) -> list[int]:
    mask = np.isin(np.arange(len(features)), labelled)
    return HERDING.pick({"features": features}, k, np.random.default_rng(0), mask).tolist()


def test_by_hand() -> None:
    # w = 4.8 → 2; 4.8 + 4.8 − 2 = 7.6 → 10; 7.6 + 4.8 − 10 = 2.4 → 1; 2.4 + 4.8 − 1 = 6.2 → 11, then 0.
    assert picks(LINE, 5) == [2, 3, 1, 4, 0]
    # 11 is chosen already: w = 4.8 + 4.8 − 11 = −1.4 → 0.
    assert picks(LINE, 1, labelled=(4,)) == [0]


def test_each_pick_brings_the_mean_nearest() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4))
    chosen: list[int] = [7, 8]
    for pick in picks(x, 10, (7, 8)):
        gaps = {i: np.linalg.norm(x[[*chosen, i]].mean(axis=0) - x.mean(axis=0)) for i in range(30) if i not in chosen}
        assert pick == min(gaps, key=lambda i: gaps[i])
        chosen.append(pick)


def test_on_features_of_one_length_it_is_welling_s() -> None:
    x = np.random.default_rng(1).normal(size=(40, 5))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    w, free, wanted = x.mean(axis=0), list(range(40)), []
    for _ in range(12):
        wanted.append(max(free, key=lambda i: float(w @ x[i])))
        free.remove(wanted[-1])
        w = w + x.mean(axis=0) - x[wanted[-1]]
    assert picks(x, 12) == wanted


def test_where_the_origin_lies_does_not_count() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4))
    assert picks(x + 100.0, 8) == picks(x, 8)


def test_it_goes_on_where_it_was() -> None:
    x = np.random.default_rng(2).normal(size=(30, 4))
    assert picks(x, 5, tuple(picks(x, 3))) == picks(x, 8)[3:]
