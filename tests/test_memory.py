"""A budget of memory: how it is written, what it allows, and that no number depends on it."""

import importlib
import re
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import howfar
from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.memory import at_a_time, beside, budget, is_set, parse_size, within
from howfar.option_checks_and_signatures import checked
from howfar.options_by_function import CompareSettings
from howfar.pipeline.pair_measurement import check_plan, measure
from howfar.pipeline.permutation_tests import permutation_p_value
from howfar.projection import Projector, joint_pca
from howfar.results import Settings
from howfar.runners import LocalRunner, RayRunner
from howfar.significance import relabellings
from howfar.studies.distance_matrix import matrix


@pytest.mark.parametrize(
    ("size", "count"),
    [
        ("2GB", 2 * 10**9),
        ("2 gb", 2 * 10**9),
        ("2G", 2 * 10**9),
        ("1.5GiB", 3 << 29),
        ("512M", 512 * 10**6),
        ("64KiB", 64 << 10),
        ("1T", 10**12),
        ("700", 700),
        ("700B", 700),
        (700, 700),
    ],
)
def test_sizes_as_people_write_them(size, count):
    assert parse_size(size) == count


@pytest.mark.parametrize("size", ["", "much", "-2GB", "2XB", "0", 0, -5, "0.1B", "nan", "1e9", "2GB 3"])
def test_what_is_no_size_is_one_clear_line(size):
    with pytest.raises(InputError, match=r"^memory must be a size, got .*: write 512MB, 2GB, 1.5GiB, or bytes$"):
        parse_size(size)


def test_a_budget_ends_with_the_work_and_is_shared_with_what_is_kept():
    def fits() -> int:
        return at_a_time(1000, each=10**6, held=0, what="rows")

    assert (fits(), is_set()) == (1000, False)
    with within("200MB"):
        whole = fits()
        with beside(50 * 10**6):
            assert fits() == whole - 50
        with within("100MB"):
            assert fits() == whole - 100
        assert (fits(), is_set()) == (whole, True)
    with pytest.raises(InputError, match="memory must be at least"), within("34MB"):
        at_a_time(3, each=5 * 10**6, held=10**6, what="rows")
    assert not is_set()
    with beside(10**12):
        assert fits() == 1000


