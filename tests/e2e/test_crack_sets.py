"""On real images every crack set is nearer to P than photographs, and distance turns with the dial of the synthetic shift."""

from pathlib import Path

import pytest

import howfar
from howfar.demo import write_dataset

CRACKS = ("aiglern_tiles", "gaps384_tiles", "cfd", "shadowcrack_tiles", "crack500_tiles")
OTHERS = ("voc2007", "bsds500")
SHARE = 100


@pytest.fixture(scope="module")
def sets(research_images: Path) -> dict[str, howfar.Dataset]:
    """At most 100 images of each set, evenly spread over its listing."""
    found = {}
    for name in ("deepcrack_tiles", *CRACKS, *OTHERS):
        whole = howfar.Dataset.from_folder(research_images / name)
        step = max(1, len(whole) // SHARE)
        found[name] = howfar.Dataset(name, whole.items[::step][:SHARE], root=whole.root)
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def test_crack_sets_are_nearer_than_photographs(sets: dict[str, howfar.Dataset], store: Path) -> None:
    found = howfar.compare(
        sets["deepcrack_tiles"],
        [sets[name] for name in (*CRACKS, *OTHERS)],
        store=store,
        baselines=False,
        permutations=0,
        bootstrap=0,
        progress=False,
    )
    relative = {dataset.name: dataset.relative for dataset in found.datasets}
    assert max(relative[name] for name in CRACKS) < min(relative[name] for name in OTHERS)


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
