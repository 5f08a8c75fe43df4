import json
import re
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from howfar.errors import InputError, StoreError
from howfar.store import Store, feature_key
from howfar.store.feature_store import _checksum, canonical
from worlds.store_trials import add, expected, read

IDENTITY = {"name": "pixels", "side": 2}


@pytest.fixture
def folder(tmp_path):
    features = Store(tmp_path).open(IDENTITY, 24)
    add(features, [0, 1])
    return features.folder


def edit(folder, **changes):
    path = folder / "manifest.json"
    document = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({**document, "xxh3": _checksum(document)}))


def test_layout(tmp_path, folder):
    assert folder == tmp_path / feature_key(IDENTITY, "float32")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest.pop("xxh3") == _checksum(manifest)
    assert manifest == {"format": 1, "identity": IDENTITY, "dtype": "float32", "length": 24}
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "shards"]
    names = sorted(path.name for path in (folder / "shards").iterdir())
    assert [name[32:] for name in names] == [".npy", ".parquet"]
    assert names[0][:32] == names[1][:32]


def test_another_format_is_refused(tmp_path, folder):
    edit(folder, format=2)
    with pytest.raises(StoreError, match=r"store format 2, this howfar reads 1: use the howfar that wrote it"):
        Store(tmp_path).open(IDENTITY, 24)


@pytest.mark.parametrize("changes", [{"identity": {"name": "pixels", "side": 3}}, {"dtype": "float16"}])
def test_a_folder_that_holds_another_feature_is_refused(tmp_path, folder, changes):
    edit(folder, **changes)
    with pytest.raises(StoreError, match=f"another feature than its name says.*delete {folder}"):
        Store(tmp_path).open(IDENTITY, 24)


NESTED = "[" * 100_000
DAMAGED = {
    "empty": b"",
    "cut short": b"{",
    "a list": b"[1]",
    "no identity": b'{"identity": 3}',
    "not a number": b'{"identity": {"x": NaN}}',
    "zeros": bytes(2),
    "not UTF-8": b"\xff\xfe",
    "nested brackets": NESTED.encode(),
    "nested brackets in the identity": b'{"identity": {"x": ' + NESTED.encode(),
    "a number of many digits": b'{"identity": {}, "format": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_manifest_is_written_anew(tmp_path, folder, name, caplog):
    whole = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(DAMAGED[name])
    features = Store(tmp_path).open(IDENTITY, 24)
    assert "manifest.json is damaged" in caplog.text
    assert (folder / "manifest.json").read_bytes() == whole
    np.testing.assert_array_equal(read(features, [0, 1]), expected([0, 1]))


@pytest.mark.parametrize("change", [(b'"format": 1', b'"format": 3'), (b"pixels", b"pixelr"), (b'"length"', b'"lengtl"')])
def test_a_flipped_bit_is_no_other_feature(tmp_path, folder, change):
    # 1 and 3, s and r, h and l are a bit apart: were it another format or feature, its checksum would fit it.
    whole = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(whole.replace(*change))
    np.testing.assert_array_equal(read(Store(tmp_path).open(IDENTITY, 24), [0, 1]), expected([0, 1]))
    assert (folder / "manifest.json").read_bytes() == whole


def test_a_damaged_manifest_of_a_disk_that_refuses_is_no_obstacle(tmp_path, folder, monkeypatch):
    (folder / "manifest.json").write_bytes(b"")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    np.testing.assert_array_equal(read(Store(tmp_path).open(IDENTITY, 24), [0, 1]), expected([0, 1]))


def test_a_manifest_without_a_checksum_is_read(tmp_path, folder):
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    del document["xxh3"]
    path.write_text(json.dumps(document))
    np.testing.assert_array_equal(read(Store(tmp_path).open(IDENTITY, 24), [0, 1]), expected([0, 1]))
    assert json.loads(path.read_text()) == document


def test_a_writer_killed_before_its_manifest_is_no_obstacle(tmp_path, folder):
    for path in (*(folder / "shards").iterdir(), folder / "shards", folder / "manifest.json"):
        path.rmdir() if path.is_dir() else path.unlink()
    (folder / "manifest.json.0011aabb.tmp").write_text('{"form')
    features = Store(tmp_path).open(IDENTITY, 24)
    add(features, [0])
    assert (read(features, [0]) == expected([0])).all()


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
@given(st.dictionaries(st.just("name"), st.text(), max_size=1))
def test_the_key_is_a_plain_folder_name(identity):
    assert re.fullmatch(r"([a-z0-9][a-z0-9-]*[a-z0-9]-|[a-z0-9]-)?[0-9a-f]{24}", feature_key(identity, "float32"))


def test_types_that_look_alike_and_storage_types_are_told_apart():
    identities = [{"x": 1}, {"x": 1.0}, {"x": True}, {"x": "1"}, {"x": [1]}, {"x": None}, {"x": {}}, {}]
    assert len({feature_key(identity, "float32") for identity in identities}) == len(identities)
    assert feature_key({"name": "a"}, "float32") != feature_key({"name": "a"}, "float16")
    # Not by being entered into the identity, where an identity could forge it.
    assert feature_key({"name": "a", "dtype": "float16"}, "float32") != feature_key({"name": "a"}, "float16")


def test_keys_stay_what_they_were():
    # A change here makes every store on disk start anew.
    assert feature_key({"name": "pixels", "side": 96, "mean": [0.5, 0.25]}, "float16") == "pixels-1588a8b10b54d6107a666fd8"


ITSELF: dict = {}
ITSELF["self"] = ITSELF
NO_JSON = [
    {"x": float("nan")}, {"x": [float("inf")]}, {"x": {"y": {1: 2}}}, {2: "x"}, {"x": Path("a")}, {"x": np.zeros(2)}, ITSELF,
]  # fmt: skip


@pytest.mark.parametrize("identity", NO_JSON, ids=str)
def test_what_is_no_json_value_is_refused(identity):
    with pytest.raises(InputError, match="identity must be made of JSON values"):
        feature_key(identity, "float32")
