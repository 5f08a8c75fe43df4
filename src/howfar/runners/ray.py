"""Tasks on a Ray cluster: processes of this machine, or of as many as have joined."""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final, TypeVar

from howfar import memory
from howfar.cores import available_cores
from howfar.errors import HowfarError, InputError, MissingExtraError, RunnerError, StoreError
from howfar.runners.local import AHEAD
from howfar.runners.tree_reduction import fold

T = TypeVar("T")
R = TypeVar("R")

KEPT: Final = 2
"""Functions that a worker process keeps: a backbone is unpickled once in each, not once a task."""
TOKEN: Final = Path("~/.ray/auth_token")
"""Where Ray keeps it."""
SECONDS: Final = 10.0
"""How long a cluster may take to answer."""
_KINDS: Final = (StoreError, InputError, HowfarError, OSError, MemoryError, RuntimeError, Exception)
"""As what an exception goes to the driver that cannot be pickled, or not be made anew there."""
_functions: OrderedDict[str, Callable[[Any], Any]] = OrderedDict()


class RayRunner:
    """Runs tasks as Ray tasks of one core each, in order, a bounded number ahead of the consumer.

    A task whose worker or machine dies is run again, up to `retries` times; so tasks should do no harm when they are run twice.
    Nothing of a task passes through the driver but its argument and its result.

    Parameters
    ----------
    workers
        Tasks at a time; by default as many as the cluster's cores, or its GPUs, allow.
    address
        A running cluster's: ``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``. None starts one of this machine's cores, which
        ends with this process (where the environment has ``RAY_ADDRESS``, that cluster is joined).
    gpus
        GPUs of each task; a fraction shares one among several.
    retries
        How often a task is run again after its worker has died.

    Raises
    ------
    InputError
        A number is out of range.

    Examples
    --------
    >>> RayRunner(workers=4, address="auto")
    RayRunner(workers=4, address='auto')
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
        """Start or join the cluster while the caller does other things, and let its workers import what their tasks need.

        What goes wrong is said when the first task is run.
        """
        begun = self._begun = Event()

        def begin() -> None:
            with suppress(Exception):
                ray, _, _ = self._joined_now()
                warm = ray.remote(_imported).options(num_gpus=self.gpus)
                for _ in range(self._at_once(ray)):
                    warm.remote(list(modules))
            begun.set()
            # The cluster's processes end with the thread that started them.
            Event().wait()

        Thread(target=begin, name="howfar-ray", daemon=True).start()

    def run(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[R]:
        """Yield ``function(task)`` for every task, in order; nothing starts before the first is asked for.

        At most twice as many tasks as workers are begun and not yet handed over. An exception in a task is raised here at its
        turn. After that, or when the iterator is closed early or interrupted, tasks that have not been handed to the cluster
        never are, and those that have been are waited for.

        Parameters
        ----------
        function, tasks
            Pickled; the function is kept by each worker process.

        Raises
        ------
        MissingExtraError
            Ray is not installed.
        RunnerError
            The cluster cannot be joined, or has lost a task more often than `retries` allows.
        """
        ray, call, _ = self._joined()
        most = self._at_once(ray)
        known = [ray.put(_within_budget(function, most))]
        begun: deque[Any] = deque()
        running: set[Any] = set()
        waiting = iter(tasks)
        try:
            while True:
                running.difference_update(_ended(ray, running, wait=False))
                for task in islice(waiting, min(most - len(running), AHEAD * most - len(begun))):
                    begun.append(call.remote(known, task))
                    running.add(begun[-1])
                if not begun:
                    return
                if begun[0] in running:
                    running.difference_update(_ended(ray, running, wait=True))
                else:
                    yield _got(ray, begun.popleft())
        finally:
            _settle(ray, begun)

    def reduce(self, function: Callable[[T], R], combine: Callable[[R, R], R], tasks: Sequence[T]) -> R:
        """Combine ``function(task)`` of every task as `howfar.runners.tree_reduction.fold` does, on the cluster itself.

        Parameters
        ----------
        function, combine, tasks
            Pickled. At least one task.

        Raises
        ------
        HowfarError
            As `run`.
        """
        ray, call, join = self._joined()
        at_once = self._at_once(ray)
        known, knot = [ray.put(_within_budget(function, at_once))], [ray.put(combine)]
        most = AHEAD * at_once
        running: set[Any] = set()

        def leaves() -> Iterator[Any]:
            for task in tasks:
                while len(running) >= most:
                    running.difference_update(_ended(ray, running, wait=True))
                leaf = call.remote(known, task)
                running.add(leaf)
                yield leaf

        try:
            found: R = _got(ray, fold(leaves(), lambda left, right: join.remote(knot, left, right)))
            return found
        finally:
            _settle(ray, running)

    def on_processors(self) -> RayRunner:
        """The same cluster, without a GPU for each task.

        Examples
        --------
        >>> RayRunner(workers=4, gpus=0.5).on_processors().gpus
        0.0
        """
        if not self.gpus:
            return self
        other = RayRunner(self.workers, self.address, 0.0, self.retries)
        other._begun = self._begun
        return other

    def _joined(self) -> tuple[Any, Any, Any]:
        if self._begun is not None:
            self._begun.wait()
        return self._joined_now()

    def _joined_now(self) -> tuple[Any, Any, Any]:
        """Ray, and its remote forms of calling a function and of combining two results."""
        try:
            # It would otherwise report on its use to its makers, and remark on tasks without a GPU.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
            # Clusters may ask for a token; who joins by HOST:PORT shows the one it has only if told to.
            if (self.address or os.environ.get("RAY_ADDRESS") or "auto") != "auto" and TOKEN.expanduser().is_file():
                os.environ.setdefault("RAY_AUTH_MODE", "token")
            import ray
        except ImportError as error:
            raise MissingExtraError("--runner ray needs Ray: pip install 'howfar[ray]'") from error
        if not ray.is_initialized():
            _join(ray, self.address)
        settings = {"max_retries": self.retries, "num_gpus": self.gpus}
        return ray, ray.remote(_call).options(**settings), ray.remote(_combine).options(max_retries=self.retries)

    def _at_once(self, ray: Any) -> int:
        if self.workers is not None:
            return self.workers
        there = ray.cluster_resources()
        if self.gpus and there.get("GPU", 0) < self.gpus:
            raise RunnerError(f"the cluster has {there.get('GPU', 0):g} GPUs and a task needs {self.gpus:g}: add --device cpu")
        cores = int(there.get("CPU", 1))
        return max(1, min(cores, int(there["GPU"] / self.gpus)) if self.gpus else cores)


def _join(ray: Any, address: str | None) -> None:
    given = address or os.environ.get("RAY_ADDRESS")
    source = "" if address else " (from RAY_ADDRESS)"
    where = f"the Ray cluster at {given}{source}" if given else "a Ray cluster of this machine"
    own: dict[str, Any] = {} if given else {"num_cpus": available_cores(), "include_dashboard": False}
    try:
        _knock(given or "")
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    # It raises OSError, ValueError, RuntimeError and its own.
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        raise RunnerError(f"{where} cannot be joined ({line}): see that it runs, by ray status") from error
    _remark_on_stderr(ray)


def _knock(address: str) -> None:
    """Raise OSError where nobody answers at HOST:PORT, for which Ray would wait for minutes."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()


