"""Adapt one trained model to one site in a call, as `howfar train --way` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from howfar.adaptation.way import Given, adapted, steps_of
from howfar.data import Dataset, DatasetArgument, parse
from howfar.errors import InputError
from howfar.segmenters.checkpoint import Checkpoint
from howfar.tracking import Log, check_tracker
from howfar.training.added_images import Added, added_examples, check_new
from howfar.training.image_mask_pairs import examples_of
from howfar.training.train import check_out, clear_state


def adapt_model(
    model: Checkpoint | str | Path,
    primary: DatasetArgument,
    out: str | Path | None = None,
    *,
    way: str = "finetune",
    add: str | Sequence[Added] = (),
    site: DatasetArgument | None = None,
    state: str | Path | None = None,
    tiled: bool = False,
    device: str = "auto",
    workers: int = 0,
    progress: bool = True,
    log: str | None = None,
) -> Checkpoint:
    """Adapt a trained segmenter to a site by a registered way, from unlabelled images of it, labelled ones, or both.

    Parameters
    ----------
    model
        M, a checkpoint of `howfar.train` or its path. Its own settings of training are kept.
    primary
        The dataset that M was trained on, with masks: every way that trains learns from it too.
    out
        Where to save the adapted checkpoint; None: nowhere.
    way
        A registered way, or several with ``+`` between them, done one after another. The default needs labels; ``scale``
        gained a little more by seven of them (docs/few-labels.md).
    add
        Labelled images of the site, as `howfar.train` takes them: ``SITE:LIST``, or pairs of a dataset and a list or a
        `Selection`.
    site
        Unlabelled images of the site, whose masks are not read; by default the dataset of `add`, where that is one.
    state
        Folder of the state that a killed training resumes from; by default ``OUT.state``. Ways that train need one or `out`.
    tiled
        Whether the site will be predicted by tiles, so that unlabelled images are read as such.
    device, workers, progress
        Where the network runs, how many processes prepare batches, and whether bars are shown.
    log
        The tracker that what is trained is logged to: ``mlflow`` or ``wandb``.

    Returns
    -------
    Checkpoint
        Its card's data says by which way, to which site and by how many labels it was adapted (``adapted``).

    Raises
    ------
    HowfarError
        An unknown way, one that needs labels or images that are not given, a dataset without masks, another primary dataset
        than M's, or what the way itself refuses.
    """
    check_tracker(log)
    steps = steps_of(way)
    reads = any(step.needs == "images" for step in steps)
    checkpoint = model if isinstance(model, Checkpoint) else Checkpoint.load(model)
    own = _images(primary, "primary")
    examples = examples_of(own, checkpoint.card.data.get("group"))
    picks = added_examples(add)
    check_new(picks, examples)
    names = sorted({pick.dataset for pick in picks})
    if site is None and reads and len(names) > 1:
        rule = "must be given where images of several datasets are added"
        raise InputError.of("site", rule, ", ".join(names), "pass the one to adapt to")
    unlabelled = _images(site, "site") if site is not None else _site_of(add) if picks and reads else None
    if state is None and out is None and any(step.trains for step in steps):
        raise InputError.of("state", "must be given where out is not", None, "name a folder for the state of the training")
    if out is not None:
        check_out(out, None if isinstance(model, Checkpoint) else model)
    hidden = None if unlabelled is None else unlabelled.without_masks()
    logged = Log.of(log, way if out is None else Path(out).stem)
    with _state(state, out) as folder:
        found = adapted(checkpoint, way, Given(examples, hidden, picks, folder, tiled, device, workers, progress, logged))
        if out is not None:
            found.save(out)
        clear_state(folder, own=state is None)
    return found


@contextmanager
def _state(state: str | Path | None, out: str | Path | None) -> Iterator[Path]:
    """Name the folder of states; where there is nothing to resume and nowhere to write, one that is removed at the end."""
    if state is None and out is None:
        with TemporaryDirectory(prefix="howfar-adapt-") as folder:
            yield Path(folder) / "state"
    else:
        yield Path(f"{out}.state") if state is None else Path(state)


def _images(argument: DatasetArgument, name: str) -> Dataset:
    dataset = parse(argument, unnamed=name)
    if not isinstance(dataset, Dataset):
        raise InputError.of(name, "must be images, not embeddings", dataset.name)
    return dataset


def _site_of(add: str | Sequence[Added]) -> Dataset:
    """Take the dataset whose images are added for the site."""
    from howfar.training.added_images import dataset_and_list

    first = add if isinstance(add, str) else add[0]
    return _images(dataset_and_list(first)[0], "add")
