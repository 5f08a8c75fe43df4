from __future__ import annotations

import json
import re
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from howfar.errors import InputError
from howfar.store import feature_key
from howfar.store.manifest import canonical

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
# No test here is about speed, and a busy machine is no failure.
at_ease = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
IDENTITIES = st.dictionaries(st.text(), VALUES, max_size=4)


def turned(value):
    """The same value with every mapping in the opposite order and every list a tuple."""
    if isinstance(value, dict):
        return MappingProxyType({key: turned(value[key]) for key in reversed(value)})
    return tuple(map(turned, value)) if isinstance(value, list) else value


@at_ease
@given(IDENTITIES)
def test_order_of_keys_and_kind_of_sequence_do_not_matter(identity):
    assert feature_key(identity, "float32") == feature_key(turned(identity), "float32")


@at_ease
@given(IDENTITIES)
def test_the_canonical_text_is_json_and_survives_a_round_trip(identity):
    text = canonical(identity)
    assert json.loads(text) == identity
    assert canonical(json.loads(text)) == text


@at_ease
@given(IDENTITIES, IDENTITIES)
def test_keys_are_equal_only_where_the_texts_are(first, second):
    assert (feature_key(first, "float32") == feature_key(second, "float32")) == (canonical(first) == canonical(second))


@at_ease
@given(IDENTITIES, st.text(min_size=1), SCALARS)
def test_one_more_entry_is_another_key(identity, name, value):
    smaller = {key: item for key, item in identity.items() if key != name}
    assert feature_key({**smaller, name: value}, "float32") != feature_key(smaller, "float32")


@at_ease
@given(st.dictionaries(st.just("name"), st.text(), max_size=1))
def test_the_key_is_a_plain_folder_name(identity):
    assert re.fullmatch(r"([a-z0-9][a-z0-9-]*[a-z0-9]-|[a-z0-9]-)?[0-9a-f]{24}", feature_key(identity, "float32"))


def test_types_that_look_alike_are_told_apart():
    identities = [{"x": 1}, {"x": 1.0}, {"x": True}, {"x": "1"}, {"x": [1]}, {"x": None}, {"x": {}}, {}]
    assert len({feature_key(identity, "float32") for identity in identities}) == len(identities)


def test_storage_type_is_part_of_the_key():
    assert feature_key({"name": "a"}, "float32") != feature_key({"name": "a"}, "float16")
    # Not by being entered into the identity, where an identity could forge it.
    assert feature_key({"name": "a", "dtype": "float16"}, "float32") != feature_key({"name": "a"}, "float16")


def test_prefix_is_the_name():
    assert feature_key({"name": "timm:ResNet-18 (a1)"}, "float32").startswith("timm-resnet-18-a1-")
    assert len(feature_key({"name": "x" * 500}, "float32")) == 40 + 1 + 24
    assert len(feature_key({"name": "***"}, "float32")) == len(feature_key({"name": 3}, "float32")) == 24


def test_keys_stay_what_they_were():
    # A change here makes every store on disk start anew.
    assert feature_key({"name": "pixels", "side": 96, "mean": [0.5, 0.25]}, "float16") == "pixels-1588a8b10b54d6107a666fd8"


@pytest.mark.parametrize(
    "identity",
    [
        {"x": float("nan")},
        {"x": [float("inf")]},
        {"x": {"y": {1: 2}}},
        {2: "x"},
        {"x": Path("a")},
        {"x": np.zeros(2)},
        {"x": {1, 2}},
    ],
    ids=str,
)
def test_what_is_no_json_value_is_refused(identity):
    with pytest.raises(InputError, match="identity must be made of JSON values"):
        feature_key(identity, "float32")


def test_an_identity_that_holds_itself_is_refused():
    identity: dict = {}
    identity["self"] = identity
    with pytest.raises(InputError, match="JSON values"):
        feature_key(identity, "float32")
