"""Train a segmenter on a dataset with masks in one call, `howfar.train`, and resume a training that was killed."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Unpack

import torch
from torch import Tensor

from howfar.backbones.torch_backbone import resolve_device
from howfar.cpu_cores import LIMIT as THREAD_LIMIT
from howfar.cpu_cores import available_cores
from howfar.data import DatasetArgument
from howfar.data.dataset_argument import parse_images
from howfar.errors import HowfarError, InputError, check_at_least, needing
from howfar.experiment_tracking import Log, Tracking, check_tracker
from howfar.image_reading_options import READING as PIXELS
from howfar.image_reading_options import file_and_reading
from howfar.io.file_location import ready_file
from howfar.io.file_locks import locked
from howfar.io.partial_results import STATE, TRACKED, part_key, remove_abandoned
from howfar.memory import within
from howfar.option_checks_and_signatures import checked, picked, with_options
from howfar.options_by_function import TrainKeywords, TrainOptions
from howfar.progress import stage
from howfar.segmenters import build_segmenter, restore_segmenter, segmenter_family
from howfar.segmenters.checkpoint import Checkpoint, CheckpointCard
from howfar.segmenters.norm_adaptation import only_norms
from howfar.training.image_mask_pairs import (
    Added,
    Pairs,
    TrainingExample,
    added_examples,
    check_new,
    examples_of,
    read_pairs,
    split,
)
from howfar.training.training_settings import THREADS, TrainSettings, check_size, kept_epoch, only_side, settings_for
from howfar.weights.state_dicts import fit_state_dict, hash_state_dict


@dataclass(frozen=True)
class TrainingTask:
    """Describe a training; the same task gives the same weights on the same machine with equal thread count.

    A share of `examples` is held out by photograph; `extra` images are always learnt from.
    """

    segmenter: str
    options: Mapping[str, Any]
    primary: str
    examples: tuple[TrainingExample, ...]
    settings: TrainSettings
    extra: tuple[TrainingExample, ...] = ()
    pretrained: bool | Path = True
    start: Checkpoint | None = None
    group: str | None = None


def fit(
    task: TrainingTask,
    folder: str | Path,
    out: str | Path | None = None,
    *,
    device: str = "auto",
    workers: int = 0,
    progress: bool = True,
    models: int = 1,
    log: Log | None = None,
) -> Checkpoint:
    """Train a segmenter, or resume a killed training of the same task; return the best or last epoch's checkpoint.

    The state is kept in `folder` between epochs, and removed once the checkpoint is saved to `out`. `models` trainings like
    this one are ahead, this one among them: how long they will take is told after the first steps, or not at all for 0. A
    resumed training has as many threads as before it was killed, and goes on with its logged run.
    """
    check_at_least(0, workers=workers)
    family = segmenter_family(task.segmenter)
    check_size(family, task.settings.size, only_side(family, task.options, task.start))
    torch_device = resolve_device(device)
    learnt, held_out = split(task.examples, task.settings.holdout, task.settings.seed)
    pairs = read_pairs([*learnt, *task.extra], task.settings.size, progress)
    held = read_pairs(held_out, task.settings.size, progress) if held_out else None
    shared = len(set(pairs.contents) & set(held.contents)) if held is not None else 0
    if shared:
        raise InputError(f"examples: {shared} images to learn from are held out too, under another name: remove the doubles")
    with stage(f"building {task.segmenter}", progress):
        network = _initial_network(task)
    # Only a state of the same task is resumed: its name hashes everything that the weights depend on.
    identity = {
        "segmenter": task.segmenter,
        "options": dict(family.checked(task.options)),
        "settings": task.settings.model_dump(),
        "first": hash_state_dict(network.state_dict()),
        "learnt": list(pairs.contents),
        "fingerprints": [pairs.fingerprint, None if held is None else held.fingerprint],
    }
    state = Path(folder) / f"{part_key(identity)[:16]}{STATE}"
    state.parent.mkdir(parents=True, exist_ok=True)
    described = {
        "segmenter": task.segmenter,
        "primary": task.primary,
        "images": len(pairs),
        "added": len(task.extra),
        **{f"option.{name}": value for name, value in task.options.items()},
        **task.settings.model_dump(),
        "pretrained": str(task.pretrained),
    }
    note = state.with_suffix(TRACKED)
    with locked(state.parent, shared=True), threads_of(state), Tracking(log, described, note) as tracking:
        with needing("training needs lightning: pip install 'howfar[train]'"):
            from howfar.training.lightning_module import run
        ahead = models if progress else None
        history, weights = run(
            network, task.settings, pairs, held, len(task.extra), state, torch_device, workers, ahead, tracking
        )
        architecture = {} if family.describe is None else family.describe(network)
        checkpoint = Checkpoint(_card(task, pairs, held, history, weights, architecture), weights)
        if out is not None:
            checkpoint.save(out)
        state.unlink(missing_ok=True)
        epoch = kept_epoch(checkpoint.card.history, task.settings.keep) or {}
        tracking.conclude({f"kept/{name}": epoch.get(name) for name in ("epoch", "loss", "ods", "threshold")})
    return checkpoint


@contextmanager
def threads_of(state: Path) -> Iterator[None]:
    """Set torch's thread count to that of a saved training state within the block, and restore it afterwards.

    A number that the user chose stands: ``OMP_NUM_THREADS``, or one other than torch's default of one for each core.
    """
    before = kept = torch.get_num_threads()
    if not os.environ.get(THREAD_LIMIT) and before == available_cores() and state.is_file():
        # Lightning reads a damaged state again, and says what is wrong with it.
        with suppress(OSError, RuntimeError, ValueError, AttributeError, pickle.UnpicklingError):
            found = torch.load(state, map_location="cpu", weights_only=True, mmap=True).get(THREADS)
            kept = found if isinstance(found, int) and found > 0 else before
    if kept == before:
        yield
        return
    torch.set_num_threads(kept)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _initial_network(task: TrainingTask) -> Any:
    """Build the network with initial weights: a checkpoint's, published, or random by the task's seed."""
    start = task.start
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.settings.seed)
        if start is None:
            network = build_segmenter(task.segmenter, task.options, pretrained=task.pretrained)
        else:
            architecture = start.card.architecture if start.card.segmenter == task.segmenter else {}
            network = restore_segmenter(task.segmenter, task.options, architecture)
            fit_state_dict(network, start.state, (), "the checkpoint to begin with")
    if task.settings.tune == "norm":
        only_norms(network)
    return network.to(memory_format=torch.channels_last)


def _card(
    task: TrainingTask,
    pairs: Pairs,
    held: Pairs | None,
    history: Sequence[Mapping[str, Any]],
    weights: Mapping[str, Tensor],
    architecture: Mapping[str, Any],
) -> CheckpointCard:
    epoch = kept_epoch(history, task.settings.keep)
    pixels = _pixels_of(task.examples)
    # The largest side is that of a preceding training too.
    before = {} if task.start is None else task.start.card.data.get("sides") or {}
    sides = sorted(pairs.sides)
    return CheckpointCard(
        segmenter=task.segmenter,
        options=dict(segmenter_family(task.segmenter).checked(task.options)),
        size=task.settings.size,
        weights=hash_state_dict(weights),
        settings=task.settings.model_dump(),
        data={
            "primary": task.primary,
            "images": len(pairs),
            "extra": [f"{example.dataset}/{example.name}" for example in task.extra],
            "fingerprint": pairs.fingerprint,
            "contents": list(pairs.contents),
            "contents_before": [] if task.start is None else sorted(task.start.card.learnt),
            "all_contents_known": task.start is None or task.start.card.all_learnt_known,
            "held_out": [] if held is None else list(held.contents),
            "sides": {"median": sides[len(sides) // 2], "largest": max(sides[-1], before.get("largest", 0.0))},
            "started_from": None if task.start is None else task.start.card.weights,
            "group": task.group,
            "pretrained": task.pretrained if isinstance(task.pretrained, bool) else str(task.pretrained),
            THREADS: torch.get_num_threads(),
            **({PIXELS: pixels} if pixels else {}),
        },
        history=tuple(history),
        threshold=None if epoch is None else float(epoch["threshold"]),
        architecture=architecture,
    )


@with_options(TrainOptions)
def train(
    primary: DatasetArgument,
    model: str = "unetplusplus",
    out: str | Path | None = None,
    *,
    add: str | Sequence[Added] = (),
    background: Sequence[DatasetArgument] = (),
    start: Checkpoint | str | Path | None = None,
    state: str | Path | None = None,
    **options: Unpack[TrainOptions],
) -> Checkpoint:
    """Train a segmenter on a dataset's images and masks, or resume a killed training of the same task.

    Images are resized to a square (the aspect is not kept, as in the paper), masks so that no line is lost. A tenth of the
    photographs is held out of training, to decide when to stop and to choose the checkpoint's threshold.

    Parameters
    ----------
    primary
        A folder with ``images/`` and ``masks/``, or any dataset argument; images without a mask are left out.
    model
        A registered segmenter: ``unetplusplus``, ``deepcrack``, ``adsam``, ``frozen``.
    out
        Where to save the checkpoint; None: nowhere.
    add
        Chosen images of other datasets to learn from too, none of which is held out: ``SITE:LIST``, a dataset and a list of its
        images with masks that `howfar.select` wrote (``chosen.csv``), or a pair of a dataset and such a list or a `Selection`.
    background
        Datasets whose images are learnt from as images without foreground.
    start
        A checkpoint of the same architecture whose weights to begin with (fine-tuning).
    state
        Folder of the state that a killed training resumes from; by default ``OUT.state``.

    Returns
    -------
    Checkpoint
        Its card holds the history, the threshold and the training data.

    Raises
    ------
    HowfarError
        Images or masks that are absent or cannot be read, a wrong option, a library or weights that are absent.
    """
    given = checked(TrainOptions, options)
    pretrained = given["pretrained"]
    check_tracker(given["log"])
    family = segmenter_family(model)
    start_checkpoint = Checkpoint.load(start) if isinstance(start, (str, Path)) else start
    architecture = dict(given["options"] or {})
    if start_checkpoint is not None and start_checkpoint.card.segmenter == model:
        # Omitted options are those of the checkpoint to begin with.
        architecture = {**start_checkpoint.card.options, **architecture}
        own, asked = start_checkpoint.card.options.get("encoder"), architecture.get("encoder")
        if own != asked:
            only = f"must be that of the checkpoint to begin with ({own})"
            raise InputError.of("encoder", only, asked, "leave it out, or begin without that checkpoint")
    rule = "must be images with masks, not embeddings"
    dataset, *empty = (
        parse_images(argument, unnamed, "dataset", rule)
        for argument, unnamed in ((primary, "primary"), *((each, "background") for each in background))
    )
    examples, added = examples_of(dataset, given["group"]), added_examples(add)
    blank = tuple(example for each in empty for example in examples_of(each, blank=True))
    task = TrainingTask(
        segmenter=model,
        options=architecture,
        primary=dataset.name,
        examples=examples,
        settings=settings_for(family, architecture, start_checkpoint, **picked(TrainKeywords, given)),
        extra=(*added, *blank),
        pretrained=pretrained if isinstance(pretrained, bool) else Path(pretrained),
        start=start_checkpoint,
        group=given["group"],
    )
    family.checked(task.options)
    if out is not None:
        check_out(out, start, _pixels_of(examples))
    check_new(added, (*examples, *blank))
    with state_folder(state, out) as folder, within(given["memory"]):
        return fit(
            task,
            folder,
            out,
            device=given["device"],
            workers=given["workers"] or 0,
            progress=given["progress"],
            log=Log.of(given["log"], model if out is None else Path(out).stem),
        )


def _pixels_of(examples: Sequence[TrainingExample]) -> dict[str, Any]:
    """Return the bands and range by which images are read, as a checkpoint keeps them."""
    return replace(file_and_reading(examples[0].path)[1], window=0).identity() if examples else {}


@contextmanager
def state_folder(state: str | Path | None, out: str | Path | None, needed: bool = True) -> Iterator[Path]:
    """Name the folder of a training's state; then remove it if empty, and first killed trainings' states in howfar's own."""
    if state is None and out is None and needed:
        raise InputError.of("state", "must be given where out is not", None, "name a folder for the state of the training")
    with TemporaryDirectory(prefix="howfar-state-") as scratch:
        own = Path(scratch, "state") if out is None else Path(f"{out}.state")
        folder = own if state is None else Path(state)
        yield folder
        if state is None:
            remove_abandoned(folder)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def check_out(out: str | Path, start: Checkpoint | str | Path | None, pixels: Mapping[str, Any] | None = None) -> None:
    """Raise before overwriting a folder, a file that is no checkpoint, the checkpoint `start`, or one of other bands."""
    path = ready_file("out", out)
    if path is None or not path.exists():
        return
    if isinstance(start, (str, Path)) and Path(start).exists() and path.samefile(start):
        raise InputError.of("out", "must not be the checkpoint that training begins with", str(out), "choose another file")
    try:
        bands = Checkpoint.load(path).card.data.get(PIXELS, {}).get("bands", [])
    except HowfarError:
        rule = "must be new, or a checkpoint of howfar train to replace"
        raise InputError.of("out", rule, str(out), "choose another file") from None
    if pixels is not None and bands != pixels.get("bands", []):
        rule = "must be new, or a checkpoint that reads the same bands"
        received = f"{out}, which reads {', '.join(map(str, bands)) or 'pictures'}"
        raise InputError.of("out", rule, received, "choose another file")
