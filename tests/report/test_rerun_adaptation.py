from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import howfar
from howfar.data import parse
from howfar.demo import write_dataset
from howfar.report.rerun import rerun_adaptation
from howfar.results.adaptation import Adaptation


def test_the_call_is_python_with_every_setting(study: Adaptation, study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: dict[str, Any] = {}
    monkeypatch.setattr(howfar, "adapt", lambda *given, **named: called.update(named, given=given), raising=False)
    exec(rerun_adaptation(study))
    primary, secondaries, segmenter = called.pop("given")
    assert primary == "training & <set>=<where training & <set> is>"
    assert secondaries == [f"{name}={study_folder}/data/{k}" for k, name in enumerate(study.secondaries)]
    assert segmenter == "unetplusplus"
    assert called.pop("background") == f"plain & empty={study_folder}/data/6"
    assert called.pop("blind") == [f"blind, labelled={study_folder}/data/4", f"blind={study_folder}/data/5"]
    assert called.pop("out") == "adaptation-again"
    training = dict(study.settings["training"])
    del training["seed"]
    assert called == {
        **{name: study.settings[name] for name in study.settings if name != "training"},
        **training,
    }


def test_datasets_of_unknown_places_are_gaps(bakeoff: Adaptation, studies: Any) -> None:
    text = rerun_adaptation(studies.without_files(bakeoff))
    compile(text, "rerun", "exec")
    assert "'roads=<where roads is>'" in text
    assert "background=" not in text
    assert "blind=" not in text


def test_the_folder_named_is_one_whose_masks_are_found(study: Adaptation, tmp_path: Path) -> None:
    place = write_dataset(tmp_path / "roads", 3, seed=0, size=32)
    text = rerun_adaptation(replace(study, sources={"roads": str(place)}))
    line = next(line for line in text.splitlines() if "'roads=" in line)
    dataset = parse(eval(line.strip().rstrip(",")))
    assert isinstance(dataset, howfar.Dataset)
    assert all(item.mask is not None for item in dataset.items)
