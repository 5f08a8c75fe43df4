"""Run one function on many inputs in parallel, in threads of this machine or on a Ray cluster."""

from __future__ import annotations

import atexit
import logging
import os
import pickle
import socket
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final, TypeVar

from howfar import memory, registry
from howfar.cpu_cores import available_cores
from howfar.errors import HowfarError, InputError, MissingExtraError, RunnerError, StoreError, needing, one_line
from howfar.protocols import Runner

V = TypeVar("V")


def fold(values: Iterable[V], combine: Callable[[V, V], V]) -> V:
    """Combine values pairwise in a fixed tree, neighbours first, keeping about log2 n values in memory.

    Examples
    --------
    >>> fold("abcde", lambda left, right: f"({left}{right})")
    '(((ab)(cd))e)'
    """
    # Sizes fall from the bottom of the stack to its top, as the binary digits of the number of values seen.
    stack: list[tuple[int, V]] = []
    for value in values:
        size = 1
        while stack and stack[-1][0] == size:
            value = combine(stack.pop()[1], value)
            size *= 2
        stack.append((size, value))
    if not stack:
        raise ValueError("nothing to combine")
    _, total = stack.pop()
    while stack:
        total = combine(stack.pop()[1], total)
    return total


T = TypeVar("T")
R = TypeVar("R")

# Two tasks a worker, one running and one finished and waiting for its turn, so that a slow task leaves no worker idle.
AHEAD = 2


