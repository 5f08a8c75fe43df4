import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from howfar.errors import InputError
from howfar.runners import LocalRunner, available_cores
from howfar.testing import RunnerTests


class TestOneWorker(RunnerTests):
    look_ahead = 0

    def make_runner(self) -> LocalRunner:
        return LocalRunner(workers=1)


class TestThreeWorkers(RunnerTests):
    look_ahead = 6

    def make_runner(self) -> LocalRunner:
        return LocalRunner(workers=3)


def test_workers_run_at_the_same_time():
    # Each task waits for the two others, so this ends only where three run at once.
    barrier = threading.Barrier(3, timeout=20)
    assert list(LocalRunner(3).run(lambda k: (barrier.wait(), k)[1], [0, 1, 2])) == [0, 1, 2]


def test_an_interrupt_cancels_what_has_not_begun():
    begun = []

    def task(k: int) -> int:
        begun.append(k)
        if k == 1:
            raise KeyboardInterrupt
        return k

    with pytest.raises(KeyboardInterrupt):
        list(LocalRunner(2).run(task, range(100)))
    assert len(begun) <= 2 + 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("howfar_")]


def test_closing_early_cancels_what_waits_for_a_thread(monkeypatch):
    begun, running, release = [], threading.Barrier(3, timeout=20), threading.Event()
    shutdown = ThreadPoolExecutor.shutdown

    def shutdown_then_release(executor, wait=True, *, cancel_futures=False):
        shutdown(executor, wait=False, cancel_futures=cancel_futures)
        release.set()
        shutdown(executor, wait=wait)

    def task(k: int) -> None:
        begun.append(k)
        if k:
            running.wait()
            release.wait(20)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", shutdown_then_release)
    results = LocalRunner(2).run(task, range(100))
    next(results)
    running.wait()
    results.close()
    # Two were under way; two more had been handed to the threads and never began.
    assert sorted(begun) == [0, 1, 2]


@pytest.mark.parametrize("workers", [0, -2])
def test_fewer_than_one_worker_is_refused(workers):
    with pytest.raises(InputError, match=f"workers must be at least 1, got {workers}"):
        LocalRunner(workers)


def test_default_is_the_cores_at_hand(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert LocalRunner().workers == available_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert available_cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1
