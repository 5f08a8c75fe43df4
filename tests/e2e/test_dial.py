"""The synthetic shift is a dial, and distance turns with it."""

from __future__ import annotations

from pathlib import Path

import pytest

import howfar
from howfar.demo import write_dataset

SETTINGS = (0.0, 0.5, 1.0)


@pytest.mark.parametrize("kind", ["lighting", "texture", "crack_width", "clutter"])
def test_distance_grows_with_the_dial(kind: str, tmp_path: Path) -> None:
    write_dataset(tmp_path / "p", 40, seed=0)
    secondaries = []
    for shift in SETTINGS:
        secondaries.append(tmp_path / f"s{shift}")
        write_dataset(secondaries[-1], 20, seed=1, shift=shift, kind=kind)
    found = howfar.compare(
        tmp_path / "p", secondaries, store=tmp_path / "store", baselines=False, bootstrap=0, permutations=99, progress=False
    )
    energies = [dataset.energy for dataset in found.datasets]
    assert energies == sorted(energies)
    assert found.datasets[0].p_value > 0.01
    assert found.datasets[-1].p_value < 0.05
