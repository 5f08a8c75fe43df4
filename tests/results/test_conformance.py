"""What every result keeps: it comes back from its files as it was, and whatever is wrong with them is one clear line."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import assessed_sites
import believable_pool
import howfar
from howfar.errors import HowfarError, MissingPathError, StoreError
from howfar.io.embedded_checksum import SEAL
from howfar.results import Comparison, DatasetRelation, DistancePart, Evaluation, Leak, Provenance, Relation, Selection, Skipped
from howfar.results.adaptation_result import Adaptation, Adaptations
from howfar.results.assessment_result import Assessment
from howfar.results.backbones_result import BackboneComparison, DistanceTable
from howfar.results.certificate_result import Certificate
from howfar.results.comparison_result import COPIES, ImageMap
from howfar.results.distance_studies import Components, Identity, Robustness, Scenes
from howfar.results.evaluation_result import KEY
from howfar.results.relation_result import DistanceSlice
from howfar.results.result import RecordedResult, Result, SingleFile, StudyResult
from howfar.results.segmenter_studies import Edges, PerformanceByDistance, Pool, Prompting, Suppression
from howfar.results.study_run import StudyRun

MADE = Provenance("0.1.0", "2026-01-03T03:04:05+00:00", "3.12.1", "Linux-6", {"numpy": "2.1.0"})
NOTED: dict[str, Any] = {"provenance": MADE, "notes": ("a note",)}
SKIPPED = (Skipped("site", "/data/site/ä.jpg", "cut short"),)


def sets() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(k, 1, size=(12, 4)) for k, name in enumerate(("roads", "site", "walls"))}


def comparison() -> Comparison:
    known = sets()
    made = howfar.compare(known.pop("roads"), known, components=3, bootstrap=9, permutations=9, limit=None, progress=False)
    leaks = (Leak("site", "1.png", "2.png", "ab" * 32),)
    copy = ("site", "1.png", "/a/1.png", "roads", "2.png", "/b/2.png", "near", "hash", 0.9, True, False)
    small = DistanceSlice("site", "camera", "", 3, 2.5, None, None, None, None, None, None, small=True)
    large = DistanceSlice("site", "camera", "A", 9, 2.5, 1.5, (1.25, 1.75), 0.5, -0.25, 0.5, 0.25, small=False)
    beside = {
        "near_duplicates": pd.DataFrame([copy], columns=list(COPIES)),
        "slices": (large, small),
        "leaks": leaks,
        "skipped": SKIPPED,
    }
    return replace(made, options={"name": "timm:x", "size": [4, 5]}, sources={"site": "/data/site"}, **beside)


def backbones() -> BackboneComparison:
    one = comparison()
    other = replace(one, backbone=replace(one.backbone, name="onnx:a/b.onnx"))
    names = {"one": one.backbone.name, "other": "onnx:a/b.onnx", "dataset": ["site", ""]}
    return BackboneComparison((one, other), pd.DataFrame({**names, "n": 12, "spearman": 1.0, "low": np.nan, "high": 1.0}))


def matrix() -> howfar.Matrix:
    return replace(howfar.matrix(sets(), components=3, progress=False), skipped=SKIPPED, options={"name": "clip", "via": 64})


def sample(hint: Any) -> Any:
    """A value of a field's type: the first of its kinds, one of each member, and every field of a record."""
    origin, members = get_origin(hint), get_args(hint)
    if origin is Literal:
        return members[0]
    if origin in (Union, UnionType):
        return sample(members[0])
    if origin is tuple:
        return tuple(sample(member) for member in members if member is not Ellipsis)
    if origin is Mapping:
        return {sample(members[0]): sample(members[1])}
    if dataclasses.is_dataclass(hint):
        return sample_of(hint)
    return {str: "ä", int: 3, float: 0.5, bool: True}.get(hint, {"a": [4, "b", None]})


