"""What trivial backbones say of a pair is measured once, and again where anything that decides on it has changed."""

import os
from pathlib import Path
from typing import Any

import pytest

import howfar
from howfar.demo import write_dataset
from howfar.pipeline import pair_measurement as module
from howfar.store import Store
from howfar.studies import compare_datasets

measured: list[int] = []


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the pairs that are measured, of small datasets too."""
    measure = module.measure

    def count(*arguments: Any) -> Any:
        measured.append(1)
        return measure(*arguments)

    monkeypatch.setattr(compare_datasets, "LARGE", 1)
    monkeypatch.setattr(module, "measure", count)
    measured.clear()


@pytest.fixture
def sets(tmp_path: Path) -> list[Path]:
    return [write_dataset(tmp_path / name, 4, seed=seed, size=48) for seed, name in enumerate("ab")]


def compare(sets: list[Path], **options: Any) -> tuple[howfar.Comparison, int]:
    """Compare by a quick backbone, beside one trivial other; return the result and how many pairs were measured."""
    before = len(measured)
    options = {"bootstrap": 0, "permutations": 0, "progress": False, **options}
    return howfar.compare(sets[0], [sets[1]], backbone="colour_moments", **options), len(measured) - before


def test_a_second_run_measures_no_trivial_backbone(sets: list[Path]) -> None:
    first, count = compare(sets)
    assert count == 2
    second, count = compare(sets, seed=5, bootstrap=10)
    assert count == 1
    assert second.baselines == first.baselines
    assert len(first.baselines) == 1


def test_other_settings_images_and_code_are_measured(sets: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    compare(sets)
    for options in ({"components": 2}, {"limit": 3}, {"store": Store(dtype="float16")}):
        assert compare(sets, **options)[1] == 2
    assert compare(sets[::-1])[1] == 2
    monkeypatch.setattr(module, "code_stamp", lambda *_: "another")
    assert compare(sets)[1] == 2


@pytest.mark.parametrize("of_another", [False, True])
def test_a_file_that_is_damaged_or_of_another_pair_is_made_anew(of_another: bool, sets: list[Path]) -> None:
    first, _ = compare(sets)
    (file,) = (Path(os.environ["HOWFAR_STORE"]) / "baselines" / ".pairs").iterdir()
    compare(sets[::-1])
    (other,) = set(file.parent.iterdir()) - {file}
    file.write_bytes(other.read_bytes() if of_another else file.read_bytes()[:100])
    second, count = compare(sets)
    assert (count, second.baselines) == (2, first.baselines)
    assert compare(sets)[1] == 1
