"""A segmenter in training, as Lightning runs it."""

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


class Fitting(lightning.LightningModule):
    """Learns by AdamW on one loss and one schedule; validates by the ODS of the held-out pictures at the training size.

    Parameters
    ----------
    segmenter
        The network; only its parameters that require gradients are learnt.
    settings
        How.

    Attributes
    ----------
    history
        One entry an epoch that is over: epoch (from 1), loss, and where pictures are held out ods and threshold.
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
        """AdamW, its rate by the schedule's share at every step."""
        learnt = [one for one in self.segmenter.parameters() if one.requires_grad]
        optimiser = torch.optim.AdamW(learnt, lr=self.settings.rate, weight_decay=self.settings.decay)
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        by_step = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda done: self._share(done / steps))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": by_step, "interval": "step"}}

    def training_step(self, batch: tuple[Tensor, Tensor], place: int) -> Tensor:
        """Loss of one batch; what the network itself draws is seeded, so that a step is the same after a resumption."""
        # Here and not in a hook: the first epoch after a resumption has no on_train_epoch_start.
        torch.manual_seed(int(np.random.SeedSequence((self.settings.seed, self.current_epoch, place)).generate_state(1)[0]))
        pictures, masks = batch
        maps = self.segmenter.logits(pictures.contiguous(memory_format=torch.channels_last))
        loss = self._criterion([one.float() for one in maps], masks)
        self._losses.append(float(loss.detach()))
        if not np.isfinite(self._losses[-1]):
            rule = f"must be so low that the loss stays finite, as it did not in epoch {self.current_epoch + 1}"
            raise InputError.of("rate", rule, self.settings.rate, "choose a lower one")
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Count the held-out pictures' 8-bit maps at all thresholds, as they are scored later."""
        pictures, masks = batch
        p = torch.sigmoid(self.segmenter(pictures).float())[:, 0]
        values = (255 * p).round().to(torch.uint8).cpu().numpy()
        self._counts += [count(one, mask) for one, mask in zip(values, masks[:, 0].cpu().numpy(), strict=True)]

    def on_validation_epoch_end(self) -> None:
        """ODS of the held-out pictures."""
        found, threshold = ods(stack(self._counts))
        self._counts.clear()
        defined = not np.isnan(found)
        self._held_out = {"ods": found if defined else None, "threshold": threshold if defined else None}

    def finish_epoch(self) -> Mapping[str, Any]:
        """Write the epoch that is over into the history, and return its entry.

        No hook of the module's own, since those run after the callbacks that read the history.
        """
        mean = float(np.mean(self._losses))
        self._losses.clear()
        self.history.append({"epoch": self.current_epoch + 1, "loss": mean, **self._held_out})
        return self.history[-1]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history with the state that a killed training goes on from."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Take the history up again."""
        self.history = list(checkpoint["history"])