def features(n: int, m: int, q: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    spread = 4.0 * np.arange(1, q + 1) ** -0.4
    return (rng.normal(size=(n, q)) * spread + 9).astype(np.float32), (rng.normal(size=(m, q)) * spread + 9.5).astype(
        np.float32
    )


@pytest.mark.parametrize("memory", ["31MB", "33MB", "45MB", "1GB"])
@pytest.mark.parametrize(("sizes", "mode"), [((60, 40, 3000), "pair"), ((60, 40, 3000), "primary"), ((900, 700, 30), "joint")])
def test_no_projection_depends_on_it(memory, sizes, mode):
    p, s = features(*sizes)
    free, bound = Projector(p, 5), Projector(p, 5)
    (wanted,) = free.project([s], mode)
    own, basis = free.own(), free.basis()
    with within(memory):
        (found,) = bound.project([s], mode)
        size = np.abs(wanted.secondary).max()
        np.testing.assert_allclose(found.secondary, wanted.secondary, rtol=0, atol=1e-9 * size)
        np.testing.assert_allclose(bound.own(), own, rtol=0, atol=1e-9 * size)
        np.testing.assert_allclose(bound.basis().scores(s), basis.scores(s), rtol=0, atol=1e-9 * size)


def test_blocks_become_smaller():
    p, s = features(60, 40, 3000)
    widths: list[int] = []

    class Seen:
        def __init__(self, x: np.ndarray) -> None:
            self.x, self.shape = x, x.shape

        def rows(self, start: int, stop: int) -> Any:
            return self.x[start:stop]

        def columns(self, start: int, stop: int) -> Any:
            widths.append(stop - start)
            return self.x[:, start:stop]

    joint_pca(Seen(p), Seen(s), 5)
    assert max(widths) == 3000
    widths.clear()
    with within("29900KB"):
        joint_pca(Seen(p), Seen(s), 5)
    assert max(widths) < 500


def test_no_p_value_depends_on_it(monkeypatch):
    pair = joint_pca(*features(300, 200, 40), 5)
    drawn: list[int] = []

    def counted(m: int, n: int, draws: int, rng: np.random.Generator, groups: None) -> Any:
        drawn.append(draws)
        return relabellings(m, n, draws, rng, groups)

    monkeypatch.setattr("howfar.pipeline.permutation_tests.relabellings", counted)
    wanted = [permutation_p_value(pair, 200, (seed,)) for seed in range(5)]
    with within("40100KB"):
        found = [permutation_p_value(pair, 200, (seed,)) for seed in range(5)]
    assert found == wanted
    assert drawn[:5] == [200] * 5
    assert len(drawn) > 10
    assert sum(drawn[5:]) == 1000
    assert measure(pair, bootstrap=0).i_dist.shape == (200,)


@pytest.mark.parametrize(
    ("sizes", "what"),
    [
        ((3000, 200, 40_000), "the inner products of 3,200 images"),
        ((9000, 200, 2000), "the moments of 2,000 features"),
        ((9000, 200, 4), "distances of 9,200 images"),
    ],
)
def test_what_cannot_fit_is_said_before_any_work(sizes, what, monkeypatch):
    class Untouched:
        """Rows that must not be read."""

        def __init__(self, n: int, q: int) -> None:
            self.shape = (n, q)

        def rows(self, start: int, stop: int) -> Any:
            raise AssertionError

        columns = rows

    from howfar.results import Features
    from howfar.runners import LocalRunner
    from howfar.studies.compare_datasets import compared
    from howfar.studies.study_inputs import Execution

    n, m, q = sizes
    pair = [
        Features(name, Untouched(k, q), names, names, names, (q,), {"name": "made"})
        for name, k in (("p", n), ("s", m))
        for names in [tuple(map(str, range(k)))]
    ]
    settings = Settings(**checked(CompareSettings, {"bootstrap": 0}))
    with within("60MB"), pytest.raises(InputError, match=rf"memory must be at least \d[\d,]* MB for {what}, got '60 MB': give"):
        compared(pair, "made", settings, Execution(None, LocalRunner(), None, None, progress=False))


def test_every_job_takes_it_and_plans_every_step_before_an_image_is_read(tmp_path):
    roads, site = (write_dataset(tmp_path / name, 6, seed=k, size=48) for k, name in enumerate(("roads", "site")))
    given: dict[str, Any] = {"store": tmp_path / "store", "progress": False}
    planned: list[Any] = [
        partial(howfar.compare, roads, site, "colour_moments", **given),
        partial(howfar.compare_backbones, roads, site, ["colour_moments", "pixels"], **given),
        partial(matrix, [roads, site], "colour_moments", **given),
    ]
    jobs = [*planned, *(partial(job, roads, "colour_moments", **given) for job in (howfar.profile, howfar.embed))]
    for job in jobs:
        with pytest.raises(InputError, match="memory must be at least"):
            job(memory="2MB")
        with pytest.raises(InputError, match="memory must be a size"):
            job(memory="some")
    for job in planned:
        with pytest.raises(InputError, match="for distances of 12 images"):
            job(memory="60MB", bootstrap=300_000)
    assert not list((tmp_path / "store").rglob("*.npy"))
    for job in jobs:
        job(memory="300MB")


def test_processes_of_one_machine_share_it():
    with within("200MB"), beside(4 * 10**6):
        part = budget(4)
        assert part is not None
        assert (part.total, part.reserved) == (49 * 10**6, 0)
    # All tasks' needs and what is left to results: 4 · (28 MiB + 50 MB) + 4 MB.
    said = r"at least 322 MB for rows, 4 tasks at a time, got '200 MB': give more, or have fewer workers, or take fewer"
    with within(part), pytest.raises(InputError, match=said):
        at_a_time(1, each=1, held=50 * 10**6, what="rows")
    with within("322MB"), beside(4 * 10**6):
        part = budget(4)
    with within(part):
        assert at_a_time(1, each=1, held=50 * 10**6, what="rows") == 1
    assert budget() is None


def test_pairs_that_are_tasks_are_planned_within_their_part(monkeypatch):
    monkeypatch.setattr("howfar.pipeline.pair_measurement.available_cores", lambda: 4)
    settings = Settings(**checked(CompareSettings, {"bootstrap": 1000}))
    sizes, runner = [3000, 3000], RayRunner(workers=3)
    with within("280MB"):
        check_plan(sizes, 64, 1, settings)
        with pytest.raises(InputError, match=r"for distances of 6,000 images, 3 tasks at a time, got '280 MB'"):
            check_plan(sizes, 64, 1, settings, executor=runner)
        check_plan(sizes, 64, 1, replace(settings, projection="joint"), executor=runner)
        check_plan(sizes, 64, 1, settings, executor=LocalRunner(workers=3))


@pytest.mark.parametrize("value", ["lots", "-1", "2XB"])
def test_a_variable_that_is_no_size_is_told_once_and_at_once(value, tmp_path, monkeypatch, capsys):
    roads = write_dataset(tmp_path / "roads", 2, seed=0, size=32)
    monkeypatch.setenv("HOWFAR_MEMORY", value)
    line = f"HOWFAR_MEMORY must be a size, got '{value}': write 512MB, 2GB, 1.5GiB, or bytes"
    for command in (["compare", str(roads), str(roads)], ["store", "size"], ["report", str(roads)], ["data"]):
        assert run(command) == 2
        assert capsys.readouterr().err == f"howfar: {line}\n"
    with pytest.raises(InputError) as caught:
        howfar.compare(roads, roads)
    assert str(caught.value) == line
    assert run(["--version"]) == run(["compare", "--help"]) == 0
    monkeypatch.setenv("HOWFAR_MEMORY", "")
    assert run(["data"]) == 0


def test_what_is_named_as_the_least_is_enough(tmp_path, monkeypatch):
    """Also where results take much, where a batch takes the most, and whichever of two sets comes first in a matrix."""
    roads, site = (write_dataset(tmp_path / name, 3, seed=k, size=48) for k, name in enumerate(("roads", "site")))
    given: dict[str, Any] = {"store": tmp_path / "store", "progress": False, "bootstrap": 9}
    wide = {name: np.random.default_rng(n).normal(size=(n, 900)) for name, n in (("a", 700), ("b", 100), ("c", 90))}
    jobs: list[Any] = [
        partial(matrix, wide, progress=False, bootstrap=9),
        partial(howfar.compare, roads, site, "pixels", workers=500, **given),
    ]
    for module in ("study_inputs", "compare_datasets"):
        monkeypatch.setattr(importlib.import_module(f"howfar.studies.{module}"), "kept", lambda *_: 30 << 20)
    jobs.append(partial(howfar.compare, roads, site, "colour_moments", **given))
    for job in jobs:
        with pytest.raises(InputError, match=r"at least [\d,]+ MB") as caught:
            job(memory="2MB")
        found = re.search(r"at least ([\d,]+) MB", str(caught.value))
        job(memory=f"{found[1].replace(',', '')}MB")
