"""Train a segmenter on a dataset with masks in one call, `howfar.train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from howfar.data import Dataset, DatasetArgument, parse
from howfar.errors import HowfarError, InputError
from howfar.io.checkpoint import remove_abandoned
from howfar.keywords import TrainOptions, TrainSettings
from howfar.memory import within
from howfar.segmenters import segmenter_family
from howfar.segmenters.checkpoint import Checkpoint
from howfar.settings import checked, picked, with_options
from howfar.tracking import Log, check_tracker
from howfar.training.added_images import Added, added_examples, check_new
from howfar.training.fit import Task, fit
from howfar.training.image_mask_pairs import examples_of
from howfar.training.settings import settings_for


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
    """Train a segmenter on a dataset's images and masks, or resume the same training where it was killed.

    Images are resized to a square (the aspect is not kept, as in the paper), masks so that no line is lost. A tenth of the
    photographs is held out of training, to decide when to stop and to choose the checkpoint's threshold.

    Parameters
    ----------
    primary
        The primary dataset: a folder with ``images/`` and ``masks/``, or any dataset argument; images without a mask are left
        out.
    model
        A registered segmenter: ``unetplusplus``, ``deepcrack``, ``adsam``, ``frozen``.
    out
        Where to save the checkpoint; None: nowhere.
    add
        Chosen images of other datasets to learn from too, none of which is held out: ``SITE:LIST``, a dataset and a list of its
        images that `howfar.select` wrote (``chosen.csv``), or a pair of a dataset and such a list or a `Selection`. Every image
        of the list must have a mask in the dataset.
    background
        Datasets whose images are learnt from as images without foreground.
    start
        A checkpoint of the same architecture whose weights to begin with (fine-tuning).
    state
        Folder of the state that a killed training resumes from; by default ``OUT.state``. Once `out` is written, the states
        that other killed trainings left in that default folder are removed too.

    Returns
    -------
    Checkpoint
        Its card holds the history, the threshold and the training data.

    Raises
    ------
    HowfarError
        A dataset without masks, an added image without a mask or that its dataset lacks, an image that cannot be read, a wrong
        option or setting, a library or weights that are absent.
    """
    given = checked(TrainOptions, options)
    pretrained = given["pretrained"]
    check_tracker(given["log"])
    family = segmenter_family(model)
    start_checkpoint = Checkpoint.load(start) if isinstance(start, (str, Path)) else start
    architecture = _architecture(model, given["options"] or {}, start_checkpoint)
    dataset = _dataset(primary)
    examples, added = examples_of(dataset, given["group"]), added_examples(add)
    blank = tuple(example for argument in background for example in examples_of(_dataset(argument, "background"), blank=True))
    task = Task(
        segmenter=model,
        options=architecture,
        primary=dataset.name,
        examples=examples,
        settings=settings_for(family, architecture, start_checkpoint, **picked(TrainSettings, given)),
        extra=(*added, *blank),
        pretrained=pretrained if isinstance(pretrained, bool) else Path(pretrained),
        start=start_checkpoint,
        group=given["group"],
    )
    family.checked(task.options)
    if out is not None:
        check_out(out, start)
    if state is None and out is None:
        raise InputError.of("state", "must be given where out is not", None, "name a folder for the state of the training")
    check_new(added, (*examples, *blank))
    folder = Path(state) if state is not None else Path(f"{out}.state")
    with within(given["memory"]):
        checkpoint = fit(
            task,
            folder,
            out,
            device=given["device"],
            workers=given["workers"] or 0,
            progress=given["progress"],
            log=Log.of(given["log"], model if out is None else Path(out).stem),
        )
    clear_state(folder, own=state is None)
    return checkpoint


def _architecture(model: str, options: Mapping[str, Any], start: Checkpoint | None) -> dict[str, Any]:
    """Take options that are not given from the checkpoint that training begins with, whose encoder is trained on.

    Raises `InputError` for another encoder than its own.
    """
    if start is None or start.card.segmenter != model:
        return dict(options)
    architecture = {**start.card.options, **options}
    own, asked = start.card.options.get("encoder"), architecture.get("encoder")
    if own != asked:
        rule = f"must be that of the checkpoint to begin with ({own})"
        raise InputError.of("encoder", rule, asked, "leave it out, or begin without that checkpoint")
    return architecture


def clear_state(folder: Path, own: bool) -> None:
    """Remove a state that is of no more use: what killed trainings left in howfar's own folder, and a folder that is empty."""
    if own:
        remove_abandoned(folder)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def check_out(out: str | Path, start: Checkpoint | str | Path | None) -> None:
    """Refuse to replace a folder, a file that is no checkpoint of howfar's, or the checkpoint that training begins with."""
    path = Path(out)
    if path.is_dir():
        raise InputError.of("out", "must be a file, not a folder", str(out))
    if not path.exists():
        return
    if isinstance(start, (str, Path)) and Path(start).exists() and path.samefile(start):
        raise InputError.of("out", "must not be the checkpoint that training begins with", str(out), "choose another file")
    try:
        Checkpoint.load(path)
    except HowfarError:
        rule = "must be new, or a checkpoint of howfar train to replace"
        raise InputError.of("out", rule, str(out), "choose another file") from None


def _dataset(argument: DatasetArgument, unnamed: str = "primary") -> Dataset:
    dataset = parse(argument, unnamed=unnamed)
    if not isinstance(dataset, Dataset):
        raise InputError.of("dataset", "must be images with masks, not embeddings", dataset.name)
    return dataset
