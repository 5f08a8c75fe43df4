"""Whether two features are the same, and in what they differ."""

from __future__ import annotations

from typing import Any

import pytest

from howfar.errors import InputError
from howfar.pipeline.scorer import check_same, differences

WANTED: dict[str, Any] = {"name": "pixels", "size": {"side": 96, "fit": {"mode": "crop"}}, "layers": [1, 2], "empty": {}}


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (WANTED, []),
        (dict(reversed(WANTED.items())), []),
        ({**WANTED, "layers": (1, 2)}, []),
        ({**WANTED, "name": "moments"}, ['name: "pixels" and "moments"']),
        ({**WANTED, "layers": [2, 1]}, ["layers: [1, 2] and [2, 1]"]),
        ({**WANTED, "pool": True}, ["pool: nothing and true"]),
        ({**WANTED, "pool": None}, ["pool: nothing and null"]),
        ({**WANTED, "empty": None}, ["empty: {} and null"]),
        ({**WANTED, "empty": {"a": 1}}, ["empty: {} and nothing", "empty.a: nothing and 1"]),
        ({**WANTED, "size": {"side": 96, "fit": {"mode": "pad"}}}, ['size.fit.mode: "crop" and "pad"']),
        ({**WANTED, "size": 96}, ["size.side: 96 and nothing", 'size.fit.mode: "crop" and nothing', "size: nothing and 96"]),
        ({**WANTED, "size": {"side": "96", "fit": {"mode": "crop"}}}, ['size.side: 96 and "96"']),
        ({}, ['name: "pixels" and nothing', "size.side: 96 and nothing", 'size.fit.mode: "crop" and nothing',
              "layers: [1, 2] and nothing", "empty: {} and nothing"]),
    ],
)  # fmt: skip
def test_each_key_that_differs_is_named_with_both_values(got: dict[str, Any], words: list[str]) -> None:
    assert differences(WANTED, got) == words


def test_values_are_compared_whatever_the_order_of_their_keys() -> None:
    assert differences({"layers": [{"a": 1, "b": 2}]}, {"layers": [{"b": 2, "a": 1}]}) == []


def test_the_same_features_pass_and_others_are_refused_in_one_line() -> None:
    check_same(WANTED, dict(WANTED), "roads", "site")
    with pytest.raises(InputError) as caught:
        check_same(WANTED, {**WANTED, "name": "ö", "layers": [1]}, "roads", "site")
    assert str(caught.value) == (
        'site must give the features that roads was profiled with, and differs in name: "pixels" and "ö"; layers: [1, 2] and '
        "[1] (the profile's first): use the same backbone, or make the profile again"
    )
