"""Log trainings and results to an experiment tracker: MLflow, Weights & Biases, or one that another package registers."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal

from howfar import registry
from howfar.errors import HowfarError, needing, one_line
from howfar.io.atomic_writes import replace_text
from howfar.progress import tell
from howfar.protocols import TrackedRun

KIND = "trackers"


@dataclass(frozen=True)
class Log:
    """Name the tracker (``mlflow``, ``wandb``, or another package's), the run, and the group of runs that it is a part of."""

    tracker: str
    name: str
    group: str = ""

    @classmethod
    def of(cls, tracker: str | None, name: str, group: str = "") -> Log | None:
        """Make a log for a tracker; return None without one."""
        return None if tracker is None else cls(tracker, name, group)


def check_tracker(name: str | None) -> None:
    """Check that a tracker can be used, before anything is computed."""
    if name is not None:
        registry.load(KIND, name).check()


class Tracking:
    """Log numbers to a run, each step once; do nothing without a log, and stop, after one line, where the tracker fails.

    A block of ``with`` begins and ends the run. `note` is a file that names the run until it has succeeded: where there is one,
    the run that it names goes on. `last` is the last step that was logged, also before a training was killed.
    """

    def __init__(self, log: Log | None, settings: Mapping[str, Any], note: Path | None = None) -> None:
        self._run: TrackedRun | None = None
        self._tracker, self._note, self.last = "", None if log is None else note, 0
        if log is None:
            return
        self._tracker, before = log.tracker, _noted(note, log.tracker)
        try:
            self._run = registry.load(KIND, log.tracker)(log.name, log.group, dict(settings), before.get("run"))
        except HowfarError:
            raise
        except Exception as error:  # libraries raise anything
            raise HowfarError(f"log: no run of {log.tracker} can begin: {one_line(error, 300)}") from error
        self._reached(int(before.get("step", 0)))

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._guarded(lambda run: run.end(kind is None))  # one that did not succeed can be resumed
        if kind is None and self._note is not None:
            self._note.unlink(missing_ok=True)

    @property
    def on(self) -> bool:
        """Return whether a run is being logged."""
        return self._run is not None

    def log(self, numbers: Mapping[str, float | None], step: int) -> None:
        """Log a step's numbers, unless they were logged before the training was killed."""
        if self._run is not None and step > self.last:
            self._log(numbers, step)
            self._reached(step)

    def conclude(self, numbers: Mapping[str, float | None]) -> None:
        """Log a run's final numbers, at its last step."""
        self._log(numbers, self.last)

    def _reached(self, step: int) -> None:
        """Record the run and its last step, so that a killed training resumes it."""
        self.last = step
        if self._run is not None and self._note is not None:
            replace_text(self._note, json.dumps({"tracker": self._tracker, "run": self._run.id, "step": step}))

    def _log(self, numbers: Mapping[str, float | None], step: int) -> None:
        finite = {name: float(value) for name, value in numbers.items() if value is not None and math.isfinite(value)}
        if finite:
            self._guarded(lambda run: run.log(finite, step))

    def _guarded(self, call: Callable[[TrackedRun], None]) -> None:
        if self._run is None:
            return
        try:
            call(self._run)
        except Exception as error:  # libraries raise anything
            self._run = None
            tell(f"nothing more is logged to {self._tracker}: {one_line(error)}")


def _noted(note: Path | None, tracker: str) -> Mapping[str, Any]:
    """Read which run a killed training began with the tracker, and its last logged step; empty if there is none."""
    with suppress(OSError, ValueError, AttributeError, TypeError, RecursionError):
        found = json.loads(note.read_text(encoding="utf-8")) if note is not None else {}
        if found.get("tracker") == tracker and isinstance(found.get("run"), str):
            return {"run": found["run"], "step": int(found.get("step", 0))}
    return {}


LEFT_OUT: Final = frozenset(
    {"provenance", "settings", "sources", "notes", "skipped", "options", "thresholds", "curves", "identity", "format", "seed"}
)
"""Keys of a document that hold no scores."""
INTERVAL: Final = "_ci"  # how the name of an interval ends
_NAMES: Final = ("name", "dataset", "estimator", "metric")
_ODD: Final = re.compile(r"[^A-Za-z0-9_. -]")


def log_result(log: Log | None, settings: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Log a document's numbers as one run; do nothing if `log` is None. Raises `HowfarError` as `Tracking` does."""
    if log is not None:
        with Tracking(log, settings) as tracking:
            tracking.conclude(dict(numbers_of(document)))


def numbers_of(document: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Yield a document's numbers with the paths of their names; list entries are called by their own name."""
    for name, value in document.items():
        if name in LEFT_OUT:
            continue
        path = f"{above}{_part(name)}"
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield path, float(value)
        elif isinstance(value, Mapping):
            yield from numbers_of(value, f"{path}/")
        elif isinstance(value, (list, tuple)):
            # Two ends of an interval, or a list of records.
            if f"{INTERVAL}/" in f"{path}/" and len(value) == 2 and all(isinstance(each, (int, float)) for each in value):
                yield from zip((f"{path}/low", f"{path}/high"), map(float, value), strict=True)
                continue
            for number, entry in enumerate(value):
                if isinstance(entry, Mapping):
                    called = next((str(entry[key]) for key in _NAMES if isinstance(entry.get(key), str)), str(number))
                    yield from numbers_of(entry, f"{path}/{_part(called)}/")


def _part(name: str) -> str:
    """Make a name valid as a part of a tracker's path."""
    part = _ODD.sub("_", name).strip(" ")[:100]
    return part if part.strip(".") else "_"


EXPERIMENT: Final = "howfar"
AT_ONCE: Final = 500  # numbers that are sent at a time; MLflow takes no more than 1,000
SETTINGS_AT_ONCE: Final = 100
LONGEST: Final = 500  # characters of a setting's value


class MlflowRun:
    """Hold one run of MLflow, in the experiment ``MLFLOW_EXPERIMENT_NAME`` or else howfar."""

    def __init__(self, name: str, group: str, settings: Mapping[str, Any], resumed: str | None) -> None:
        self._client: Any = _library("mlflow", "MLflow").MlflowClient()
        from mlflow.entities import Param

        if resumed is not None:
            self._client.update_run(resumed, status="RUNNING")
            self.id = resumed
            return
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        found = self._client.get_experiment_by_name(experiment)
        try:
            experiment_id = str(self._client.create_experiment(experiment) if found is None else found.experiment_id)
        except Exception:
            # Another process may have created it meanwhile.
            found = self._client.get_experiment_by_name(experiment)
            if found is None:
                raise
            experiment_id = str(found.experiment_id)
        tags = {"howfar.group": group} if group else {}
        self.id = str(self._client.create_run(experiment_id, run_name=name, tags=tags).info.run_id)
        given = [Param(key, str(value)[:LONGEST]) for key, value in settings.items() if value is not None]
        for first in range(0, len(given), SETTINGS_AT_ONCE):
            self._client.log_batch(self.id, params=given[first : first + SETTINGS_AT_ONCE])

    @staticmethod
    def check() -> None:
        """Raise `MissingExtraError` where MLflow is not installed."""
        _library("mlflow", "MLflow")

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Log the numbers of a step."""
        from mlflow.entities import Metric

        now, entries = int(time.time() * 1000), list(numbers.items())
        for first in range(0, len(entries), AT_ONCE):
            metrics = [Metric(key, value, now, step) for key, value in entries[first : first + AT_ONCE]]
            self._client.log_batch(self.id, metrics=metrics)

    def end(self, succeeded: bool) -> None:
        """Mark the run as finished, or as stopped."""
        status: Literal["FINISHED", "KILLED"] = "FINISHED" if succeeded else "KILLED"
        self._client.set_terminated(self.id, status)


def _library(name: str, called: str) -> Any:
    with needing(f"log {name} needs {called}: pip install 'howfar[{name}]'"):
        return import_module(name)


PROJECT: Final = "howfar"


class WandbRun:
    """Hold one run of Weights & Biases, in the project ``WANDB_PROJECT`` or else howfar, apart from a notebook's own run."""

    def __init__(self, name: str, group: str, settings: Mapping[str, Any], resumed: str | None) -> None:
        wandb = _library("wandb", "its library")
        self.id = resumed or secrets.token_hex(4)
        try:
            self._run: Any = wandb.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                name=name,
                group=group or None,
                id=self.id,
                resume="allow" if resumed else None,
                config=dict(settings),
                # Its own output would mix with howfar's.
                settings=wandb.Settings(silent=True, console="off", reinit="create_new"),
            )
        except wandb.errors.UsageError as error:
            remedy = "type wandb login once, or set WANDB_MODE=offline"
            raise HowfarError(f"log: no run of wandb can begin ({one_line(error)}): {remedy}") from error

    @staticmethod
    def check() -> None:
        """Raise `MissingExtraError` where wandb is not installed."""
        _library("wandb", "its library")

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Log the numbers of a step."""
        self._run.log(dict(numbers), step=step)

    def end(self, succeeded: bool) -> None:
        """Mark the run as finished, or as stopped."""
        self._run.finish(exit_code=0 if succeeded else 1)
