"""Define the Lightning module that trains a segmenter and validates it by ODS, its best F-measure at one threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from howfar.errors import InputError
from howfar.metrics.threshold_counts import Counts, count, ods, stack
from howfar.training import losses, schedule
from howfar.training.settings import TrainSettings
from howfar.training.threads import ENTRY


class Fitting(lightning.LightningModule):
    """Train a segmenter by AdamW with one loss and one schedule, and validate by ODS on held-out images at the training size.

    Only parameters that require gradients are trained. `history` has one entry a finished epoch: epoch (from 1), loss, and
    where images are held out ods and threshold.
    """

    def __init__(self, segmenter: nn.Module, settings: TrainSettings) -> None:
        super().__init__()
        self.segmenter: Any = segmenter
        self.settings = settings
        self.history: list[dict[str, Any]] = []
        self._criterion = losses.named(settings.loss)
        self._share = schedule.named(settings.schedule)
        self._losses: list[float] = []
        self._counts: list[Counts] = []
        self._held_out: dict[str, Any] = {}

    def configure_optimizers(self) -> Any:
        """Make AdamW, whose rate follows the schedule at every step."""
        trained = [parameter for parameter in self.segmenter.parameters() if parameter.requires_grad]
        optimiser = torch.optim.AdamW(trained, lr=self.settings.rate, weight_decay=self.settings.decay)
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        by_step = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda done: self._share(done / steps))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": by_step, "interval": "step"}}

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Compute one batch's loss; the network's own random draws are seeded, so that a step is the same after resuming."""
        # Seeded here and not in a hook: the first epoch after resuming has no on_train_epoch_start.
        torch.manual_seed(int(np.random.SeedSequence((self.settings.seed, self.current_epoch, index)).generate_state(1)[0]))
        pictures, masks = batch
        maps = self.segmenter.logits(pictures.contiguous(memory_format=torch.channels_last))
        loss = self._criterion([logits.float() for logits in maps], masks)
        self._losses.append(float(loss.detach()))
        if not np.isfinite(self._losses[-1]):
            rule = f"must be so low that the loss stays finite, as it did not in epoch {self.current_epoch + 1}"
            raise InputError.of("rate", rule, self.settings.rate, "choose a lower one")
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Count the pixels of the held-out images' 8-bit maps at all thresholds, as evaluation does."""
        pictures, masks = batch
        p = torch.sigmoid(self.segmenter(pictures).float())[:, 0]
        maps = (255 * p).round().to(torch.uint8).cpu().numpy()
        self._counts += [count(values, mask) for values, mask in zip(maps, masks[:, 0].cpu().numpy(), strict=True)]

    def on_validation_epoch_end(self) -> None:
        """Compute the ODS of the held-out images."""
        best, threshold = ods(stack(self._counts))
        self._counts.clear()
        defined = not np.isnan(best)
        self._held_out = {"ods": best if defined else None, "threshold": threshold if defined else None}

    def finish_epoch(self) -> Mapping[str, Any]:
        """Add the finished epoch to the history, and return its entry.

        The callback that reads the history calls this, since the module's own hooks run after callbacks.
        """
        mean = float(np.mean(self._losses))
        self._losses.clear()
        self.history.append({"epoch": self.current_epoch + 1, "loss": mean, **self._held_out})
        return self.history[-1]

    def weights(self) -> dict[str, Tensor]:
        """Copy the segmenter's weights to the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.segmenter.state_dict().items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the history, and the number of torch's threads, with the state from which a killed training resumes."""
        checkpoint["history"] = self.history
        checkpoint[ENTRY] = torch.get_num_threads()

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Restore the history."""
        self.history = list(checkpoint["history"])