class LocalRunner:
    """Run tasks in order in `workers` threads (one: the caller's; None: one a core), a bounded number ahead of the consumer."""

    processes = False

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise InputError.of("workers", "must be at least 1", workers, "leave it out to use the cores at hand")
        self.workers = available_cores() if workers is None else workers

    def __repr__(self) -> str:
        return f"LocalRunner(workers={self.workers})"

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """Yield ``function(task)`` for every task, in order; nothing starts before the first result is requested.

        A task's exception is raised at its turn. After that, or when the iterator is closed early, no further task begins, and
        those that have begun are waited for. `function` is called from several threads at a time.
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
        """Combine ``function(task)`` of all tasks in the tree of `howfar.runners.fold`, in the calling thread."""
        return fold(self.run(function, tasks), combine)

    def on_processors(self) -> LocalRunner:
        """Return this runner itself, since its tasks need no accelerator."""
        return self


KEPT: Final = 2  # number of functions that a worker process keeps, so that it unpickles a backbone once and not for every task
TOKEN: Final = Path("~/.ray/auth_token")  # file of Ray's authentication token
SECONDS: Final = 10.0  # seconds within which a cluster must answer
_PORTABLE: Final = (StoreError, InputError, HowfarError, OSError, MemoryError, RuntimeError, Exception)
"""Classes in place of which an exception that does not survive pickling is sent to the driver; the first that fits."""
_functions: OrderedDict[str, Callable[[Any], Any]] = OrderedDict()


class RayRunner:
    """Run tasks as Ray tasks of one core each, in order, a bounded number ahead of the consumer.

    A task whose worker or machine dies is run again, up to `retries` times; so tasks must be safe to run twice. `workers` is by
    default as many as the cluster's cores, or its GPUs, allow. `address` is a running cluster's (``auto``, ``HOST:PORT`` or
    ``ray://HOST:PORT``); None joins ``RAY_ADDRESS``, or starts a cluster of this machine. `gpus` are each task's, or a
    fraction.
    """

    processes = True

    def __init__(self, workers: int | None = None, address: str | None = None, gpus: float = 0.0, retries: int = 3) -> None:
        if workers is not None and workers < 1:
            raise InputError.of("workers", "must be at least 1", workers, "leave it out to use the cluster's cores")
        if gpus < 0 or retries < 0:
            raise InputError.of("gpus and retries", "must be at least 0", (gpus, retries))
        self.workers, self.address, self.gpus, self.retries = workers, address, gpus, retries
        self._begun: Event | None = None

    def __repr__(self) -> str:
        return f"RayRunner(workers={self.workers}, address={self.address!r})"

    def begin(self, modules: Sequence[str] = ()) -> None:
        """Start or join the cluster in the background, and preload modules on its workers; `run` raises any errors."""
        begun = self._begun = Event()

        def begin() -> None:
            with suppress(Exception):
                ray, _ = self._joined_now()
                warm = ray.remote(_imported).options(num_gpus=self.gpus)
                for _ in range(self._at_once(ray)):
                    warm.remote(list(modules))
            begun.set()
            # The cluster's processes end with the thread that started them.
            Event().wait()

        Thread(target=begin, name="howfar-ray", daemon=True).start()

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """Yield the results as `LocalRunner.run` does; a cluster out of reach, or that loses a task, raises `RunnerError`."""
        ray, call = self._joined()
        most = self._at_once(ray)
        stored = [ray.put(_within_budget(function, most))]
        submitted: deque[Any] = deque()
        running: set[Any] = set()
        waiting = iter(tasks)
        try:
            while True:
                running.difference_update(_ended(ray, running, wait=False))
                for task in islice(waiting, min(most - len(running), AHEAD * most - len(submitted))):
                    submitted.append(call.remote(stored, task))
                    running.add(submitted[-1])
                if not submitted:
                    return
                if submitted[0] in running:
                    running.difference_update(_ended(ray, running, wait=True))
                else:
                    yield _result(ray, submitted.popleft())
        finally:
            _settle(ray, submitted)

    def reduce(self, function: Callable[[T], R], combine: Callable[[R, R], R], tasks: Sequence[T]) -> R:
        """Combine ``function(task)`` of all tasks, at least one, in the tree of `howfar.runners.fold`, on the cluster."""
        ray, call = self._joined()
        join, at_once = ray.remote(_call).options(max_retries=self.retries), self._at_once(ray)
        stored, stored_combine = [ray.put(_within_budget(function, at_once))], [ray.put(combine)]
        most = AHEAD * at_once
        running: set[Any] = set()

        def leaves() -> Iterator[Any]:
            for task in tasks:
                while len(running) >= most:
                    running.difference_update(_ended(ray, running, wait=True))
                leaf = call.remote(stored, task)
                running.add(leaf)
                yield leaf

        try:
            total: R = _result(ray, fold(leaves(), lambda left, right: join.remote(stored_combine, left, right)))
            return total
        finally:
            _settle(ray, running)

    def on_processors(self) -> RayRunner:
        """Return a runner on the same cluster whose tasks have no GPU."""
        if not self.gpus:
            return self
        other = RayRunner(self.workers, self.address, 0.0, self.retries)
        other._begun = self._begun
        return other

    def _joined(self) -> tuple[Any, Any]:
        if self._begun is not None:
            self._begun.wait()
        return self._joined_now()

    def _joined_now(self) -> tuple[Any, Any]:
        """Join the cluster; return Ray and its remote function that calls a stored function."""
        with needing("--runner ray needs Ray: pip install 'howfar[ray]'"):
            # Ray would otherwise send usage statistics, and warn about tasks without a GPU.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
            # Clusters may ask for a token, which Ray sends to HOST:PORT only in this mode.
            if (self.address or os.environ.get("RAY_ADDRESS") or "auto") != "auto" and TOKEN.expanduser().is_file():
                os.environ.setdefault("RAY_AUTH_MODE", "token")
            import ray
        if not ray.is_initialized():
            _join(ray, self.address)
        return ray, ray.remote(_call).options(max_retries=self.retries, num_gpus=self.gpus)

    def _at_once(self, ray: Any) -> int:
        if self.workers is not None:
            return self.workers
        resources = ray.cluster_resources()
        gpus, cores = resources.get("GPU", 0), int(resources.get("CPU", 1))
        if self.gpus and gpus < self.gpus:
            raise RunnerError(f"the cluster has {gpus:g} GPUs and a task needs {self.gpus:g}: add --device cpu")
        return max(1, min(cores, int(gpus / self.gpus)) if self.gpus else cores)


def _join(ray: Any, address: str | None) -> None:
    given = address or os.environ.get("RAY_ADDRESS")
    source = "" if address else " (from RAY_ADDRESS)"
    cluster = f"the Ray cluster at {given}{source}" if given else "a Ray cluster of this machine"
    own: dict[str, Any] = {} if given else {"num_cpus": available_cores(), "include_dashboard": False}
    try:
        # An OSError at once if nothing answers at HOST:PORT, where Ray would wait for minutes.
        host, _, port = (given or "").rpartition("://")[2].partition("/")[0].rpartition(":")
        if host and port.isdigit():
            socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    # Ray raises OSError, ValueError, RuntimeError and its own classes.
    except Exception as error:
        raise RunnerError(f"{cluster} cannot be joined ({one_line(error, 200)}): see that it runs, by ray status") from error
    # Ray prints its messages, such as a worker's death, on stdout, which is for JSON.
    module: Any = getattr(getattr(ray, "_private", None), "worker", None)
    printing = getattr(module, "print_to_stdstream", None)
    if printing is not None and not hasattr(printing, "howfar"):

        def print_to_stderr(data: dict[str, Any], *rest: Any, **named: Any) -> None:
            printing({**data, "is_err": True}, *rest, **named)

        print_to_stderr.howfar = True  # type: ignore[attr-defined]  # marks it, so that it is put in place once
        module.print_to_stdstream = print_to_stderr
    # Ray's own shutdown waits half a second for its last messages, which are of interest after a failure alone (`_lost`).
    atexit.unregister(_end)
    atexit.register(_end)


def _end() -> None:
    import ray

    ray.shutdown()


def _lost(line: str) -> RunnerError:
    """Return the error for a task that the cluster lost, and let Ray print its last messages at exit."""
    atexit.unregister(_end)
    return RunnerError(line)


def _budgeted(function: Callable[[Any], Any], budget: memory.Budget, at_once: int, task: Any) -> Any:
    """Run a task within its share of the driver's memory budget, split among the tasks on its machine."""
    with memory.within(budget.part(min(at_once, available_cores()))):
        return function(task)


def _within_budget(function: Callable[[Any], Any], at_once: int) -> Callable[[Any], Any]:
    budget = memory.budget()
    return function if budget is None else partial(_budgeted, function, budget, at_once)


def _imported(modules: Sequence[str]) -> None:
    for module in modules:
        with suppress(ImportError):
            import_module(module)


def _call(stored: list[Any], *arguments: Any) -> Any:
    """Call a stored function; an exception that cannot be pickled is raised as a class of `_PORTABLE` with its text."""
    function = _function(stored[0])
    try:
        return function(*arguments)
    except Exception as error:
        try:
            same = type(pickle.loads(pickle.dumps(error))) is type(error)
        except Exception:  # whatever its constructor raises
            same = False
        if same:
            raise
        kind = next(kind for kind in _PORTABLE if isinstance(error, kind))
        line = str(error) if isinstance(error, HowfarError) else f"{type(error).__name__}: {error}"
        raise kind(line) from None


def _function(reference: Any) -> Callable[..., Any]:
    key = reference.hex()
    if key not in _functions:
        import ray

        _functions[key] = ray.get(reference)
        while len(_functions) > KEPT:
            _functions.popitem(last=False)
    _functions.move_to_end(key)
    return _functions[key]


def _ended(ray: Any, running: set[Any], wait: bool) -> list[Any]:
    """List the running tasks that have ended; with `wait`, wait for at least one."""
    if not running:
        return []
    ended: list[Any] = ray.wait(list(running), num_returns=1 if wait else len(running), timeout=None if wait else 0)[0]
    return ended


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        # The task's own exception is raised as a local runner would raise it.
        if isinstance(error.cause, Exception) and not isinstance(error.cause, ray.exceptions.RayError):
            raise error.cause from None
        line = " ".join(str(error.cause).split("traceback:")[0].split())[:200]
        remedy = "see that its files lie at the same place on every machine"
        raise _lost(f"a task could not be begun on the cluster ({line}): {remedy}") from error
    except ray.exceptions.RayError as error:
        reason = one_line(error, 200)
        raise _lost(f"the cluster lost a task, also when it was run again ({reason}): run the command again") from error


def _settle(ray: Any, references: Any) -> None:
    """Wait for the submitted tasks, unless the cluster is gone."""
    with suppress(Exception):
        if references:
            ray.wait(list(references), num_returns=len(references))


def make_runner(
    runner: str | Runner = "local", workers: int | None = None, address: str | None = None, device: str = "auto"
) -> Runner:
    """Make a runner by name, with a GPU for each of Ray's tasks if `device` is ``cuda``; return a runner object unchanged."""
    if runner == "ray":
        if address is not None and not address.strip():
            raise InputError.of("address", "must be auto or HOST:PORT", address)
        if find_spec("ray") is None:
            raise MissingExtraError("--runner ray needs Ray: pip install 'howfar[ray]'")
        ray: Runner = registry.load("runners", runner)(workers, address, gpus=1.0 if device.startswith("cuda") else 0.0)
        return ray
    if address is not None:
        raise InputError.of("address", "must be left out with this runner", address, "add --runner ray")
    if not isinstance(runner, str):
        return runner
    other: Runner = registry.load("runners", runner)(workers)
    return other


__all__ = ["LocalRunner", "RayRunner", "available_cores", "make_runner"]
