"""Define the Lightning module that trains and validates a segmenter, and the callbacks that save, stop and log."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from howfar import registry
from howfar.errors import InputError
from howfar.experiment_tracking import Tracking
from howfar.io.atomic import replace
from howfar.metrics.threshold_counts import Counts, count, ods, stack
from howfar.progress import bar
from howfar.training.speed_and_duration import ENTRY, TrainingEstimate
from howfar.training.training_settings import TrainSettings, kept_epoch


class Fitting(lightning.LightningModule):
    """Train a segmenter by AdamW with one loss and one schedule, and validate by ODS on held-out images."""

    def __init__(self, segmenter: nn.Module, settings: TrainSettings) -> None:
        super().__init__()
        self.segmenter: Any = segmenter
        self.settings = settings
        self.history: list[dict[str, Any]] = []
        self._criterion = registry.load("losses", settings.loss)
        self._share = registry.load("schedules", settings.schedule)
        self._losses: list[float] = []
        self._counts: list[Counts] = []
        self._held_out: dict[str, Any] = {}

    def configure_optimizers(self) -> Any:
        """Make an AdamW optimiser with the learning rate scheduled at every step."""
        trained = [parameter for parameter in self.segmenter.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(trained, lr=self.settings.rate, weight_decay=self.settings.decay)
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        by_step = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda done: self._share(done / steps))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": by_step, "interval": "step"}}

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Compute one batch's loss, with the network's random draws seeded so that a resumed step is identical."""
        # Seeded here and not in a hook: the first epoch after resuming has no on_train_epoch_start.
        torch.manual_seed(int(np.random.SeedSequence((self.settings.seed, self.current_epoch, index)).generate_state(1)[0]))
        pictures, masks = batch
        maps = self.segmenter.logits(pictures.contiguous(memory_format=torch.channels_last))
        loss: Tensor = self._criterion([logits.float() for logits in maps], masks)
        self._losses.append(float(loss.detach()))
        if not np.isfinite(self._losses[-1]):
            rule = f"must be so low that the loss stays finite, as it did not in epoch {self.current_epoch + 1}"
            raise InputError.of("rate", rule, self.settings.rate, "choose a lower one")
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Count pixels of the held-out images' 8-bit maps at all thresholds, as in evaluation."""
        pictures, masks = batch
        p = torch.sigmoid(self.segmenter(pictures).float())[:, 0]
        maps = (255 * p).round().to(torch.uint8).cpu().numpy()
        self._counts += [count(values, mask) for values, mask in zip(maps, masks[:, 0].bool().cpu().numpy(), strict=True)]

    def on_validation_epoch_end(self) -> None:
        """Compute the ODS of the held-out images."""
        best, threshold = ods(stack(self._counts))
        self._counts.clear()
        defined = not np.isnan(best)
        self._held_out = {"ods": best if defined else None, "threshold": threshold if defined else None}

    def finish_epoch(self) -> Mapping[str, Any]:
        """Add the finished epoch to the history; a callback calls this, since the module's own hooks run after callbacks."""
        mean = float(np.mean(self._losses))
        self._losses.clear()
        self.history.append({"epoch": self.current_epoch + 1, "loss": mean, **self._held_out})
        return self.history[-1]

    def weights(self) -> dict[str, Tensor]:
        """Copy the segmenter's weights to the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.segmenter.state_dict().items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the history and torch's thread count with the state for resuming."""
        checkpoint["history"] = self.history
        checkpoint[ENTRY] = torch.get_num_threads()

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Restore the history."""
        self.history = list(checkpoint["history"])


class Keep(lightning.Callback):
    """Keep the best weights, stop early by patience, and save the state for resuming, after each epoch.

    With `best`, `weights` holds those of the epoch with the highest held-out ODS so far. After `patience` epochs without a
    better one training stops; with None never.
    """

    def __init__(self, file: Path, best: bool, patience: int | None) -> None:
        self.file = file
        self.weights: dict[str, Tensor] | None = None
        self._best, self._patience = best, patience

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Stop immediately if the resumed training was killed after its last epoch."""
        self._stop(trainer, pl_module.history)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Finish the epoch, compare its ODS with the best, and save the state."""
        last = pl_module.finish_epoch()
        if self._best and kept_epoch(pl_module.history, "best") is last:
            self.weights = pl_module.weights()
        self._stop(trainer, pl_module.history)
        replace(self.file, trainer.save_checkpoint)

    def _stop(self, trainer: lightning.Trainer, history: Sequence[Mapping[str, Any]]) -> None:
        best = kept_epoch(history, "best")
        if self._patience is not None and best is not None and history[-1]["epoch"] - best["epoch"] >= self._patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return the best weights so far."""
        return {"weights": self.weights}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore the best weights so far."""
        self.weights = state_dict["weights"]


class Progress(lightning.Callback):
    """Show a progress bar over all steps on stderr, with the last loss, held-out ODS and expected duration."""

    def __init__(self, estimate: TrainingEstimate) -> None:
        self._bar: Any = None
        self._estimate = estimate

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Open the bar at the current step, which is above 0 for a resumed training."""
        steps = int(trainer.estimated_stepping_batches)
        self._estimate.begin(steps - trainer.global_step)
        self._bar = bar(total=steps, initial=trainer.global_step, desc="training", unit="step")

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any, **__: Any) -> None:
        """Advance the bar to the current step, and after some steps print the expected duration."""
        self._estimate.step()
        self._bar.update(trainer.global_step - self._bar.n)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Show the epoch's loss and held-out ODS."""
        last = pl_module.history[-1]
        shown = {"epoch": f"{last['epoch']}/{trainer.max_epochs}", "loss": f"{last['loss']:.3f}"}
        if last.get("ods") is not None:
            shown["held-out ODS"] = f"{last['ods']:.3f}"
        self._bar.set_postfix(shown, refresh=False)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Close the finished bar."""
        self._bar.close()

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException) -> None:
        """Close the bar after an exception, at the step where training stopped."""
        if self._bar is not None:
            self._bar.close()


class Logged(lightning.Callback):
    """Log each epoch's loss, held-out ODS and threshold, once the epoch's state is saved."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Log the epoch, and earlier epochs left unlogged by a kill."""
        log_epochs(self._tracking, pl_module.history)


def log_epochs(tracking: Tracking, history: Sequence[Mapping[str, Any]]) -> None:
    """Log the history's epochs that are not logged yet."""
    for entry in history:
        tracking.log({name: value for name, value in entry.items() if name != "epoch"}, entry["epoch"])
