"""Define `RunnerTests`, a pytest class that a plug-in inherits to test its runner of parallel tasks."""

import os
import time
from dataclasses import dataclass
from functools import partial
from operator import add
from pathlib import Path

import pytest

from howfar.protocols import Runner

SETTLE_SECONDS = 0.2
PAUSE_SECONDS = 0.005


@dataclass(frozen=True)
class RecordedTask:
    """Describe a task that marks its begin and end by files in `folder`, and raises `ValueError` if it `fails`."""

    folder: Path
    number: int
    seconds: float = 0.0
    fails: bool = False


def perform(task: RecordedTask) -> int:
    """Perform a task and return its number."""
    (task.folder / f"begun-{task.number}").touch()
    time.sleep(task.seconds)
    if task.fails:
        raise ValueError(f"task {task.number} fails")
    (task.folder / f"ended-{task.number}").touch()
    return task.number


def scaled(number: int, by: int) -> int:
    """Multiply two numbers; with `functools.partial`, a function with a bound argument."""
    return number * by


class RunnerTests:
    """Check what a runner must keep; inherit it and define `make_runner`; `look_ahead` tasks may begin beyond those yielded."""

    look_ahead = 32

    @property
    def many(self) -> int:
        """Give a number of tasks far above the look-ahead."""
        return 4 * self.look_ahead + 24

    def make_runner(self) -> Runner:
        """Make a new runner to test."""
        raise NotImplementedError("make_runner must give a runner")

    def test_is_a_runner_by_name(self) -> None:
        """Check that a runner has the methods of the protocol, with the same names of arguments."""
        assert list(self.make_runner().run(function=abs, tasks=[-2])) == [2]
        assert self.make_runner().reduce(function=abs, combine=add, tasks=[-2, 3]) == 5
        assert list(self.make_runner().on_processors().run(abs, [-2])) == [2]

    def test_every_task_runs_once_and_results_come_in_order(self, tmp_path: Path) -> None:
        """Check that every task is run, and gives its result at its turn although the first tasks take longest."""
        tasks = [RecordedTask(tmp_path, k, seconds=0.03 if k < 3 else 0.0) for k in range(self.many)]
        assert list(self.make_runner().run(perform, tasks)) == list(range(self.many))
        assert _begun(tmp_path) == _ended(tmp_path) == set(range(self.many))

    def test_functions_tasks_and_results_of_many_kinds(self) -> None:
        """Check bound arguments, records as tasks, containers and None as results, no task, and several runs at once."""
        runner = self.make_runner()
        assert list(runner.run(abs, [])) == []
        assert list(runner.run(_nothing, [1, 2, 3])) == [None] * 3
        assert list(runner.run(partial(scaled, by=7), range(5))) == [0, 7, 14, 21, 28]
        assert list(runner.run(list, [(Path("a"), 1.5), (Path("b"), None)])) == [[Path("a"), 1.5], [Path("b"), None]]
        first, second = runner.run(abs, range(-6, 0)), runner.run(abs, range(-9, -3))
        assert list(zip(first, second, strict=True)) == [(6 - k, 9 - k) for k in range(6)]

    def test_nothing_starts_before_it_is_asked_for(self, tmp_path: Path) -> None:
        """Check that no task begins before the first result is read."""
        results = self.make_runner().run(perform, [RecordedTask(tmp_path, k) for k in range(4)])
        time.sleep(PAUSE_SECONDS)
        assert _begun(tmp_path) == set()
        assert list(results) == [0, 1, 2, 3]

    def test_runs_only_so_far_ahead(self, tmp_path: Path) -> None:
        """Check that results do not pile up in memory for a slow consumer: tasks begin at most `look_ahead` in advance."""
        results = self.make_runner().run(perform, [RecordedTask(tmp_path, k) for k in range(self.many)])
        for read in range(1, 4):
            next(results)
            time.sleep(SETTLE_SECONDS)
            assert len(_begun(tmp_path)) <= read + self.look_ahead
        _close(results)

    def test_an_exception_is_raised_at_its_turn(self, tmp_path: Path) -> None:
        """Check that an exception has the task's type and text and comes after the results before it, and ends the run.

        The tasks that had begun have ended by then, and no other begins.
        """
        results = self.make_runner().run(perform, _failing(tmp_path, at=5, count=self.many))
        assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(ValueError, match="task 5 fails"):
            next(results)
        begun = _begun(tmp_path)
        assert _ended(tmp_path) == begun - {5}
        assert len(begun) <= 6 + self.look_ahead
        time.sleep(SETTLE_SECONDS)
        assert _begun(tmp_path) == begun
        with pytest.raises(StopIteration):
            next(results)

    def test_it_says_whether_tasks_have_processes_of_their_own(self) -> None:
        """Check that `processes` tells whether tasks run in other processes, as numerics that use all cores must know."""
        runner = self.make_runner()
        own = os.getpid()
        assert runner.processes == all(pid != own for pid in runner.run(_process, range(3)))

    def test_a_reduction_is_bracketed_by_the_number_of_tasks_alone(self, tmp_path: Path) -> None:
        """Check that neighbours are combined first, then pairs of them, so that every runner rounds sums alike.

        A reduction takes far more tasks than the look-ahead, and raises a task's exception.
        """
        runner, count = self.make_runner(), self.many
        assert runner.reduce(str, "({}{})".format, [7]) == "7"
        assert runner.reduce(str, "({}{})".format, range(5)) == "(((01)(23))4)"
        assert runner.reduce(str, "({}{})".format, range(7)) == "(((01)(23))((45)6))"
        assert runner.reduce(abs, add, range(-count, 0)) == count * (count + 1) // 2
        with pytest.raises(ValueError, match="task 2 fails"):
            self.make_runner().reduce(perform, add, _failing(tmp_path, at=2, count=6))

    def test_closing_early_waits_for_what_runs_and_cancels_the_rest(self, tmp_path: Path) -> None:
        """Check that after `close` no task is running and none begins."""
        tasks = [RecordedTask(tmp_path, k, seconds=PAUSE_SECONDS) for k in range(self.many)]
        results = self.make_runner().run(perform, tasks)
        assert next(results) == 0
        _close(results)
        begun = _begun(tmp_path)
        assert begun == _ended(tmp_path)
        assert len(begun) <= 1 + self.look_ahead
        time.sleep(SETTLE_SECONDS)
        assert _begun(tmp_path) == begun


def _failing(folder: Path, at: int, count: int) -> list[RecordedTask]:
    return [RecordedTask(folder, k, seconds=PAUSE_SECONDS, fails=k == at) for k in range(count)]


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


def _nothing(task: object) -> None:
    return None
