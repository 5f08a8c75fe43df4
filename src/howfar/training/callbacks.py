"""Save a training's state after each epoch, remember the best weights, stop early, show progress, and log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
from torch import Tensor

from howfar.io.atomic import replace
from howfar.progress import bar
from howfar.tracking import Tracking
from howfar.training.estimate import Estimate
from howfar.training.lightning_module import Fitting


class Keep(lightning.Callback):
    """Remember the best weights, stop where patience ends, and save the state for a killed training, after each epoch.

    The state's `file` is replaced whole, so that a kill leaves the last epoch's state or the one before. With `best`,
    `weights` holds those of the epoch with the highest held-out ODS so far. After `patience` epochs without a better one
    training stops; with None never.
    """

    def __init__(self, file: Path, best: bool, patience: int | None) -> None:
        self.file = file
        self.weights: dict[str, Tensor] | None = None
        self._best, self._patience = best, patience
        self._highest, self._at = -1.0, 0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop at once where a training was killed after its last epoch."""
        assert isinstance(pl_module, Fitting)
        self._stop(trainer, len(pl_module.history))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Finish the epoch, compare its ODS with the best, and save the state."""
        assert isinstance(pl_module, Fitting)
        last = pl_module.finish_epoch()
        if last.get("ods") is not None and last["ods"] > self._highest:
            self._highest, self._at = last["ods"], last["epoch"]
            if self._best:
                self.weights = pl_module.weights()
        self._stop(trainer, last["epoch"])
        replace(self.file, trainer.save_checkpoint)

    def _stop(self, trainer: lightning.Trainer, epoch: int) -> None:
        if self._patience is not None and self._at and epoch - self._at >= self._patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Give the best weights and ODS so far."""
        return {"weights": self.weights, "highest": self._highest, "at": self._at}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore the best weights and ODS so far."""
        self.weights, self._highest, self._at = state_dict["weights"], state_dict["highest"], state_dict["at"]


class Progress(lightning.Callback):
    """Show one progress bar over all steps on stderr, with the last loss and held-out ODS, and say how long they will take."""

    def __init__(self, estimate: Estimate) -> None:
        self._bar: Any = None
        self._estimate = estimate

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Open the bar, at the step where a resumed training begins."""
        steps = int(trainer.estimated_stepping_batches)
        self._estimate.begin(steps - trainer.global_step)
        self._bar = bar(total=steps, initial=trainer.global_step, desc="training", unit="step")

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any, **__: Any) -> None:
        """Advance the bar to the current step, and say after some how long all will take."""
        self._estimate.step()
        self._bar.update(trainer.global_step - self._bar.n)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the epoch's loss and held-out ODS."""
        assert isinstance(pl_module, Fitting)
        last = pl_module.history[-1]
        shown = {"epoch": f"{last['epoch']}/{trainer.max_epochs}", "loss": f"{last['loss']:.3f}"}
        if last.get("ods") is not None:
            shown["held-out ODS"] = f"{last['ods']:.3f}"
        self._bar.set_postfix(shown, refresh=False)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Close the finished bar."""
        self._bar.close()

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException) -> None:
        """Close the bar at the step where training stopped."""
        if self._bar is not None:
            self._bar.close()


class Logged(lightning.Callback):
    """Log loss, held-out ODS and its threshold of each epoch, once its state is kept."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Log the epoch, and those before it that were finished before a kill and are not logged."""
        assert isinstance(pl_module, Fitting)
        log_epochs(self._tracking, pl_module.history)


def log_epochs(tracking: Tracking, history: Sequence[Mapping[str, Any]]) -> None:
    """Log the epochs of a history that are not logged yet."""
    for entry in history:
        tracking.log({name: value for name, value in entry.items() if name != "epoch"}, entry["epoch"])