def sample_of(kind: Any, **values: Any) -> Any:
    """A record or result of one value a field; its tables have the columns that loading asks for, and those of `MORE`."""
    hints = get_type_hints(kind, localns={"pd": pd})
    for field in dataclasses.fields(kind):
        if field.name in values:
            continue
        if field.type != "pd.DataFrame":
            values[field.name] = sample(hints[field.name])
            continue
        columns = {**kind.COLUMNS.get(field.name, {"segmenter": str}), **dict.fromkeys(MORE.get(field.name, ()), float)}
        values[field.name] = pd.DataFrame(
            {name: ["ä", "b"] if cells is str else [0.5, np.nan] for name, cells in columns.items()}
        )
    return kind(**values)


INTERVALS = tuple(f"{name}{end}" for name in ("kendall", "overlap", "change", "relative") for end in ("", "_low", "_high"))
MORE = {"stability": INTERVALS, "distances": (*INTERVALS, "rank"), "claims": ("holding",)}
"""Columns that are not asked for on loading, and that a result's own table shows."""


def relation() -> Relation:
    part = sample_of(DistancePart)
    return sample_of(Relation, datasets=(sample_of(DatasetRelation, halves=(part, part)),), pooled=None, estimator=None)


def adaptation() -> Adaptation:
    shared = {"seed": 0, "model": "far-1"}
    gain = {"model": "far-1", "dataset": "all", "gain": 0.1, "low": 0.0, "high": 0.2, "over_random": np.nan}
    return Adaptation(
        primary="roads",
        secondaries=("site",),
        blind=(),
        background=None,
        segmenter="deepcrack",
        settings={"seeds": [0], "random_seeds": [], "pool": None, "training": {"size": 32}},
        models=pd.DataFrame([{**shared, "strategy": "far", "shots": 1, "background": 0}]),
        scores=pd.DataFrame([{**shared, "dataset": "site", "n": 3, "mean_f": 0.5, "ods": np.nan}]),
        images=pd.DataFrame([{**shared, "dataset": "site", "image": "1.png", "f": np.nan}]),
        picks=pd.DataFrame([{"seed": 0, "strategy": "far", "dataset": "site", "image": "1.png", "rank": 1}]),
        gains=pd.DataFrame([{**gain, "beats_random": None}]),
        suppression=pd.DataFrame({"model": [], "share": []}),
        provenance=MADE,
        notes=("a note",),
        sources={"roads": "/data/roads"},
    )


def prompting() -> Prompting:
    scores = [{"prompt": "box", "dataset": "site", "n": 3, "ods": 0.5, "mean_f": 0.25, "ois": np.nan}]
    images, settings = [{"prompt": "box", "dataset": "site", "image": "1.png", "f": 0.5}], {"kinds": ["box"], "limit": None}
    return Prompting(("site",), ("box",), settings, pd.DataFrame(scores), pd.DataFrame(images), SKIPPED, **NOTED)


def evaluation() -> Evaluation:
    images = pd.DataFrame({"image": ["1.png", "2.png"], "performance": [0.5, np.nan], "predicted": [np.arange(3), None]})
    return sample_of(Evaluation, images=images)


MAKERS: dict[type[Result], Callable[[], Any]] = {
    Comparison: comparison,
    BackboneComparison: backbones,
    howfar.Matrix: matrix,
    Relation: relation,
    Assessment: assessed_sites.assessment,
    Adaptation: adaptation,
    Adaptations: lambda: Adaptations.of(
        {"net": adaptation(), "wide.net": replace(adaptation(), segmenter="unetplusplus", notes=())}
    ),
    Prompting: prompting,
    Pool: partial(believable_pool.make, weights={"recall": 2.0, "fast": 1.0}, blind=("new",), level=0.95),
    Evaluation: evaluation,
    **{
        kind: partial(sample_of, kind)
        for kind in (
            PerformanceByDistance,
            Suppression,
            Components,
            Scenes,
            Robustness,
            Identity,
            Edges,
            Selection,
            Certificate,
            ImageMap,
        )
    },
}
ELSEWHERE = {DistanceTable, StudyRun}
"""Results whose making needs images or other studies: the tests of their studies read them back."""
every = pytest.mark.parametrize("kind", MAKERS, ids=lambda kind: kind.__name__)


