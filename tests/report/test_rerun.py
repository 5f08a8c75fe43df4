"""The Python that a report shows gives the same numbers again, with gaps for what the result does not tell."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

import howfar
from figures import believable_adaptation
from howfar.data import parse
from howfar.demo import write_dataset
from howfar.report.reproduction_code import NOT_RECORDED, argument, rerun, rerun_adaptation
from howfar.results import Comparison, Relation
from howfar.results.adaptation_result import Adaptation
from packed import tar_bytes, write_parquet


def draw(place: Path, n: int, shade: int) -> Path:
    place.mkdir(parents=True)
    for i in range(n):
        Image.new("RGB", (32, 32), (shade, (37 * i) % 256, (91 * i) % 256)).save(place / f"{i}.png")
    return place


@pytest.mark.parametrize("packed", [False, True])
def test_the_call_gives_the_same_numbers_again(packed: bool, tmp_path: Path) -> None:
    folders = [draw(tmp_path / "it's P" / "images", 12, 10), draw(tmp_path / "one", 9, 40), draw(tmp_path / "two", 8, 200)]
    primary: Path = folders[0].parent
    others: Any = {"a=b": folders[1], 'say "c"': folders[2]}
    if packed:
        images = [{file.name: file.read_bytes() for file in sorted(folder.iterdir())} for folder in folders]
        primary = tmp_path / "p.tar"
        primary.write_bytes(tar_bytes(images[0].items()))
        (tmp_path / "a.tar").write_bytes(tar_bytes(images[1].items()))
        others = [tmp_path / "a.tar", write_parquet(tmp_path / "b.parquet", images[2])]
    quick: dict[str, Any] = {"components": 3, "seed": 4, "bootstrap": 20, "permutations": 9, "neighbours": 2}
    first = howfar.compare(primary, others, "colour_moments", progress=False, **quick)
    found: dict[str, Comparison] = {}
    exec(rerun(first), found)
    pd.testing.assert_frame_equal(found["comparison"].to_frame(), first.to_frame())
    assert found["comparison"].settings == first.settings
    assert found["comparison"].primary == first.primary


def test_gaps_where_the_result_does_not_tell(six: Comparison) -> None:
    text = rerun(six)
    compile(text, "rerun", "exec")
    assert "'training & <set>=<where training & <set> is>'" in text
    assert "from_folder" not in text
    assert "backbone=" in text
    assert "backbone=" not in rerun(replace(six, backbone=replace(six.backbone, name="embeddings"), options={}))
    assert rerun(replace(six, options={})) == NOT_RECORDED
    assert "not recorded" in NOT_RECORDED
    compile(NOT_RECORDED, "rerun", "exec")
    assert argument("roads", {"roads": "/data/roads.csv"}) == "'roads=/data/roads.csv'"
    assert argument("site", {}) == "'site=<where site is>'"
    assert argument("a=b", {"a=b": "/data/ab"}) == "howfar.Dataset.from_folder('/data/ab', name='a=b')"


def test_a_relation_is_made_again_with_its_settings(six: Comparison, related: Relation) -> None:
    text = rerun(six, related)
    compile(text, "rerun", "exec")
    assert text.startswith(rerun(six))
    assert "howfar.relate(\n    comparison,\n    ['<the files of performances>']," in text
    for line in ("threshold=0.43,", "tau=0.5,", "error_rate=0.1,", "group='(.*)-\\\\d+',", "estimator='signals',"):
        assert f"    {line}" in text
    assert "threshold_source" not in text
    # An earlier version did not record what was asked for: the estimator that was used is named.
    earlier = replace(related, settings=replace(related.settings, estimator=""), estimator="knn")
    assert "    estimator='knn'," in rerun(six, earlier)


def test_the_call_of_adapt_has_every_setting(study: Adaptation, study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: dict[str, Any] = {}
    monkeypatch.setattr(howfar, "adapt", lambda *given, **named: called.update(named, given=given), raising=False)
    exec(rerun_adaptation(study))
    secondaries = [f"{name}={study_folder}/data/{k}" for k, name in enumerate(study.secondaries)]
    training = {name: value for name, value in study.settings["training"].items() if name != "seed"}
    assert called == {
        **{name: study.settings[name] for name in study.settings if name != "training"},
        **training,
        "given": ("training & <set>=<where training & <set> is>", secondaries, "unetplusplus"),
        "background": f"plain & empty={study_folder}/data/6",
        "blind": [f"blind, labelled={study_folder}/data/4", f"blind={study_folder}/data/5"],
        "out": "adaptation-again",
    }


def test_datasets_of_unknown_places_are_gaps_and_known_ones_are_read_with_masks(study, bakeoff, tmp_path):
    text = rerun_adaptation(believable_adaptation.without_files(bakeoff))
    compile(text, "rerun", "exec")
    assert "'roads=<where roads is>'" in text
    assert "background=" not in text
    assert "blind=" not in text
    place = write_dataset(tmp_path / "roads", 3, seed=0, size=32)
    text = rerun_adaptation(replace(study, sources={"roads": str(place)}))
    dataset = parse(eval(next(line for line in text.splitlines() if "'roads=" in line).strip().rstrip(",")))
    assert isinstance(dataset, howfar.Dataset)
    assert all(item.mask is not None for item in dataset.items)
