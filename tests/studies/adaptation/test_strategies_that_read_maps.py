"""A bake-off of the strategies that read maps or images, end to end on tiny synthetic roads but for the training of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from howfar.demo import write_dataset
from howfar.segmenters.checkpoint import Checkpoint
from howfar.studies.adaptation.adapt import bakeoff
from howfar.studies.adaptation.models import StudyFolder
from howfar.training.image_mask_pairs import TrainingExample

NAMES = ("foreground_random", "objects", "stratified_entropy", "share_quantiles", "ridge_response")


def test_they_choose_and_what_they_chose_is_learnt_from_and_not_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: dict[str, set[str]] = {}
    train = StudyFolder.trained

    def trained(
        self: StudyFolder, label: str, settings: Any, extra: Sequence[TrainingExample], start: Any = None, ahead: int = 0
    ) -> Checkpoint:
        # Five trainings take half a minute; what is tested here is what they are given.
        if not extra:
            return train(self, label, settings, extra, start, ahead)
        learnt[label.partition("/")[2]] = {example.name for example in extra}
        return Checkpoint.load(self.file("seed0/M"))

    monkeypatch.setattr(StudyFolder, "trained", trained)
    monkeypatch.setattr("howfar.studies.adaptation.adapt.write_run", lambda result, *_, **__: result)  # no figures
    road, site = (write_dataset(tmp_path / name, 12, seed=k, size=40) for k, name in enumerate(("road", "site")))
    training: dict[str, Any] = {
        "size": 32,
        "epochs": 1,
        "batch": 12,
        "options": {"width": 4},
        "bootstrap": 20,
        "progress": False,
    }
    chosen: dict[str, Any] = {"strategies": NAMES, "shots": (2,), "seeds": (0,), "random_seeds": (), "without_labels": ()}
    found = bakeoff(road, [site], "deepcrack", out=tmp_path / "study", **chosen, **training)
    assert list(found.models["model"]) == ["M", *(f"{name}-2" for name in NAMES), "random-2"]
    picked = found.picks.groupby("strategy")["image"].agg(set).to_dict()
    assert learnt == {f"{name}-2": images for name, images in picked.items()}
    assert set(map(len, picked.values())) == {2}
    scored = set(found.images["image"])
    assert scored
    assert not scored & set.union(*picked.values())
