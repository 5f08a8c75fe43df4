from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
from PIL import Image

import howfar
from howfar.report.rerun import NOT_RECORDED, argument, rerun
from howfar.results import Comparison, Relation
from packed import tar_bytes, write_parquet


def draw(place: Path, n: int, shade: int) -> Path:
    place.mkdir(parents=True)
    for i in range(n):
        Image.new("RGB", (32, 32), (shade, (37 * i) % 256, (91 * i) % 256)).save(place / f"{i}.png")
    return place


def test_the_call_gives_the_same_numbers_again(tmp_path: Path) -> None:
    primary = draw(tmp_path / "it's P" / "images", 12, 10).parent
    others = {"a=b": draw(tmp_path / "one", 9, 40), 'say "c"': draw(tmp_path / "two", 8, 200)}
    first = howfar.compare(
        primary, others, "colour_moments", components=3, seed=4, bootstrap=20, permutations=9, neighbours=2, progress=False
    )
    found: dict[str, Comparison] = {}
    exec(rerun(first), found)
    pd.testing.assert_frame_equal(found["comparison"].to_frame(), first.to_frame())
    assert found["comparison"].settings == first.settings
    assert found["comparison"].primary == first.primary


def test_the_call_reads_containers_too(tmp_path: Path) -> None:
    folders = [draw(tmp_path / name, 9, shade) for name, shade in (("p", 10), ("a", 40), ("b", 200))]
    images = [{file.name: file.read_bytes() for file in sorted(folder.iterdir())} for folder in folders]
    (tmp_path / "p.tar").write_bytes(tar_bytes(images[0].items()))
    (tmp_path / "a.tar").write_bytes(tar_bytes(images[1].items()))
    table = write_parquet(tmp_path / "b.parquet", images[2])
    first = howfar.compare(
        tmp_path / "p.tar",
        [tmp_path / "a.tar", table],
        "colour_moments",
        components=3,
        bootstrap=20,
        permutations=9,
        progress=False,
    )
    found: dict[str, Comparison] = {}
    exec(rerun(first), found)
    pd.testing.assert_frame_equal(found["comparison"].to_frame(), first.to_frame())


def test_gaps_where_the_result_does_not_tell(six: Comparison) -> None:
    text = rerun(six)
    compile(text, "rerun", "exec")
    assert "'training & <set>=<where training & <set> is>'" in text
    assert "from_folder" not in text


def test_a_relation_is_made_again_with_its_settings(six: Comparison, related: Relation) -> None:
    text = rerun(six, related)
    compile(text, "rerun", "exec")
    assert text.startswith(rerun(six))
    assert "howfar.relate(\n    comparison,\n    ['<the files of performances>']," in text
    for line in ("threshold=0.43,", "tau=0.5,", "error_rate=0.1,", "group='(.*)-\\\\d+',"):
        assert f"    {line}" in text
    assert "threshold_source" not in text
    assert "    estimator='signals'," in text
    # An earlier version did not record what was asked for: the estimator that was used is named.
    earlier = replace(related, settings=replace(related.settings, estimator=""), estimator="knn")
    assert "    estimator='knn'," in rerun(six, earlier)


def test_embeddings_name_no_backbone(six: Comparison) -> None:
    assert "backbone=" in rerun(six)
    assert "backbone=" not in rerun(replace(six, backbone=replace(six.backbone, name="embeddings"), options={}))


def test_no_call_is_shown_where_the_backbones_options_are_not_recorded(six: Comparison) -> None:
    assert rerun(replace(six, options={})) == NOT_RECORDED
    assert "not recorded" in NOT_RECORDED
    compile(NOT_RECORDED, "rerun", "exec")


def test_a_dataset_is_named_by_its_place() -> None:
    assert argument("roads", {"roads": "/data/roads.csv"}) == "'roads=/data/roads.csv'"
    assert argument("site", {}) == "'site=<where site is>'"
    assert argument("a=b", {"a=b": "/data/ab"}) == "howfar.Dataset.from_folder('/data/ab', name='a=b')"