@pytest.fixture(scope="module")
def results() -> dict[type[Result], Any]:
    return {kind: make() for kind, make in MAKERS.items()}


def kept(result: Any, folder: Path) -> Path:
    """Where `load` reads it: a folder, or the one file of an evaluation."""
    path: Path = result.save(folder / "site.parquet" if isinstance(result, Evaluation) else folder)
    return path


def document(kind: type[Result], place: Path) -> dict[str, Any]:
    text = pq.read_schema(place).metadata[KEY] if kind is Evaluation else (place / kind.DOCUMENT).read_bytes()
    found: dict[str, Any] = json.loads(text)
    return found


def rewrite(kind: type[Result], place: Path, text: bytes) -> None:
    """Write a document without a seal, as an earlier version did."""
    with suppress(ValueError):
        values = json.loads(text)
        text = json.dumps({name: values[name] for name in values if name != SEAL}).encode() if type(values) is dict else text
    if kind is not Evaluation:
        (place / kind.DOCUMENT).write_bytes(text)
        return
    table = pq.read_table(place)
    kept = {name: value for name, value in table.schema.metadata.items() if name != SEAL.encode()}
    pq.write_table(table.replace_schema_metadata({**kept, KEY: text}), place)


def line(error: type[HowfarError], kind: type[Result], place: Path) -> str:
    with pytest.raises(error) as caught:
        kind.load(place)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(place))
    return text


def assert_equal(one: Any, other: Any) -> None:
    for field in dataclasses.fields(one):
        mine, its = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, pd.DataFrame):
            pd.testing.assert_frame_equal(mine, its, check_exact=True)
        elif field.name in ("comparisons", "studies"):
            pairs = zip(mine.values(), its.values(), strict=True) if isinstance(mine, dict) else zip(mine, its, strict=True)
            for pair in pairs:
                assert_equal(*pair)
        else:
            assert mine == its, field.name
            assert type(mine) is type(its)


def test_every_result_is_here() -> None:
    kinds = {kind for base in (Result, RecordedResult, SingleFile, StudyResult, Adaptation) for kind in base.__subclasses__()}
    assert kinds - ELSEWHERE == {*MAKERS, StudyResult, RecordedResult, SingleFile}


@every
def test_it_comes_back_as_it_was(kind: type[Result], results: dict[type[Result], Any], tmp_path: Path) -> None:
    result = results[kind]
    again = kind.load(kept(result, tmp_path / "new" / "folder"))
    assert_equal(result, again)
    assert again.to_dict() == result.to_dict() == json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert repr(again) == repr(result)
    assert again._repr_html_() == result._repr_html_()
    assert repr(again).startswith(result.as_printed()[0])
    # A second one takes the place of the first, and nothing else is left of the writing.
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert_equal(kind.load(kept(again, tmp_path / "new" / "folder")), result)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


@every
def test_a_flipped_bit_is_found(kind: type[Result], results: dict[type[Result], Any], tmp_path: Path) -> None:
    place = kept(results[kind], tmp_path)
    files = [place] if place.is_file() else [place / name for name in (kind.DOCUMENT, *kind.TABLES.values())]
    rng = np.random.default_rng(0)
    for file in filter(Path.is_file, files):
        data = file.read_bytes()
        seal = data.rfind(b"howfar-xxh3:")
        # A seal whose name is damaged is none, as in files of earlier versions: nothing that is read has changed.
        for at in (at for at in rng.integers(0, len(data), 8) if not seal - 12 < at < seal + 12):
            flipped = bytearray(data)
            flipped[at] ^= 1 << int(rng.integers(8))
            file.write_bytes(flipped)
            line(StoreError, kind, place)
        file.write_bytes(data)


