"""Run tasks in threads of this process, which suits image decoding and numerics that release Python's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from howfar.cores import available_cores
from howfar.errors import InputError
from howfar.runners.tree_reduction import fold

T = TypeVar("T")
R = TypeVar("R")

# Two tasks a worker, one running and one finished and waiting for its turn, so that a slow task leaves no worker idle.
AHEAD = 2


class LocalRunner:
    """Run tasks in threads of this process, in order, a bounded number ahead of the consumer.

    `workers` is the number of tasks at a time, by default of the cores that this process may use; one runs them in the calling
    thread. Raises `InputError` for fewer than one worker.

    Examples
    --------
    >>> list(LocalRunner(workers=2).run(abs, [-3, 2, -1]))
    [3, 2, 1]
    """

    processes = False

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise InputError.of("workers", "must be at least 1", workers, "leave it out to use the cores at hand")
        self.workers = available_cores() if workers is None else workers

    def __repr__(self) -> str:
        return f"LocalRunner(workers={self.workers})"

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """Yield ``function(task)`` for every task, in order; nothing starts before the first is asked for.

        At most twice as many tasks as workers are begun and not yet yielded. An exception in a task is raised here
        at its turn. After that, or when the iterator is closed early or interrupted, no further task begins, and those that
        have begun are waited for. `function` is called from several threads at a time.
        """
        if self.workers == 1:
            yield from map(function, tasks)
            return
        executor = ThreadPoolExecutor(self.workers, thread_name_prefix="howfar")
        waiting = iter(tasks)
        try:
            begun: deque[Future[R]] = deque(executor.submit(function, task) for task in islice(waiting, AHEAD * self.workers))
            while begun:
                result = begun.popleft().result()
                begun.extend(executor.submit(function, task) for task in islice(waiting, 1))
                yield result
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def reduce(self, function: Callable[[T], R], combine: Callable[[R, R], R], tasks: Sequence[T]) -> R:
        """Combine ``function(task)`` of every task, at least one, in the tree of `howfar.runners.tree_reduction.fold`.

        `function` is called from several threads at a time, `combine` in the calling thread.

        Examples
        --------
        >>> LocalRunner(workers=2).reduce(str, "({} {})".format, [1, 2, 3])
        '((1 2) 3)'
        """
        return fold(self.run(function, tasks), combine)

    def on_processors(self) -> LocalRunner:
        """Return this same runner, since its tasks wait for no accelerator.

        Examples
        --------
        >>> LocalRunner(workers=2).on_processors()
        LocalRunner(workers=2)
        """
        return self
