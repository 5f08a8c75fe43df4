"""Tasks on this machine, in threads: image decoding and the numerics let other threads run meanwhile."""

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

# For each worker one task under way and one result that waits its turn (or the reverse), so that a slow one idles nobody.
AHEAD = 2


class LocalRunner:
    """Runs tasks in threads of this process, in order, a bounded number ahead of the consumer.

    Parameters
    ----------
    workers
        Tasks at a time; by default the cores this process may use. One runs them in the calling thread.

    Raises
    ------
    InputError
        Fewer than one worker.

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

        At most twice as many tasks as workers are begun and not yet handed over. An exception in a task is raised here
        at its turn. After that, or when the iterator is closed early or interrupted, tasks that have not begun never
        do, and those that have are waited for.

        Parameters
        ----------
        function
            Called from several threads at a time.
        tasks
            Its arguments.
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
        """``function`` of every task, combined as `howfar.runners.tree_reduction.fold` does.

        Parameters
        ----------
        function, tasks
            As `run`; at least one task.
        combine
            Called in the calling thread.

        Examples
        --------
        >>> LocalRunner(workers=2).reduce(str, "({} {})".format, [1, 2, 3])
        '((1 2) 3)'
        """
        return fold(self.run(function, tasks), combine)

    def on_processors(self) -> LocalRunner:
        """Itself: its tasks wait for no accelerator.

        Examples
        --------
        >>> LocalRunner(workers=2).on_processors()
        LocalRunner(workers=2)
        """
        return self
