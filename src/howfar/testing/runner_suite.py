"""What every runner must do, as tests: subclass `RunnerTests` and make one.

::

    class TestMyRunner(RunnerTests):
        def make_runner(self):
            return MyRunner(workers=3)
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from howfar.protocols import Runner

SETTLE_SECONDS = 0.2
PAUSE_SECONDS = 0.005


@dataclass(frozen=True)
class Errand:
    """A task that leaves a trace on disk, where a runner in any process or machine-wide cluster leaves it too.

    Attributes
    ----------
    folder
        Where the traces go: ``begun-<number>`` and ``ended-<number>``.
    number
        Its place in the order.
    seconds
        How long it takes.
    fails
        Whether it raises `ValueError`.
    """

    folder: Path
    number: int
    seconds: float = 0.0
    fails: bool = False


def do(errand: Errand) -> int:
    """Do an errand and give its number."""
    (errand.folder / f"begun-{errand.number}").touch()
    time.sleep(errand.seconds)
    if errand.fails:
        raise ValueError(f"errand {errand.number} fails")
    (errand.folder / f"ended-{errand.number}").touch()
    return errand.number


def scaled(number: int, by: int) -> int:
    """Multiply; bound with `functools.partial` it is a function that carries its settings with it."""
    return number * by


class RunnerTests:
    """The contract of `howfar.protocols.Runner`. `look_ahead` is how many tasks may be begun beyond those handed over."""

    look_ahead = 32

    @property
    def many(self) -> int:
        """Tasks that are far more than any look-ahead."""
        return 4 * self.look_ahead + 24

    def make_runner(self) -> Runner:
        """Give a new runner to test."""
        raise NotImplementedError("make_runner must give a runner")

    def test_is_a_runner_by_name(self) -> None:
        """It has the methods of the protocol, with their arguments by name."""
        assert list(self.make_runner().run(function=abs, tasks=[-2])) == [2]
        assert self.make_runner().reduce(function=abs, combine=_sum, tasks=[-2, 3]) == 5
        assert list(self.make_runner().on_processors().run(abs, [-2])) == [2]

    def test_results_come_in_the_order_of_the_tasks(self, tmp_path: Path) -> None:
        """The first tasks take longest, so they end last wherever several run at once."""
        errands = [Errand(tmp_path, k, seconds=0.03 if k < 3 else 0.0) for k in range(20)]
        assert list(self.make_runner().run(do, errands)) == list(range(20))

    def test_every_task_runs_once(self, tmp_path: Path) -> None:
        """No task is left out at the end, and none is done for nothing."""
        errands = [Errand(tmp_path, k) for k in range(self.many)]
        assert len(list(self.make_runner().run(do, errands))) == len(errands)
        assert _begun(tmp_path) == _ended(tmp_path) == set(range(len(errands)))

    @pytest.mark.parametrize("count", [0, 1])
    def test_few_tasks(self, count: int) -> None:
        """No task gives no result."""
        assert list(self.make_runner().run(abs, [-1] * count)) == [1] * count

    def test_results_may_be_none(self) -> None:
        """A result is passed on whatever it is: no value means "no result yet"."""
        assert list(self.make_runner().run(_nothing, [1, 2, 3])) == [None] * 3

    def test_functions_and_tasks_that_pickle(self) -> None:
        """A function with bound arguments, tasks that are records, results that are containers."""
        runner = self.make_runner()
        assert list(runner.run(partial(scaled, by=7), range(5))) == [0, 7, 14, 21, 28]
        assert list(runner.run(_echo, [(Path("a"), 1.5), (Path("b"), None)])) == [[(Path("a"), 1.5)], [(Path("b"), None)]]

    def test_runs_again(self) -> None:
        """One runner serves many runs, after each other and side by side."""
        runner = self.make_runner()
        assert list(runner.run(abs, [-1, -2])) == [1, 2]
        first, second = runner.run(abs, range(-6, 0)), runner.run(abs, range(-9, -3))
        assert list(zip(first, second, strict=True)) == [(6 - k, 9 - k) for k in range(6)]

    def test_nothing_starts_before_it_is_asked_for(self, tmp_path: Path) -> None:
        """An iterator that nobody reads costs nothing."""
        results = self.make_runner().run(do, [Errand(tmp_path, k) for k in range(4)])
        time.sleep(PAUSE_SECONDS)
        assert _begun(tmp_path) == set()
        assert list(results) == [0, 1, 2, 3]

    def test_runs_only_so_far_ahead(self, tmp_path: Path) -> None:
        """A consumer that stops to think does not find all results heaped up in memory."""
        results = self.make_runner().run(do, [Errand(tmp_path, k) for k in range(self.many)])
        for taken in range(1, 4):
            next(results)
            time.sleep(SETTLE_SECONDS)
            assert len(_begun(tmp_path)) <= taken + self.look_ahead
        _close(results)

    def test_an_exception_is_raised_at_its_turn(self, tmp_path: Path) -> None:
        """The results before it arrive; its type and text are those of the task; it ends the run."""
        results = self.make_runner().run(do, _failing(tmp_path, at=5, count=12))
        assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(ValueError, match="errand 5 fails"):
            next(results)
        with pytest.raises(StopIteration):
            next(results)

    def test_nothing_starts_after_an_exception(self, tmp_path: Path) -> None:
        """When the exception reaches the caller, what had begun has ended and the rest never begins."""
        results = self.make_runner().run(do, _failing(tmp_path, at=2, count=self.many))
        with pytest.raises(ValueError, match="errand 2 fails"):
            list(results)
        begun = _begun(tmp_path)
        assert _ended(tmp_path) == begun - {2}
        assert len(begun) <= 3 + self.look_ahead
        time.sleep(SETTLE_SECONDS)
        assert _begun(tmp_path) == begun

    def test_it_says_whether_tasks_have_processes_of_their_own(self) -> None:
        """Numerics that use all cores by themselves are run as tasks only then."""
        runner = self.make_runner()
        here = os.getpid()
        assert runner.processes == all(pid != here for pid in runner.run(_process, range(3)))

    def test_a_reduction_is_bracketed_by_the_number_of_tasks_alone(self) -> None:
        """Neighbours first, then pairs of neighbours; so that floating-point sums are the same wherever they are taken."""
        runner = self.make_runner()
        assert runner.reduce(str, _bracket, [7]) == "7"
        assert runner.reduce(str, _bracket, range(5)) == "(((01)(23))4)"
        assert runner.reduce(str, _bracket, range(7)) == "(((01)(23))((45)6))"

    def test_a_reduction_of_many_tasks(self) -> None:
        """Far more than any look-ahead."""
        count = self.many
        assert self.make_runner().reduce(abs, _sum, range(-count, 0)) == count * (count + 1) // 2

    def test_an_exception_ends_a_reduction(self, tmp_path: Path) -> None:
        """Its type and text are those of the task."""
        with pytest.raises(ValueError, match="errand 2 fails"):
            self.make_runner().reduce(do, _sum, _failing(tmp_path, at=2, count=6))

    def test_closing_early_waits_for_what_runs_and_cancels_the_rest(self, tmp_path: Path) -> None:
        """After `close` no task is under way and none begins."""
        errands = [Errand(tmp_path, k, seconds=PAUSE_SECONDS) for k in range(self.many)]
        results = self.make_runner().run(do, errands)
        assert next(results) == 0
        _close(results)
        begun = _begun(tmp_path)
        assert begun == _ended(tmp_path)
        assert len(begun) <= 1 + self.look_ahead
        time.sleep(SETTLE_SECONDS)
        assert _begun(tmp_path) == begun


def _failing(folder: Path, at: int, count: int) -> list[Errand]:
    return [Errand(folder, k, seconds=PAUSE_SECONDS, fails=k == at) for k in range(count)]


def _close(results: object) -> None:
    close = getattr(results, "close", None)
    assert callable(close), "run must give an iterator that can be closed early, such as a generator"
    close()


def _begun(folder: Path) -> set[int]:
    return {int(path.name.partition("-")[2]) for path in folder.glob("begun-*")}


def _ended(folder: Path) -> set[int]:
    return {int(path.name.partition("-")[2]) for path in folder.glob("ended-*")}


def _process(task: object) -> int:
    return os.getpid()


def _bracket(left: str, right: str) -> str:
    return f"({left}{right})"


def _sum(left: int, right: int) -> int:
    return left + right


def _nothing(task: object) -> None:
    return None


def _echo(task: tuple[Path, float | None]) -> Sequence[tuple[Path, float | None]]:
    return [task]
