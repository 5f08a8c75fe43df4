"""Train a segmenter: from examples and settings to a checkpoint, resumed where it was killed."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from howfar.backbones.torch_backbone import resolve_device
from howfar.errors import InputError, MissingExtraError
from howfar.segmenters import build_segmenter, recipe_of, restore_segmenter
from howfar.segmenters.checkpoint import Card, Checkpoint
from howfar.training.examples import Example, Pairs, read_pairs, split
from howfar.training.resume import at_work
from howfar.training.settings import TrainSettings, check_size, only_side
from howfar.weights.state_dicts import fit_state_dict, hash_state_dict

if TYPE_CHECKING:
    from howfar.training.callbacks import Keep
    from howfar.training.lightning_module import Fitting


@dataclass(frozen=True)
class Task:
    """One training, wholly described: the same task on the same machine gives the same weights.

    Attributes
    ----------
    segmenter, options
        The architecture.
    primary
        What the checkpoint calls the data.
    examples
        To learn from; by `settings.holdout` some of the photographs are held out.
    settings
        How.
    extra
        Examples that are always learnt from and never held out: a few images of each secondary dataset, background.
    pretrained
        As `howfar.segmenters.build_segmenter`.
    start
        A checkpoint of the same architecture whose weights training begins with (fine-tuning).
    """

    segmenter: str
    options: Mapping[str, Any]
    primary: str
    examples: tuple[Example, ...]
    settings: TrainSettings
    extra: tuple[Example, ...] = ()
    pretrained: bool | Path = True
    start: Checkpoint | None = None


def fit(
    task: Task,
    folder: str | Path,
    out: str | Path | None = None,
    *,
    device: str = "auto",
    workers: int = 0,
    progress: bool = True,
) -> Checkpoint:
    """Train, or go on with the same training where it was killed.

    Parameters
    ----------
    task
        What to train, on what, how.
    folder
        Where the state is kept between epochs; it is removed at the end.
    out
        Where to save the checkpoint, before the state is removed; None: nowhere.
    device, workers
        Where to run; processes that prepare batches (0: none beside this one). Neither is part of the task.
    progress
        Whether to show it on stderr.

    Returns
    -------
    Checkpoint
        Of the best epoch, or of the last one.

    Raises
    ------
    HowfarError
        An image or mask that cannot be read, an option or size that is wrong, weights or libraries that are absent.
    """
    if workers < 0:
        raise InputError.of("workers", "must be at least 0", workers)
    recipe = recipe_of(task.segmenter)
    check_size(recipe, task.settings.size, only_side(recipe, task.options, task.start))
    where = resolve_device(device)
    learnt, held = split(task.examples, task.settings.holdout, task.settings.seed)
    pairs = read_pairs([*learnt, *task.extra], task.settings.size, progress)
    beside = read_pairs(held, task.settings.size, progress) if held else None
    shared = set(pairs.contents) & set(beside.contents) if beside is not None else set()
    if shared:
        raise InputError(
            f"examples: {len(shared)} images to learn from are held out too, under another name: remove the doubles"
        )
    network = _begin(task)
    state = Path(folder) / f"{_identity(task, network, pairs, beside)[:16]}.state"
    state.parent.mkdir(parents=True, exist_ok=True)
    with at_work(state.parent):
        module, keep = _run(network, task.settings, pairs, beside, state, where, workers, progress)
        best = keep.weights if task.settings.keep == "best" else None
        weights = _cpu(module.segmenter.state_dict()) if best is None else best
        architecture = {} if recipe.describe is None else recipe.describe(network)
        made = Checkpoint(_card(task, pairs, beside, module.history, weights, architecture), weights)
        if out is not None:
            made.save(out)
        state.unlink(missing_ok=True)
    return made


def _begin(task: Task) -> Any:
    """The network with its first weights, the random ones drawn by the task's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.settings.seed)
        if task.start is None:
            network = build_segmenter(task.segmenter, task.options, pretrained=task.pretrained)
        else:
            network = _begun(task, task.start)
    return network.to(memory_format=torch.channels_last)


def _begun(task: Task, start: Checkpoint) -> Any:
    """The network of a checkpoint that training begins with, its base here or not."""
    its = start.card.architecture if start.card.segmenter == task.segmenter else {}
    network = restore_segmenter(task.segmenter, task.options, its)
    fit_state_dict(network, start.state, (), "the checkpoint to begin with")
    return network


