"""Secondaries kept as they are measured: a run that was killed goes on, and its numbers are those of an undisturbed one."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import howfar
from howfar import registry
from howfar.arrays import as_rows
from howfar.io.partial_results import KeptArrays
from howfar.pipeline import pair_measurement as module
from howfar.pipeline.pair_measurement import FOLDER, MeasuredPair, MeasurePairs, measured_pairs
from howfar.results import Comparison, Features, Settings
from howfar.runners import RayRunner

P = np.random.default_rng(0).normal(size=(40, 12))
SETS = {
    name: np.random.default_rng(seed).normal(seed / 4, 1.0, size=(30 + seed, 12)) for seed, name in enumerate("abcd", start=1)
}


def compare(**given: Any) -> Comparison:
    options = {"components": 5, "bootstrap": 40, "permutations": 19, "progress": False, **given}
    return howfar.compare(options.pop("primary", P), options.pop("secondaries", SETS), **options)


@pytest.fixture(autouse=True)
def plain_runs(monkeypatch) -> None:
    """Results without their reports, which take longest by far."""
    monkeypatch.setattr("howfar.studies.compare_datasets.draw", lambda result, folder, **_: folder)


@pytest.fixture
def measured(monkeypatch) -> list[int]:
    """How many images each secondary has that was measured, in their order."""
    found: list[int] = []
    measure: Callable[..., Any] = module.measure

    def counted(pair: Any, *given: Any) -> Any:
        found.append(len(pair.secondary))
        return measure(pair, *given)

    monkeypatch.setattr(module, "measure", counted)
    return found


@pytest.fixture
def cut_short(monkeypatch, measured) -> Callable[..., None]:
    """A run that is stopped when the third pair is kept."""
    keep = KeptArrays.keep
    kept: list[str] = []

    def stop(self: KeptArrays, key: str, arrays: Any) -> None:
        keep(self, key, arrays)
        kept.append(key)
        if len(kept) == 3:
            raise KeyboardInterrupt

    def run(**given: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(KeptArrays, "keep", stop)
            with pytest.raises(KeyboardInterrupt):
                compare(**given)
        del measured[:], kept[:]

    return run


def check_same(found: Comparison, wanted: Comparison, **tolerance: float) -> None:
    given: dict[str, Any] = tolerance or {"check_exact": True}
    for one, other in (
        (found.to_frame(), wanted.to_frame()),
        (found.images, wanted.images),
        (found.primary_images, wanted.primary_images),
    ):
        pd.testing.assert_frame_equal(one, other, **given)


@pytest.mark.parametrize("projection", ["pair", "primary", "joint", "none"])
@pytest.mark.parametrize("change", [{}, {"rivals": False}, {"bootstrap": 0, "permutations": 0}, {"primary": P[:1]}])
def test_a_killed_run_goes_on(projection, change, tmp_path, measured, cut_short):
    wanted = compare(projection=projection, **change)
    cut_short(projection=projection, out=tmp_path, **change)
    assert len(list((tmp_path / FOLDER).glob("*.npz"))) == 3
    found = compare(projection=projection, out=tmp_path, **change)
    assert measured == [34]
    check_same(found, wanted)
    # The result is there, and what led to it is not.
    check_same(Comparison.load(tmp_path), wanted)
    assert not (tmp_path / FOLDER).exists()


@pytest.mark.parametrize(
    "change",
    [
        {"components": 4},
        {"seed": 1},
        {"bootstrap": 41},
        {"permutations": 20},
        {"neighbours": 3},
        {"rivals": False},
        {"projection": "none"},
        {"primary": P[:39]},
        {"secondaries": {name: rows + 1.0 for name, rows in SETS.items()}},
        # The draws of a set depend on its name.
        {"secondaries": {f"other {name}": rows for name, rows in SETS.items()}},
    ],
    ids=str,
)
def test_what_a_pair_depends_on(change, tmp_path, measured, cut_short):
    cut_short(out=tmp_path)
    check_same(compare(out=tmp_path, **change), compare(**change))
    assert measured[:4] == [31, 32, 33, 34]


def test_other_secondaries_make_no_difference_but_in_one_space(tmp_path, measured, cut_short):
    for projection, wanted in (("pair", [34, 30]), ("joint", [31, 32, 33, 34, 30])):
        cut_short(out=tmp_path / projection, projection=projection)
        compare(out=tmp_path / projection, projection=projection, secondaries={**SETS, "new": P[:30] + 2.0})
        assert measured == wanted
        del measured[:]


def test_a_damaged_file_is_measured_anew(tmp_path, measured, cut_short):
    cut_short(out=tmp_path)
    files = sorted((tmp_path / FOLDER).glob("*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:-30])
    np.savez(files[1], other=np.array("{}"))
    files[2].write_bytes(b"")
    check_same(compare(out=tmp_path), compare())
    assert sorted(measured[:4]) == [31, 32, 33, 34]


def test_several_backbones_go_on_too(tmp_path, demo_folders, measured, monkeypatch):
    options: dict[str, Any] = {"store": tmp_path / "store", "progress": False, "limit": 9, "bootstrap": 20, "permutations": 9}
    both = ["colour_moments", "pixels"]

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("howfar.studies.backbone_agreement.with_agreement", stop)
        with pytest.raises(KeyboardInterrupt):
            howfar.compare_backbones(demo_folders[0], demo_folders[1:3], both, out=tmp_path / "run", **options)
    del measured[:]
    found = howfar.compare_backbones(demo_folders[0], demo_folders[1:3], both, out=tmp_path / "run", **options)
    # The trivial backbones' own rows are not kept: they take next to nothing.
    assert len(measured) == 4
    wanted = howfar.compare_backbones(demo_folders[0], demo_folders[1:3], both, **options)
    pd.testing.assert_frame_equal(found.to_frame(), wanted.to_frame(), check_exact=True)
    assert (tmp_path / "run" / "backbones.json").is_file()
    assert not (tmp_path / "run" / FOLDER).exists()


def test_another_version_and_another_distance_are_measured_anew(tmp_path, measured, cut_short, monkeypatch):
    cut_short(out=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("howfar.io.partial_results.metadata.version", lambda _: "0.0.0")
        cut_short(out=tmp_path)
    names = registry.names
    with monkeypatch.context() as patch:
        patch.setattr(registry, "names", lambda kind: [name for name in names(kind) if name != "kid"])
        found = compare(out=tmp_path)
    assert measured == [31, 32, 33, 34]
    assert "kid" not in found.datasets[0].rivals


def test_the_images_of_p_are_drawn_once_for_all(monkeypatch):
    drawn: list[Any] = []
    measure = module.measure

    def seen(*given: Any) -> Any:
        drawn.append(given[5])
        return measure(*given)

    monkeypatch.setattr(module, "measure", seen)
    compare()
    assert drawn[0].shape == (40, 40)
    assert all(one is drawn[0] for one in drawn)
    compare(bootstrap=0)
    assert drawn[4:] == [None] * 4


def test_a_folder_of_pairs_that_cannot_be_made_is_done_without(tmp_path):
    (tmp_path / FOLDER).touch()
    check_same(compare(out=tmp_path), compare())


def test_pairs_as_tasks_of_a_cluster(tmp_path, measured):
    pytest.importorskip("ray", reason="needs howfar[ray]")
    import ray

    try:
        for projection in ("pair", "primary", "joint"):
            here = compare(projection=projection)
            del measured[:]
            there = compare(projection=projection, runner=RayRunner(workers=2), out=tmp_path / projection)
            # In one space for all, all are measured by one process.
            assert len(measured) == (4 if projection == "joint" else 0)
            check_same(there, here, rtol=1e-9)
    finally:
        ray.shutdown()


def test_a_task_holds_no_names_and_no_paths():
    held: list[MeasurePairs] = []

    class Cores:
        def run(self, function: MeasurePairs, tasks: list[int]) -> Iterator[MeasuredPair]:
            held.append(function)
            return map(function, tasks)

    class Elsewhere:
        """Its own tasks would wait for an accelerator."""

        processes = True

        def on_processors(self) -> Cores:
            return Cores()

    def features(name: str, rows: np.ndarray) -> Features:
        there = tuple(f"{name}-{k}" for k in range(len(rows)))
        return Features(name, as_rows(rows, name), there, there, there, (12,), {"name": "embeddings"})

    settings = Settings(5, "pair", "none", 0, 10, 9, 5)
    work = MeasurePairs(features("p", P), [features(*one) for one in SETS.items()], settings)
    found = list(measured_pairs(work, Elsewhere()))  # type: ignore[arg-type]  # all of a runner that is asked for
    (bare,) = held
    for one in (bare.primary, *bare.secondaries):
        assert one.images == one.paths == one.contents == one.skipped == ()
    for one, other in zip(found, work.each(range(4)), strict=True):
        np.testing.assert_array_equal(one.i_dist, other.i_dist)
        assert one.row == other.row
