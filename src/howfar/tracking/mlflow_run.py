"""Log a run to MLflow, where ``MLFLOW_TRACKING_URI`` says."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, Final, Literal

from howfar.errors import MissingExtraError

EXPERIMENT: Final = "howfar"
AT_ONCE: Final = 500
"""Numbers that are sent at a time; MLflow takes no more than 1,000."""
SETTINGS_AT_ONCE: Final = 100
LONGEST: Final = 500
"""Characters of a setting's value."""


class MlflowRun:
    """Hold one run of MLflow; the experiment is that of ``MLFLOW_EXPERIMENT_NAME``, else howfar."""

    def __init__(self, name: str, group: str, settings: Mapping[str, Any], resumed: str | None) -> None:
        mlflow = _library()
        from mlflow.entities import Param

        self._client: Any = mlflow.MlflowClient()
        if resumed is not None:
            self._client.update_run(resumed, status="RUNNING")
            self.id = resumed
            return
        tags = {"howfar.group": group} if group else {}
        self.id = str(self._client.create_run(self._experiment(), run_name=name, tags=tags).info.run_id)
        given = [Param(key, str(value)[:LONGEST]) for key, value in settings.items() if value is not None]
        for first in range(0, len(given), SETTINGS_AT_ONCE):
            self._client.log_batch(self.id, params=given[first : first + SETTINGS_AT_ONCE])

    @staticmethod
    def check() -> None:
        """Raise `MissingExtraError` where MLflow is not installed."""
        _library()

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

    def _experiment(self) -> str:
        """Find the experiment, made where there is none yet."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        for last in (False, True):
            found = self._client.get_experiment_by_name(name)
            if found is not None:
                return str(found.experiment_id)
            try:
                return str(self._client.create_experiment(name))
            except Exception:  # another process has made it meanwhile
                if last:
                    raise
        raise AssertionError


def _library() -> Any:
    try:
        import mlflow
    except ImportError as error:
        raise MissingExtraError(f"log mlflow needs MLflow: pip install 'howfar[mlflow]' ({error})") from error
    return mlflow
