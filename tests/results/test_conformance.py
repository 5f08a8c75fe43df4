"""What every result keeps: it comes back from its files as it was, and whatever is wrong with them is one clear line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import assessed_sites
import believable_pool
import howfar
from howfar.errors import HowfarError, MissingPathError, StoreError
from howfar.io.seal import SEAL
from howfar.results import (
    Choice,
    Comparison,
    DatasetRelation,
    DistancePart,
    Evaluation,
    Failures,
    Interval,
    Judgement,
    Leak,
    Pick,
    Provenance,
    Relation,
    RelationSettings,
    Selection,
    SetEstimate,
    Settings,
    Skipped,
    Trend,
    TrendVerdict,
)
from howfar.results.adaptation_result import Adaptation, Adaptations
from howfar.results.assessment_result import Assessment
from howfar.results.backbones_result import BackboneComparison, DistanceTable
from howfar.results.certificate_result import Certificate, CertifiedSite, SampledImage, Step
from howfar.results.comparison_result import COPIES, ImageMap, Matrix
from howfar.results.distance_studies import Components, Identity, Robustness, Scenes, StudiedBackbone
from howfar.results.evaluation_result import KEY
from howfar.results.result import RecordedResult, Result, StudyResult
from howfar.results.segmenter_studies import Edges, PerformanceByDistance, Pool, Prompting, Suppression
from howfar.results.slices_result import DistanceSlice, PerformanceSlice
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


def matrix() -> Matrix:
    return replace(howfar.matrix(sets(), components=3, progress=False), skipped=SKIPPED, options={"name": "clip", "via": 64})


def relation() -> Relation:
    part = DistancePart("near", 6, 0.5, 0.25, None, 0.5, 0.2, 0.1)
    trend = Trend(12, 12, Interval(-0.5, -0.75, -0.25), Interval(None), Interval(-0.5), None)
    verdict = TrendVerdict("falls", "It falls.")
    listed = {"performance": [0.5, np.nan], "listed": [True, False]}
    return Relation(
        primary="roads",
        metric="F at threshold 0.50",
        settings=RelationSettings(0.5, "given", 0.5, 0.2, 0.9, 0.2, 9, 0, None, ("/runs/site.parquet",), "auto"),
        slices=(PerformanceSlice("site", "camera", "A", 12, 10, 9, 0.5, (0.25, 0.75), None, 2, None, None, None, small=True),),
        datasets=(DatasetRelation("site", 12, 12, 0, 0.5, None, 0.5, 0.25, (part, part), (), trend, verdict),),
        pooled=None,
        pooled_verdict=verdict,
        judgements=(Judgement("mean", "baseline", 2, 24, 0.1, 0.1, None, None, None, None, None, {"site": -0.1}),),
        choices=(Choice("all", "mean", 2, 0.1, 0.1, {"site": "mean"}, {"site": -0.1}),),
        estimator=None,
        estimates=(SetEstimate("site", "mean", 12, 0.5, 0.25, 0.75, 0.9, None),),
        failures=(Failures("site", 0.5, 0.2, "mean", 12, 0),),
        images=pd.DataFrame({"dataset": "site", "image": ["1.png", "2.png"], **listed}),
        curves=pd.DataFrame({"dataset": ["site"], "image": ["1"], "distance": [0.0], "performance": [0.5], "smoothed": [0.5]}),
        thresholds=pd.DataFrame({"threshold": [0.0], "dataset": ["site"], "precision": [0.5], "recall": [0.5], "f": [0.5]}),
        provenance=MADE,
        notes=("a note",),
    )


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


def adaptations() -> Adaptations:
    return Adaptations(("net", "wide.net"), (adaptation(), replace(adaptation(), segmenter="unetplusplus", notes=())))


STUDIED: dict[str, Any] = {
    "of": "adaptation", "primary": "roads", "secondaries": ("site",), "segmenters": ("net",), "architectures": ("deepcrack",),
    "seeds": (0, 1), "provenance": MADE,
}  # fmt: skip


def performance() -> PerformanceByDistance:
    shared = {"segmenter": "net", "model": "M", "dataset": "site"}
    slope = {"measure": "f_ods", "n": 9, "mean": 0.5, "slope": -0.25, "low": -0.5, "high": np.nan, "kind": "none"}
    strata = pd.DataFrame([{**shared, "seed": 0, "part": "0–50 %", "ods": 0.5}])
    slopes = pd.DataFrame([{**shared, **slope}])
    return PerformanceByDistance(**STUDIED, adapted="far-7", tau=0.5, flat=0.2, strata=strata, slopes=slopes)


def suppression() -> Suppression:
    shared, cost = {"segmenter": "net", "model": "far-7-B3"}, dict.fromkeys(("cost", "cost_low", "cost_high"), np.nan)
    share = {**shared, "share": 0.01, "low": np.nan, "high": np.nan, "lowest": 0.01, "highest": 0.01}
    change = {**shared, "of": "far-7", "change": -0.1, "low": -0.2, "high": 0.0, **cost}
    tables = {"shares": pd.DataFrame([share]), "changes": pd.DataFrame([change])}
    return Suppression(**STUDIED, **tables, background="plain", left=4, notes=("a note",))


def prompting() -> Prompting:
    scores = [{"prompt": "box", "dataset": "site", "n": 3, "ods": 0.5, "mean_f": 0.25, "ois": np.nan}]
    images, settings = [{"prompt": "box", "dataset": "site", "image": "1.png", "f": 0.5}], {"kinds": ["box"], "limit": None}
    return Prompting(("site",), ("box",), settings, pd.DataFrame(scores), pd.DataFrame(images), SKIPPED, **NOTED)


CATEGORIES = Settings(25, "pair", "none", 0, 9, 0, 1, None, False)


def components() -> Components:
    numbers = {"o_dist_mean": 1.5, "o_dist_scaled": 0.5, "relative": 1.25, "explained_variance": 0.5}
    rows = [{"backbone": "pixels", "components": z, "dataset": name, **numbers} for z in (2, 4) for name in ("ä", "b")]
    return Components(
        primary="roads",
        secondaries=("ä", "b"),
        backbones=("pixels",),
        components=(2, 4),
        share=0.02,
        plateaus={"pixels": None},
        distances=pd.DataFrame(rows),
        provenance=MADE,
        notes=("a note",),
    )


def scenes() -> Scenes:
    keys = {"primary": "roads", "backbone": "pixels"}
    numbers = {"self_distance": 1.0, "relative": 1.5, "relative_low": 1.25, "relative_high": np.nan, "explained_variance": 0.5}
    rows = [{**keys, "dataset": name, "n": 3, "o_dist_mean": 1.5, **numbers, "rank": i} for i, name in enumerate(("ä", "b"), 1)]
    images = pd.DataFrame([{**keys, "dataset": "ä", "image": "1.png", "i_dist_mean": 1.5}])
    agreed = dict.fromkeys((f"{name}{end}" for name in ("kendall", "overlap") for end in ("", "_low", "_high")), 0.5)
    return Scenes(
        primaries=("roads",),
        sizes={"roads": 3, "ä": 3, "b": 3},
        backbones=(StudiedBackbone("pixels", "pixels", "raw pixels", 27648),),
        k=1,
        sets=(),
        settings=CATEGORIES,
        distances=pd.DataFrame(rows),
        images=images,
        extremes=images.assign(end="closest", path=""),
        agreement=pd.DataFrame([{"primary": "roads", "one": "pixels", "other": "x", **agreed}]),
        provenance=MADE,
        notes=("a note",),
    )


def robustness() -> Robustness:
    numbers = {f"{name}{end}": 0.5 for name in ("kendall", "overlap", "change") for end in ("", "_low", "_high")}
    keys = {"backbone": "pixels", "perturbation": "blur"}
    image = {**keys, "dataset": "ä", "image": "1.png", "i_dist_mean": 1.5, "relative": np.nan}
    return Robustness(
        primary="roads",
        secondaries=("ä", "b"),
        backbones=("pixels",),
        perturbations={"blur": "sigma 2.0, at 448"},
        k=1,
        settings=CATEGORIES,
        stability=pd.DataFrame([{**keys, **numbers}]),
        overall=pd.DataFrame([{"backbone": "pixels", **numbers}]),
        differences=pd.DataFrame(columns=["one", "other", *numbers], dtype=float),
        distances=pd.DataFrame([{**keys, "dataset": "ä", "o_dist_mean": 1.5, "rank": 1, "perturbed": True}]),
        images=pd.DataFrame([image]),
        provenance=MADE,
        notes=("a note",),
    )


def selection() -> Selection:
    picks = (Pick(1, "ä.png", "/data/ä.png", 0.5, "far"), Pick(2, "b.png", "", 0.25, "far"))
    return Selection("roads", "site", "far", True, 3, 40, 2, picks, **NOTED)


def evaluation() -> Evaluation:
    images = pd.DataFrame({"image": ["1.png", "2.png"], "performance": [0.5, np.nan], "predicted": [np.arange(3), None]})
    scores = {"ods": 0.5, "ois": None}
    return Evaluation("site", "segmentation", "F", 0.25, 0.0, 2, 1, scores, images, SKIPPED, **NOTED)


def certificate() -> Certificate:
    drawn = (SampledImage(1, "ä.png", "/data/ä.png", 1, 0.5, 0, 0.25, 0.5, True), SampledImage(2, "b.png", "", 0, 0.5, 0, None))
    site = CertifiedSite("/data/site", ("b.png", "ä.png", "c.png", "d.png"), ("ab",) * 4, ("cd",) * 4, (None, 0.25, 0.5, 0.75))
    return Certificate(
        dataset="site",
        metric="mean_f",
        words="mean F at threshold 0.50",
        value=0.5,
        low=0.25,
        high=0.75,
        level=0.9,
        labelled=1,
        n=4,
        anytime=True,
        until="F >= 0.6",
        settled=None,
        needed=1,
        threshold=0.5,
        tolerance=0.0,
        proxy="foreground_confidence",
        design="order",
        seed=0,
        site=site,
        sample=drawn,
        provenance=MADE,
        steps=(Step(1, 0.5, 0.25, 0.75),),
        notes=("a note",),
    )


def image_map() -> ImageMap:
    places = [("site", "roads", "a.png", 0.5, 2.0), ("site", "site", "b.png", 1.5, -1.0)]
    columns = ["against", "dataset", "image", "x", "y"]
    return ImageMap(pd.DataFrame(places, columns=columns), True, 6, 15, 0, MADE, "pca")


MAKERS: dict[type[Result], Callable[[], Any]] = {
    Comparison: comparison,
    BackboneComparison: backbones,
    Matrix: matrix,
    Relation: relation,
    Assessment: assessed_sites.assessment,
    Adaptation: adaptation,
    Adaptations: adaptations,
    PerformanceByDistance: performance,
    Suppression: suppression,
    Prompting: prompting,
    Components: components,
    Scenes: scenes,
    Robustness: robustness,
    Pool: partial(believable_pool.make, weights={"recall": 2.0, "fast": 1.0}, blind=("new",), level=0.95),
    Selection: selection,
    Evaluation: evaluation,
    Certificate: certificate,
    ImageMap: image_map,
}
ELSEWHERE = {DistanceTable, Edges, Identity, StudyRun}
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
        elif field.name in ("comparisons", "adaptations"):
            for pair in zip(mine, its, strict=True):
                assert_equal(*pair)
        else:
            assert mine == its, field.name
            assert type(mine) is type(its)


def test_every_result_is_here() -> None:
    kinds = {kind for base in (Result, RecordedResult, StudyResult) for kind in base.__subclasses__()}
    assert kinds - ELSEWHERE == {*MAKERS, StudyResult, RecordedResult}


@every
def test_it_comes_back_as_it_was(kind: type[Result], results: dict[type[Result], Any], tmp_path: Path) -> None:
    result = results[kind]
    again = kind.load(kept(result, tmp_path / "new" / "folder"))
    assert_equal(result, again)
    assert again.to_dict() == result.to_dict() == json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert repr(again) == repr(result)
    assert again._repr_html_() == result._repr_html_()
    assert repr(again).startswith(result.caption())
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
def test_a_damaged_document_is_one_line(
    kind: type[Result], text: bytes | None, results: dict[type[Result], Any], tmp_path: Path
) -> None:
    place = kept(results[kind], tmp_path / "run")
    whole = json.dumps(document(kind, place)).encode()
    rewrite(kind, place, whole[: len(whole) // 2] if text is None else text)
    told = line(StoreError, kind, place)
    assert f"run {kind.COMMAND} again" in told


@every
def test_a_value_of_another_type_is_one_line_that_names_it(
    kind: type[Result], results: dict[type[Result], Any], tmp_path: Path
) -> None:
    place = kept(results[kind], tmp_path / "run")
    whole = document(kind, place)
    fields = {field.name for field in dataclasses.fields(kind)} - set(kind.TABLES)
    read = ["folders"] if kind is BackboneComparison else [name for name in whole if name in fields]
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
def test_what_a_later_version_adds_is_passed_over_and_what_an_earlier_one_lacks_is_filled(
    kind: type[Result], results: dict[type[Result], Any], tmp_path: Path
) -> None:
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
            assert "damaged" in line(StoreError, kind, place)
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
def test_writing_that_fails_loses_nothing(
    kind: type[Result], results: dict[type[Result], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
