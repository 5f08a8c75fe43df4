"""Train a segmenter on a dataset with masks in one call, `howfar.train`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from howfar.data import Dataset, parse
from howfar.errors import InputError
from howfar.io.checkpoint import remove_abandoned
from howfar.segmenters import segmenter_family
from howfar.segmenters.checkpoint import Checkpoint
from howfar.training.fit import Task, fit
from howfar.training.image_mask_pairs import examples_of
from howfar.training.settings import Settings, check_names, settings_for


def train(
    primary: Dataset | str | Path,
    model: str = "unetplusplus",
    out: str | Path | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    background: Sequence[Dataset | str | Path] = (),
    group: str | None = None,
    pretrained: bool | str | Path = True,
    start: Checkpoint | str | Path | None = None,
    state: str | Path | None = None,
    device: str = "auto",
    workers: int = 0,
    progress: bool = True,
    **settings: Any,
) -> Checkpoint:
    """Train a segmenter on a dataset's images and masks, or resume the same training where it was killed.

    Images are resized to a square (the aspect is not kept, as in the paper), masks so that no line is lost. A tenth of the
    photographs is held out of training, to decide when to stop and to choose the checkpoint's threshold.

    Parameters
    ----------
    primary
        The primary dataset: a folder with ``images/`` and ``masks/``, or any dataset argument; images without a mask are left
        out.
    model
        A registered segmenter: ``unetplusplus``, ``deepcrack``, ``adsam``.
    out
        Where to save the checkpoint; None: nowhere.
    options
        Options of the architecture: ``{"encoder": "b3"}``, say.
    background
        Datasets whose images are learnt from as images without foreground.
    group
        Regular expression whose first group names the photograph of a primary image; by default guessed from names
        ``<photo>-<tile>``.
    pretrained
        Begin with published weights where there are some; False for random ones, or a local file.
    start
        A checkpoint of the same architecture whose weights to begin with (fine-tuning).
    state
        Folder of the state that a killed training resumes from; by default ``OUT.state``. Once `out` is written, the states
        that other killed trainings left in that default folder are removed too.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    workers
        Processes that prepare batches; 0: none beside this one.
    progress
        Whether to show progress on stderr.
    **settings
        Fields of `howfar.training.settings.Settings`: size, epochs, batch, loss, schedule, rate, decay, augment, holdout,
        patience, keep, precision, seed; by default the segmenter's own. With a holdout of 0 the last epoch is kept, whatever
        `keep` says, and patience is refused.

    Returns
    -------
    Checkpoint
        Its card holds the history, the threshold and the training data.

    Raises
    ------
    HowfarError
        A dataset without masks, an image that cannot be read, a wrong option or setting, a library or weights that are absent.
    """
    own = [name for name in inspect.signature(train).parameters if name != "settings"]
    check_names(settings, [*Settings.model_fields, *own])
    family = segmenter_family(model)
    start_checkpoint = Checkpoint.load(start) if isinstance(start, (str, Path)) else start
    checked = settings_for(family, options or {}, start_checkpoint, **settings)
    dataset = _dataset(primary)
    task = Task(
        segmenter=model,
        options=dict(options or {}),
        primary=dataset.name,
        examples=examples_of(dataset, group),
        settings=checked,
        extra=tuple(example for blank in background for example in examples_of(_dataset(blank), blank=True)),
        pretrained=pretrained if isinstance(pretrained, bool) else Path(pretrained),
        start=start_checkpoint,
    )
    family.checked(task.options)
    if out is not None and Path(out).is_dir():
        raise InputError.of("out", "must be a file, not a folder", str(out))
    if state is None and out is None:
        raise InputError.of("state", "must be given where out is not", None, "name a folder for the state of the training")
    folder = Path(state) if state is not None else Path(f"{out}.state")
    checkpoint = fit(task, folder, out, device=device, workers=workers, progress=progress)
    if state is None:
        remove_abandoned(folder)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return checkpoint


def _dataset(argument: Dataset | str | Path) -> Dataset:
    dataset = argument if isinstance(argument, Dataset) else parse(argument)
    if not isinstance(dataset, Dataset):
        raise InputError.of("dataset", "must be images with masks, not embeddings", dataset.name)
    return dataset
