"""Run a training by Lightning: train and validate, save the state of each epoch, stop, log, and tell how long it takes."""

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from howfar import registry
from howfar.errors import InputError
from howfar.experiment_tracking import Tracking
from howfar.formatting_and_escaping import duration
from howfar.io.atomic_writes import replace
from howfar.memory import budget
from howfar.metrics.threshold_counts import Counts, count, ods, stack
from howfar.progress import bar, tell
from howfar.training.data_loading import held_out_batches, training_batches
from howfar.training.image_mask_pairs import Pairs
from howfar.training.training_settings import THREADS, TrainSettings, kept_epoch


class Fitting(lightning.LightningModule):
    """Train a segmenter by AdamW with one loss and one schedule, and validate by ODS on held-out images."""

    def __init__(self, segmenter: nn.Module, settings: TrainSettings, tracking: Tracking, order: Any) -> None:
        super().__init__()
        self.segmenter: Any = segmenter
        self.settings, self.tracking, self.order = settings, tracking, order
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

    def on_train_epoch_end(self) -> None:
        """Log the epochs that are not logged yet, also those left by a kill; by now the callbacks have saved the state."""
        for entry in self.history:
            self.tracking.log({name: value for name, value in entry.items() if name != "epoch"}, entry["epoch"])

    def weights(self) -> dict[str, Tensor]:
        """Copy the segmenter's weights to the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.segmenter.state_dict().items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the history and torch's thread count with the state for resuming."""
        checkpoint["history"] = self.history
        checkpoint[THREADS] = torch.get_num_threads()

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Restore the history, and set the order's epoch before workers read ahead."""
        self.history = list(checkpoint["history"])
        self.order.set_epoch(len(self.history))


class Keep(lightning.Callback):
    """Keep the `best` weights so far by held-out ODS, stop early by `patience`, and save the state, after each epoch."""

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


FIRST: Final = 1  # steps that are not measured: the first prepares what the others need not
SECONDS: Final = 2.0  # seconds that steps are measured for, at least
STEPS: Final = 3  # steps that are measured, at least


class Progress(lightning.Callback):
    """Show a progress bar over all steps on stderr, with the last loss and held-out ODS; print once how long it will take.

    `models` is how many trainings like this one are ahead, this one among them; for 0 the duration is not printed.
    """

    def __init__(self, models: int = 1) -> None:
        self._bar: Any = None
        self._models, self._ahead = models, 0
        self._times: list[float] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Open the bar at the current step, which is above 0 for a resumed training."""
        steps = int(trainer.estimated_stepping_batches)
        self._ahead = steps - trainer.global_step
        self._bar = bar(total=steps, initial=trainer.global_step, desc="training", unit="step")

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any, **__: Any) -> None:
        """Advance the bar to the current step; once enough steps are timed, print the expected duration and the threads."""
        if self._models:
            self._times.append(time.monotonic())
            measured, seconds = len(self._times) - FIRST, self._times[-1] - self._times[FIRST - 1]
            if measured >= STEPS and seconds >= SECONDS:
                each, threads, models = seconds / measured, torch.get_num_threads(), self._models
                steps = f"{self._ahead:,} steps of {each:.2f} s with {threads} thread{'' if threads == 1 else 's'}"
                own = f"training takes at least {duration(each * self._ahead)}: {steps}"
                more = f"; {models} models like this at least {duration(each * self._ahead * models)}" if models > 1 else ""
                tell(own + more)
                self._models = 0
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


LIMIT: Final = 2 << 30  # bytes that features may take where there is no budget


def run(
    network: Any,
    settings: TrainSettings,
    pairs: Pairs,
    held: Pairs | None,
    added: int,
    state: Path,
    device: torch.device,
    workers: int,
    models: int | None,
    tracking: Tracking,
) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
    """Train a network, or go on from the file `state`; return the history and the kept epoch's weights.

    The last `added` of the pairs are added images; `models` is that of `Progress`, None without a bar.
    """
    # Pictures of a random scale never come again, so that there is nothing to keep.
    views = None if settings.rescale else getattr(network, "views", None)
    batches = training_batches(pairs, added, settings, workers, views)
    module = Fitting(network, settings, tracking, batches.sampler)
    keep = Keep(state, settings.keep == "best", settings.patience)
    with _trainer_contained(), torch.random.fork_rng(devices=[]):
        trainer = lightning.Trainer(
            accelerator=device.type,
            devices=1 if device.type == "cpu" else [device.index or 0],
            precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
            max_epochs=settings.epochs,
            callbacks=[keep, *([] if models is None else [Progress(models)])],
            deterministic="warn",
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        kept: Any = nullcontext()
        if views and hasattr(network, "keeping_features"):
            # Encoder features are kept in the memory that the images leave.
            whole, images = budget(), [pairs, *([] if held is None else [held])]
            taken = sum(each.pictures.nbytes + each.masks.nbytes for each in images)
            kept = network.keeping_features(LIMIT if whole is None else max(0, whole.total - whole.reserved - taken))
        slow_layers = device.type == "cpu" and settings.precision == "bf16"
        with kept, depthwise_in_float32(network) if slow_layers else nullcontext():
            trainer.fit(
                module,
                batches,
                None if held is None else held_out_batches(held, settings.batch),
                ckpt_path=state if state.is_file() else None,
                weights_only=True,
            )
    # Where a training was killed after its last epoch Lightning does not call it again.
    module.on_train_epoch_end()
    return module.history, module.weights() if keep.weights is None else keep.weights


@contextmanager
def _trainer_contained() -> Iterator[None]:
    """Within the block, silence Lightning's advice, and keep it from exiting an interrupted process; restore what it switches.

    It sets torch's switches for deterministic algorithms and does not restore them. Meanwhile new memory is not filled, which
    would take 3 to 9 % of a step on a CPU; nothing here reads uninitialised memory.
    """
    loggers = {logger: logger.level for logger in map(logging.getLogger, ("lightning.pytorch", "lightning.fabric"))}
    memory: Any = torch.utils.deterministic  # a property of the module, which its type does not tell
    fill, memory.fill_uninitialized_memory = memory.fill_uninitialized_memory, False
    on, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        # Windows of DeepCrack's unpooling never overlap, so that no value is written twice.
        warnings.filterwarnings("ignore", "max_unpooling2d", UserWarning)
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        except SystemExit as error:
            raise KeyboardInterrupt from error
        finally:
            for logger, level in loggers.items():
                logger.setLevel(level)
            torch.use_deterministic_algorithms(on, warn_only=warn)
            torch.backends.cudnn.benchmark = benchmark
            memory.fill_uninitialized_memory = fill


@contextmanager
def depthwise_in_float32(network: nn.Module) -> Iterator[None]:
    """Run a network's depthwise convolutions in float32 within the block.

    In bfloat16 their gradient takes 3 to 6 times as long on a CPU, and so a step of UNet++ 1.2 times as long
    (``benchmarks/training_step.py``).
    """
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    layers: list[Any] = [layer for layer in convolutions if layer.groups == layer.in_channels > 1]
    for layer in layers:
        layer.forward = partial(_in_float32, layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # the class's own is found again


def _in_float32(forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return forward(x.float())