@every
@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}", b'{"format": true}', None])
def test_a_damaged_document_is_one_line(kind, text, results, tmp_path):
    place = kept(results[kind], tmp_path / "run")
    whole = json.dumps(document(kind, place)).encode()
    rewrite(kind, place, whole[: len(whole) // 2] if text is None else text)
    told = line(StoreError, kind, place)
    assert f"run {kind.COMMAND} again" in told


@every
def test_a_value_of_another_type_is_one_line_that_names_it(kind, results, tmp_path):
    place = kept(results[kind], tmp_path / "run")
    whole = document(kind, place)
    fields = {field.name for field in dataclasses.fields(kind)} - set(kind.TABLES)
    lists = {BackboneComparison: ["folders"], Adaptations: ["models"]}
    read = lists.get(kind) or [name for name in whole if name in fields]
    for name in read:
        wrong = {"str": 3, "list": {"a": 1}, "dict": ["a"], "int": "3", "float": "0.5", "bool": "yes", "NoneType": [0.5]}
        rewrite(kind, place, json.dumps({**whole, name: wrong[type(whole[name]).__name__]}).encode())
        told = line(StoreError, kind, place)
        assert "damaged" in told
        assert kind is BackboneComparison or f"TypeError: {name}" in told or name == "scores", told
    lacking = {key: value for key, value in whole.items() if key not in read[:1]}
    rewrite(kind, place, json.dumps(lacking).encode())
    assert read[0] in line(StoreError, kind, place)


@every
def test_another_format_is_told_apart(kind: type[Result], results: dict[type[Result], Any], tmp_path: Path) -> None:
    place = kept(results[kind], tmp_path / "run")
    rewrite(kind, place, json.dumps({**document(kind, place), "format": kind.FORMAT + 1}).encode())
    assert line(StoreError, kind, place).endswith(
        f"has another format than this howfar reads ({kind.FORMAT}): run {kind.COMMAND} again"
    )


@every
def test_what_a_later_version_adds_is_passed_over_and_what_an_earlier_one_lacks_is_filled(kind, results, tmp_path):
    place = kept(results[kind], tmp_path / "run")
    later = document(kind, place)
    rewrite(kind, place, json.dumps({**later, "colour": "red"}).encode())
    assert_equal(kind.load(place), results[kind])
    optional = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    }
    rewrite(kind, place, json.dumps({name: value for name, value in later.items() if name not in optional}).encode())
    kind.load(place)


@every
def test_a_cut_or_absent_table_is_one_line(kind: type[Result], results: dict[type[Result], Any], tmp_path: Path) -> None:
    place = kept(results[kind], tmp_path / "run")
    for file in [place] if kind is Evaluation else [place / name for name in kind.TABLES.values()]:
        whole = file.read_bytes()
        for cut in (whole[: len(whole) // 2], b"PAR1", b""):
            file.write_bytes(cut)
            told = line(StoreError, kind, place)
            assert "damaged" in told
            assert kind is Evaluation or f"{file.name} cannot be read as Parquet" in told
        file.unlink()
        assert line(MissingPathError, kind, place).startswith(f"{file} is not there: ")
        file.write_bytes(whole)
    kind.load(place)


@every
def test_a_folder_that_is_not_there_is_one_line(kind: type[Result], tmp_path: Path) -> None:
    told = line(MissingPathError, kind, tmp_path / "none")
    assert "is not there: " in told
    assert kind.COMMAND in told


@every
def test_writing_that_fails_loses_nothing(kind, results, tmp_path, monkeypatch):
    place = kept(results[kind], tmp_path / "run")

    def full(*_: Any, **__: Any) -> Any:
        raise OSError("No space left on device")

    for target in ("pandas.DataFrame.to_parquet", "pyarrow.parquet.write_table", "pathlib.Path.write_bytes"):
        monkeypatch.setattr(target, full)
    with pytest.raises(OSError, match="No space left"):
        kept(results[kind], tmp_path / "run")
    monkeypatch.undo()
    assert not [path.name for path in tmp_path.rglob("*") if path.name.endswith((".part", ".tmp"))]
    assert_equal(kind.load(place), results[kind])
