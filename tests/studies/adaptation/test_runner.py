"""Models of a study that a runner of several processes makes: the same numbers, and nothing trained a second time."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from howfar.demo import write_dataset
from howfar.studies.adaptation import models
from howfar.studies.adaptation.adapt import adapt

SETTINGS: dict[str, Any] = {
    "size": 32, "epochs": 1, "batch": 8, "options": {"width": 4}, "bootstrap": 50, "progress": False, "shots": (1,),
    "strategies": ("far", "random"), "seeds": (0, 1), "without_labels": ("norm",), "pool_share": 0.5,
}  # fmt: skip


class Pickling:
    """Sends tasks as a cluster would, and counts them."""

    processes = True

    def __init__(self) -> None:
        self.tasks: list[Any] = []
        self.running = False

    def run(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
        for task in tasks:
            self.tasks.append(task)
            self.running = True
            yield pickle.loads(pickle.dumps(function))(pickle.loads(pickle.dumps(task)))
            self.running = False

    def reduce(self, function: Any, combine: Any, tasks: Any) -> Any:
        raise NotImplementedError

    def on_processors(self) -> Pickling:
        return self


@pytest.fixture(scope="module")
def roads(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("roads")
    return [write_dataset(root / f"r{k}", 12, seed=k, shift=0.3 * k, size=40) for k in range(3)]


def assert_same(one: Any, other: Any) -> None:
    for name in one.TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    assert one.settings == other.settings


def test_all_is_made_by_the_runner_and_the_numbers_are_the_same(
    roads: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, here = Pickling(), []
    for name in ("fit", "adapted", "predict"):
        usual = getattr(models, name)

        def noted(*given: Any, name: str = name, usual: Any = usual, **more: Any) -> Any:
            here.extend([] if runner.running else [name])
            return usual(*given, **more)

        monkeypatch.setattr(models, name, noted)
    spread = adapt(roads[0], roads[1:], "deepcrack", out=tmp_path / "spread", runner=runner, **SETTINGS)
    assert len(runner.tasks) == 2 + 2 * 4  # two seeds; M, norm and two strategies of each
    # M of the first seed tells whether there is batch norm; maps that are there already are only listed.
    assert here.count("fit") == 1
    assert "adapted" not in here
    alone = adapt(roads[0], roads[1:], "deepcrack", out=tmp_path / "alone", **SETTINGS)
    assert_same(spread, alone)
