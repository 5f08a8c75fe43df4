"""A damaged store breaks no command and changes no number: what is damaged is embedded anew, and that is said."""

import json
import shutil
import warnings

import numpy as np
import pytest

import howfar
from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.io.partial_results import KeptArrays
from howfar.pipeline import embedding
from worlds.recording_backbone import RecordingBackbone

SETS = ("roads", "near")
QUICK = {"bootstrap": 0, "permutations": 0, "baselines": False, "progress": False, "rivals": False}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two datasets, a store that holds their features, and what a comparison says."""
    place = tmp_path_factory.mktemp("place")
    for seed, name in enumerate(SETS):
        write_dataset(place / name, 6, seed=seed, size=32)
    before = compared(place, place / "store")
    assert before.notes == compared(place, place / "store").notes
    return place, before


def compared(place, store):
    return howfar.compare(place / "roads", [place / "near"], "colour_moments", store=store, **QUICK)


def numbers(comparison):
    return [json.dumps(dataset, sort_keys=True) for dataset in comparison.to_dict()["datasets"]]


def flipped(position, bit):
    def change(data):
        data[position] ^= 1 << bit

    return change


def replaced(new):
    return lambda data: data.__setitem__(slice(None), new)


NAN = np.array([np.nan], "<f4").tobytes()
ROW = 24
DAMAGE = {
    "a bit of the header": (".npy", flipped(20, 0)),
    "NaN in a row": (".npy", lambda data: data.__setitem__(slice(128, 132), NAN)),
    "1e30 in a row": (".npy", lambda data: data.__setitem__(slice(128, 132), np.array([1e30], "<f4").tobytes())),
    "cut short": (".npy", lambda data: data.__delitem__(slice(-ROW, None))),
    "index that is no Parquet": (".parquet", replaced(b"PAR1 and nothing else PAR1")),
    "index with one bit flipped": (".parquet", flipped(300, 3)),
    "manifest of nested brackets": ("manifest.json", replaced(b"[" * 100_000)),
}
"""One of each kind; test_shards.py and test_manifest.py have more, without a comparison."""


@pytest.mark.parametrize("name", DAMAGE)
def test_numbers_are_those_of_a_sound_store(place, tmp_path, name, caplog):
    place, before = place
    store = shutil.copytree(place / "store", tmp_path / "store")
    suffix, change = DAMAGE[name]
    path = min(path for path in store.rglob("*") if path.name.endswith(suffix))
    data = bytearray(path.read_bytes())
    change(data)
    assert data != path.read_bytes()
    path.write_bytes(data)
    found = compared(place, store)
    assert numbers(found) == numbers(before)
    assert len([record for record in caplog.records if record.name == "howfar.store"]) == 1
    said = [note for note in found.notes if note not in before.notes]
    assert len(said) == (0 if suffix == "manifest.json" else 1)
    assert all(note.endswith("were damaged and count as absent: their images were embedded anew") for note in said)
    assert numbers(compared(place, store)) == numbers(before)


def test_altered_rows_are_embedded_anew_once_and_no_others(place, tmp_path, monkeypatch):
    place, _ = place
    monkeypatch.setattr(embedding, "CHECKED", 2)
    (tmp_path / "diary").mkdir()
    backbone = RecordingBackbone(tmp_path / "diary")
    whole = howfar.embed(place / "roads", backbone, tmp_path / "store", progress=False)
    path = min((tmp_path / "store").rglob("*.npy"))
    data = bytearray(path.read_bytes())
    data[-4:] = NAN
    path.write_bytes(data)
    embedded = sum(backbone.counts().values())
    again = howfar.embed(place / "roads", backbone, tmp_path / "store", progress=False)
    np.testing.assert_array_equal(again.to_array(), whole.to_array())
    assert sum(backbone.counts().values()) == embedded + 1
    assert again.notes[0].startswith("1 row of the store")
    third = howfar.embed(place / "roads", backbone, tmp_path / "store", progress=False)
    assert sum(backbone.counts().values()) == embedded + 1
    assert third.notes == ()


def test_the_command_says_it_and_ends_well(place, tmp_path, capsys):
    place, _ = place
    store = shutil.copytree(place / "store", tmp_path / "store")
    path = min(store.rglob("*.npy"))
    path.write_bytes(path.read_bytes()[:-4])
    command = ["embed", str(place / "roads"), "--backbone", "colour_moments", "--store", str(store)]
    assert run([*command, "--json"]) == 0
    printed = capsys.readouterr()
    assert "their images were embedded anew" in json.loads(printed.out)["notes"][0]


@pytest.mark.parametrize("part", ["header", "anywhere"])
def test_flipped_bits_in_kept_sums_are_found_or_harmless(tmp_path, part):
    kept, rng = KeptArrays(tmp_path), np.random.default_rng(0)
    # So long that a header is read before the zip's checksum is compared.
    arrays = {"mean": rng.normal(size=5000), "scatter": rng.normal(size=(6, 6)), "single": np.array(False)}
    kept.keep("sums", arrays)
    path = tmp_path / "sums.npz"
    whole = path.read_bytes()
    # The first array's header begins after the zip's own of 30 bytes and its name.
    first, last = (whole.find(b"\x93NUMPY"), whole.find(b"\n")) if part == "header" else (0, len(whole))
    lost = 0
    for _ in range(400):
        spoilt = bytearray(whole)
        spoilt[int(rng.integers(first, last))] ^= 1 << int(rng.integers(8))
        path.write_bytes(spoilt)
        with warnings.catch_warnings(action="ignore"):  # of numpy's reader, about the Python that it evaluates
            found = kept.read("sums")
        lost += found is None
        for name, value in (found or {}).items():
            assert name not in arrays or np.array_equal(value, arrays[name])
    assert lost > 200