def _run(
    network: Any,
    settings: TrainSettings,
    pairs: Pairs,
    held: Pairs | None,
    state: Path,
    where: torch.device,
    workers: int,
    progress: bool,
) -> tuple[Fitting, Keep]:
    try:
        import lightning
    except ImportError as error:
        raise MissingExtraError(f"training needs lightning: pip install 'howfar[train]' ({error})") from error
    from howfar.training.callbacks import Keep, Progress
    from howfar.training.data_loading import held_out_batches, training_batches
    from howfar.training.lightning_module import Fitting

    module, keep = Fitting(network, settings), Keep(state, settings.keep == "best", settings.patience)
    with _quiet(), _own_switches(), torch.random.fork_rng(devices=[]):
        trainer = lightning.Trainer(
            accelerator=where.type,
            devices=1 if where.type == "cpu" else [where.index or 0],
            precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
            max_epochs=settings.epochs,
            callbacks=[keep, *([Progress()] if progress else [])],
            deterministic="warn",
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with _interruptible():
            trainer.fit(
                module,
                training_batches(pairs, settings.batch, settings.seed, settings.augment, workers),
                None if held is None else held_out_batches(held, settings.batch),
                ckpt_path=state if state.is_file() else None,
                weights_only=True,
            )
    return module, keep


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make an interruption one again: Lightning leaves the process instead, after SIGTERM as if with success."""
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advertisements and advice from the user, who cannot act on them."""
    logs = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [one.level for one in logs]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        # Windows of DeepCrack's unpooling never overlap, so that no value is written twice.
        warnings.filterwarnings("ignore", "max_unpooling2d", UserWarning)
        for one in logs:
            one.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for one, level in zip(logs, levels, strict=True):
                one.setLevel(level)


@contextmanager
def _own_switches() -> Iterator[None]:
    """Give back the process's switches for deterministic algorithms, which the trainer turns and leaves.

    With them torch would fill all new memory, so that reading what was never written gives the same too: 3 to 9 % of a
    step on a CPU, and nothing here reads such memory.
    """
    memory: Any = torch.utils.deterministic  # a property of the module, which its type does not tell
    fill, memory.fill_uninitialized_memory = memory.fill_uninitialized_memory, False
    on, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(on, warn_only=warn)
        torch.backends.cudnn.benchmark = benchmark
        memory.fill_uninitialized_memory = fill


def _identity(task: Task, network: Any, pairs: Pairs, held: Pairs | None) -> str:
    """What the weights depend on, as one hash: a state of another task is not gone on with."""
    described = {
        "segmenter": task.segmenter,
        "options": dict(recipe_of(task.segmenter).checked(task.options)),
        "settings": task.settings.model_dump(),
        "first": hash_state_dict(network.state_dict()),
        "learnt": list(pairs.contents),
        "fingerprints": [pairs.fingerprint, None if held is None else held.fingerprint],
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _card(
    task: Task,
    pairs: Pairs,
    held: Pairs | None,
    history: Sequence[Mapping[str, Any]],
    weights: Mapping[str, Tensor],
    architecture: Mapping[str, Any],
) -> Card:
    kept = _kept(history, task.settings.keep)
    return Card(
        segmenter=task.segmenter,
        options=dict(recipe_of(task.segmenter).checked(task.options)),
        size=task.settings.size,
        weights=hash_state_dict(weights),
        settings=task.settings.model_dump(),
        data={
            "primary": task.primary,
            "images": len(pairs),
            "extra": [f"{one.dataset}/{one.name}" for one in task.extra],
            "fingerprint": pairs.fingerprint,
            "contents": list(pairs.contents),
            "held_out": [] if held is None else list(held.contents),
            "started_from": None if task.start is None else task.start.card.weights,
            "pretrained": task.pretrained if isinstance(task.pretrained, bool) else str(task.pretrained),
        },
        history=tuple(history),
        threshold=None if kept is None else float(kept["threshold"]),
        architecture=architecture,
    )


def _kept(history: Sequence[Mapping[str, Any]], keep: str) -> Mapping[str, Any] | None:
    """The epoch whose weights are kept, as `howfar.training.callbacks.Keep` judges; None where nothing was held out."""
    judged = [one for one in history if one.get("ods") is not None]
    if not judged:
        return None
    return max(judged, key=lambda one: float(one["ods"])) if keep == "best" else judged[-1]


def _cpu(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in state.items()}
