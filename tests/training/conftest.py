"""A road to learn from, small enough that a training takes a third of a second."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from howfar.data import Dataset
from howfar.demo import write_dataset
from howfar.segmenters import segmenter_family
from howfar.segmenters.checkpoint import Checkpoint
from howfar.training.image_mask_pairs import examples_of
from howfar.training.train import TrainingTask, fit
from howfar.training.training_settings import settings_for

SETTINGS = {"size": 32, "batch": 4, "epochs": 3, "holdout": 0.25}


@pytest.fixture(scope="session")
def roads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images with masks."""
    return write_dataset(tmp_path_factory.mktemp("training") / "roads", 8, seed=0, size=64)


@pytest.fixture(scope="session")
def task(roads: Path) -> Callable[..., TrainingTask]:
    """A narrow DeepCrack to train on the roads: two steps an epoch, three epochs, two images held out."""

    def make(folder: Path = roads, width: int = 4, **given: Any) -> TrainingTask:
        parts = {name: given.pop(name) for name in ("extra", "start") if name in given}
        settings = settings_for(segmenter_family("deepcrack"), **{**SETTINGS, **given})
        examples = examples_of(Dataset.from_folder(folder))
        return TrainingTask("deepcrack", {"width": width}, "roads", examples, settings, pretrained=False, **parts)

    return make


@pytest.fixture
def trained(task: Callable[..., TrainingTask], tmp_path: Path) -> Callable[..., Checkpoint]:
    """Train such a task, its state below the test's own folder."""

    def run(workers: int = 0, **given: Any) -> Checkpoint:
        return fit(task(**given), tmp_path / "state", device="cpu", workers=workers, progress=False)

    return run


@pytest.fixture(scope="session")
def undisturbed(task: Callable[..., TrainingTask], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Checkpoint]:
    """What such a task comes to where nothing disturbs it, trained once for all tests."""

    @cache
    def run(**given: Any) -> Checkpoint:
        return fit(task(**given), tmp_path_factory.mktemp("state"), device="cpu", progress=False)

    return run
