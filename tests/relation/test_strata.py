from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howfar.errors import InputError
from howfar.relation.performance_by_distance import by_distance, parts, scale, split


def names(m: int) -> list[str]:
    return [f"{i:03d}" for i in range(m)]


@pytest.mark.parametrize(
    ("m", "count", "sizes"),
    [
        (2, 2, [1, 1]),
        (3, 2, [1, 2]),
        (10, 2, [5, 5]),
        (11, 2, [5, 6]),
        (3, 3, [1, 1, 1]),
        (10, 3, [4, 3, 3]),
        (11, 3, [4, 4, 3]),
        (12, 3, [4, 4, 4]),
        (10, 4, [3, 3, 2, 2]),
        (1, 2, []),
        (2, 3, []),
        (0, 2, []),
    ],
)
def test_sizes(m: int, count: int, sizes: list[int]) -> None:
    assert [len(part) for part in split(np.arange(m), names(m), count)] == sizes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 4), min_size=3, max_size=30), st.integers(2, 3), st.randoms(use_true_random=False))
def test_parts_are_every_image_once_in_one_order_whatever_the_rows(values: list[int], count: int, random: Any) -> None:
    rows = list(range(len(values)))
    random.shuffle(rows)
    labels = names(len(values))
    found = [part.tolist() for part in split(values, labels, count)]
    shuffled = split([values[i] for i in rows], [labels[i] for i in rows], count)
    assert [[rows[i] for i in part] for part in shuffled] == found
    flat = [i for part in found for i in part]
    assert sorted(flat) == list(range(len(values)))
    assert [(values[i], labels[i]) for i in flat] == sorted(zip(values, labels, strict=True))


def test_equal_distances_go_by_name_as_text() -> None:
    assert by_distance([1.0, 1.0, 1.0, 0.0], ["9", "10", "B", "z"]).tolist() == [3, 1, 0, 2]


def test_scale_is_over_all_images_and_constant_is_zero() -> None:
    assert scale([3.0, 1.0, 2.0, 1.5]).tolist() == [1.0, 0.0, 0.5, 0.25]
    assert scale([0.1 + 0.2, 0.3]).tolist() == [0.0, 0.0]
    assert scale([5.0]).tolist() == [0.0]
    assert scale([]).tolist() == []
    assert scale([1e9, 1e9 + 1.0]).tolist() == [0.0, 1.0]


def test_each_part_asks_for_its_own_images() -> None:
    asked: list[tuple[str, list[int]]] = []

    def retuned(indices: Any) -> tuple[float, float]:
        asked.append(("retuned", indices.tolist()))
        return 0.1 * len(asked), 0.25

    def common(indices: Any) -> float:
        asked.append(("common", indices.tolist()))
        return 0.1 * len(asked)

    values = [0.5, 0.25, np.nan, 0.75, 1.0]
    near, far = parts([1.0, 0.0, 0.25, 0.5, 0.75], "abcde", 2, retuned=retuned, common=common, values=values)
    assert asked == [("retuned", [1, 2]), ("common", [1, 2]), ("retuned", [3, 4, 0]), ("common", [3, 4, 0])]
    assert (near.label, near.n, near.performance, near.threshold, near.performance_common) == ("0–50 %", 2, 0.1, 0.25, 0.2)
    # Near: 0.25 alone has a value; distances 0 and 0.25 have mean 0.125 and deviate by 0.125 each.
    assert (near.mean, near.distance_mean, near.distance_std) == (0.25, 0.125, 0.125)
    # Far: distances 0.5, 0.75, 1: mean 0.75, σ² = (1/16 + 0 + 1/16) / 3 = 1/24.
    assert (far.label, far.n, far.mean, far.distance_mean) == ("50–100 %", 3, 0.75, 0.75)
    assert far.distance_std == pytest.approx(np.sqrt(1 / 24))


def test_what_is_undefined_is_none() -> None:
    nan = float("nan")
    found = parts([0.0, 1.0], "ab", 2, retuned=lambda _: (nan, nan), common=lambda _: nan, values=[nan, 0.5])
    assert (found[0].performance, found[0].threshold, found[0].performance_common, found[0].mean) == (None,) * 4
    assert found[1].mean == 0.5


def test_labels_of_thirds_and_too_few_images() -> None:
    three = parts(range(3), "abc", 3, retuned=lambda _: (0.5, 0.5), common=lambda _: 0.5, values=[0.5] * 3)
    assert [part.label for part in three] == ["0–33 %", "33–67 %", "67–100 %"]
    assert parts([0.0, 1.0], "ab", 3, retuned=lambda _: (0.5, 0.5), common=lambda _: 0.5, values=[0.5] * 2) == ()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: split([0.0, np.nan], "ab", 2), "distances must be finite, got 'nan at position 1'"),
        (lambda: split([[0.0]], "a", 2), "distances must be one row"),
        (lambda: split(["far"], "a", 2), "distances must be numbers"),
        (lambda: split([0.0, 1.0], "abc", 2), "names must have 2 values"),
        (lambda: split([0.0, 1.0], "ab", 1), "count must be at least 2, got 1"),
        (lambda: scale([0.0, np.inf]), "distances must be finite"),
        (
            lambda: parts([0.0, 1.0], "ab", 2, retuned=lambda _: (0.5, 0.5), common=lambda _: 0.5, values=[0.5]),
            "values must have 2 values, one an image, got 1",
        ),
    ],
)
def test_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
