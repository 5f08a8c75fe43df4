"""Log a run to Weights & Biases, online or, with ``WANDB_MODE=offline``, into a folder."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any, Final

from howfar.errors import HowfarError, MissingExtraError, one_line

PROJECT: Final = "howfar"


class WandbRun:
    """Hold one run of Weights & Biases; the project is that of ``WANDB_PROJECT``, else howfar.

    It is none of the process's: a run that a notebook has begun itself stays as it is.
    """

    def __init__(self, name: str, group: str, settings: Mapping[str, Any], resumed: str | None) -> None:
        wandb = _library()
        self.id = resumed or secrets.token_hex(4)
        try:
            self._run: Any = wandb.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                name=name,
                group=group or None,
                id=self.id,
                resume="allow" if resumed else None,
                config=dict(settings),
                # Its own lines would stand between howfar's.
                settings=wandb.Settings(silent=True, console="off", reinit="create_new"),
            )
        except wandb.errors.UsageError as error:
            remedy = "type wandb login once, or set WANDB_MODE=offline"
            raise HowfarError(f"log: no run of wandb can begin ({one_line(error)}): {remedy}") from error

    @staticmethod
    def check() -> None:
        """Raise `MissingExtraError` where the library is not installed."""
        _library()

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Log the numbers of a step."""
        self._run.log(dict(numbers), step=step)

    def end(self, succeeded: bool) -> None:
        """Mark the run as finished, or as stopped."""
        self._run.finish(exit_code=0 if succeeded else 1)


def _library() -> Any:
    try:
        import wandb
    except ImportError as error:
        raise MissingExtraError(f"log wandb needs its library: pip install 'howfar[wandb]' ({error})") from error
    return wandb