def _remark_on_stderr(ray: Any) -> None:
    """Let what Ray remarks on (a worker that has died) go to stderr: it prints it to stdout, where JSON goes."""
    module: Any = getattr(getattr(ray, "_private", None), "worker", None)
    printing = getattr(module, "print_to_stdstream", None)
    if printing is not None and not hasattr(printing, "howfar"):

        def remark(data: dict[str, Any], *rest: Any, **named: Any) -> None:
            printing({**data, "is_err": True}, *rest, **named)

        remark.howfar = True  # type: ignore[attr-defined]  # marks it, so that it is put in place once
        module.print_to_stdstream = remark


@dataclass(frozen=True)
class _Budgeted:
    """A task that keeps to the driver's budget of memory, as one of several that are at work on its machine."""

    function: Callable[[Any], Any]
    budget: memory.Budget
    at_once: int

    def __call__(self, task: Any) -> Any:
        with memory.within(self.budget.part(min(self.at_once, available_cores()))):
            return self.function(task)


def _within_budget(function: Callable[[Any], Any], at_once: int) -> Callable[[Any], Any]:
    budget = memory.budget()
    return function if budget is None else _Budgeted(function, budget, at_once)


def _imported(modules: Sequence[str]) -> None:
    for module in modules:
        with suppress(ImportError):
            import_module(module)


def _call(known: list[Any], task: Any) -> Any:
    return _portable(_function(known[0]), task)


def _combine(knot: list[Any], left: Any, right: Any) -> Any:
    return _portable(_function(knot[0]), left, right)


def _portable(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call it; an exception that would not survive the way to the driver goes there as what it says."""
    try:
        return function(*arguments)
    except Exception as error:
        try:
            same = type(pickle.loads(pickle.dumps(error))) is type(error)
        except Exception:  # whatever its constructor raises
            same = False
        if same:
            raise
        kind = next(kind for kind in _KINDS if isinstance(error, kind))
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
    """Those of some tasks that have ended; with `wait` at least one."""
    if not running:
        return []
    ended: list[Any] = ray.wait(list(running), num_returns=1 if wait else len(running), timeout=None if wait else 0)[0]
    return ended


def _got(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        # The task's own exception, as a local runner raises it.
        if isinstance(error.cause, Exception) and not isinstance(error.cause, ray.exceptions.RayError):
            raise error.cause from None
        line = " ".join(str(error.cause).split("traceback:")[0].split())[:200]
        remedy = "see that its files lie at the same place on every machine"
        raise RunnerError(f"a task could not be begun on the cluster ({line}): {remedy}") from error
    except ray.exceptions.RayError as error:
        line = " ".join(str(error).split())[:200]
        raise RunnerError(f"the cluster lost a task, also when it was run again ({line}): run the command again") from error


def _settle(ray: Any, references: Any) -> None:
    """Wait for what has been handed to the cluster; where that is gone, there is nothing to wait for."""
    with suppress(Exception):
        if references:
            ray.wait(list(references), num_returns=len(references))
