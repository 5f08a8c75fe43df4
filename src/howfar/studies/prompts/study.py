"""The study of prompts: each picture is segmented by each prompt, the maps are kept, scored and drawn."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from howfar.data import Dataset, Item, content_hash, decode, parse, read_bytes, read_mask
from howfar.data.folder_walk import printable
from howfar.data.probability_map_files import places, signature_of, write_map
from howfar.errors import ImageError, InputError
from howfar.keywords import PromptOptions, PromptSettings
from howfar.progress import bar
from howfar.results import Provenance, Skipped
from howfar.results.prompting import Prompting
from howfar.settings import checked, picked, with_options
from howfar.studies.evaluation.evaluate import evaluate
from howfar.studies.prompts.prompters import (
    STREAM,
    Example,
    Pictured,
    PromptedKinds,
    Prompter,
    prompters_of,
    reference_of,
    refuse_unused,
    settings_of,
)
from howfar.studies.prompts.sam import Sam, Seen

CUT: Final = 0.5
FORMAT: Final = 1
"""Of the way in which maps are made: another number makes them anew."""
FOLDERS: Final = "maps"


@with_options(PromptOptions)
def prompts(
    datasets: Any,
    kinds: Sequence[str] | str = ("points", "box", "text"),
    *,
    out: str | Path,
    reference: tuple[str | Path, str | Path] | None = None,
    **options: Unpack[PromptOptions],
) -> Prompting:
    """Segment images by prompted networks that never saw their kind, and score that (figs. 11 and 12 of the paper).

    Prompts of points and boxes are made from each image's own mask, so they say what an annotator could get with clicks, not
    what a network would find alone. Images whose mask is empty, or that have none, are left out.

    Parameters
    ----------
    datasets
        One dataset with masks, a list of them, or a mapping from name to them, each as `howfar.data.parse` takes it.
    kinds
        Of "points" (SAM), "box" (SAM), "text" (CLIPSeg) and "persam" (PerSAM-F: SAM told by `reference`).
    out
        Folder of the study: maps, tables, figures, report. A study that was stopped goes on where it was.
    reference
        An image and its mask, for "persam". It is scored in no dataset.

    Returns
    -------
    Prompting
        Shows as its table; ``.scores``, ``.images``, ``.plot``.

    Raises
    ------
    HowfarError
        A dataset that is missing or has no mask with foreground, an unknown kind or wrong setting, or weights that are neither
        here nor within reach.

    Examples
    --------
    >>> import tempfile
    >>> from howfar.demo import write_dataset
    >>> place = Path(tempfile.mkdtemp())
    >>> roads = write_dataset(place / "roads", 2, seed=0, size=48)
    >>> prompts(roads, "text", out=place / "out", texts=["a crack"], pretrained=False, progress=False).prompts
    ('text: a crack',)
    """
    given = checked(PromptOptions, options)
    sam, clipseg, pretrained = given["sam"], given["clipseg"], given["pretrained"]
    texts = (given["texts"],) if isinstance(given["texts"], str) else given["texts"]
    own = {"kinds": (kinds,) if isinstance(kinds, str) else tuple(kinds), "texts": None if texts is None else tuple(texts)}
    settings = settings_of({**picked(PromptSettings, given), **own})
    refuse_unused(settings["kinds"], texts=settings["texts"], sam=sam, clipseg=clipseg)
    root = Path(out).expanduser().absolute()
    example = reference_of(settings, reference)
    sets, skipped = zip(*(_usable(one, settings, example) for one in _parsed(datasets)), strict=True)
    segment = (
        Sam(sam, pretrained=pretrained, device=given["device"])
        if set(settings["kinds"]) & {"points", "box", "persam"}
        else None
    )
    prompters = prompters_of(settings, segment, example, clipseg, pretrained, given["device"])
    images = []
    for dataset in sets:
        images += _predicted(dataset, prompters, segment, root, given["progress"])
    scores, rows = _scored(sets, prompters, pd.DataFrame(images), root)
    found = Prompting(
        datasets=tuple(dataset.name for dataset in sets),
        prompts=tuple(one.label for one in prompters),
        settings={**settings, "reference": None if example is None else example.name},
        scores=scores,
        images=rows,
        provenance=Provenance.now(),
        skipped=tuple(one for some in skipped for one in some),
        notes=tuple(_notes(settings, sets, pretrained)),
    )
    found.save(root)
    return found


def _parsed(datasets: Any) -> list[Dataset]:
    many = isinstance(datasets, Sequence) and not isinstance(datasets, str)
    named = datasets.items() if isinstance(datasets, dict) else [(None, one) for one in (datasets if many else [datasets])]
    found = [parse(argument, name=name) for name, argument in named]
    if not found:
        raise InputError.of("datasets", "must name at least one", datasets)
    for one in found:
        if not isinstance(one, Dataset):
            raise InputError.of("datasets", "must be images, not embeddings", one.name)
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError.of("datasets", "must have names of their own", twice, "name them as NAME=PATH")
    return [one for one in found if isinstance(one, Dataset)]


def _usable(dataset: Dataset, settings: PromptedKinds, example: Example | None) -> tuple[Dataset, tuple[Skipped, ...]]:
    """The images with a mask that has foreground, drawn down to the limit, without the reference."""
    rng = np.random.default_rng([settings["seed"], zlib.crc32(dataset.name.encode()), STREAM])
    limit = settings["limit"]
    wanted = len(dataset.items) if limit is None else limit
    kept: list[Item] = []
    skipped: list[Skipped] = list(dataset.skipped)
    for place in rng.permutation(len(dataset.items)):
        item = dataset.items[place]
        if len(kept) == wanted or item.mask is None:
            continue
        try:
            if _fits(item, read_mask(item.mask), example):
                kept.append(item)
        except ImageError as error:
            skipped.append(Skipped(dataset.name, printable(item.path), str(error)))
    if not kept:
        raise InputError.of(
            f"dataset {dataset.name}", "must have masks with foreground", "none", "put them in masks/ beside images/"
        )
    order = {item.name: place for place, item in enumerate(dataset.items)}
    return replace(dataset, items=tuple(sorted(kept, key=lambda item: order[item.name])), skipped=()), tuple(skipped)


def _fits(item: Item, mask: NDArray[np.bool_], example: Example | None) -> bool:
    """Whether an image can be prompted and scored; one that cannot be read or has another size than its mask is told of."""
    data = read_bytes(item.path)
    width, height = decode(data).image.size
    if mask.shape != (height, width):
        raise ImageError(f"is {height}×{width}, and its mask {mask.shape[0]}×{mask.shape[1]}")
    return bool(mask.any()) and (example is None or content_hash(data) != example.image)


def _predicted(
    dataset: Dataset, prompters: Sequence[Prompter], sam: Sam | None, root: Path, progress: bool
) -> list[dict[str, Any]]:
    """A row for each image and prompter; a map that is there already, made in the same way of the same image, is kept."""
    at = [{item.name: path for path, item in places(_folder(root, one, dataset), dataset).items()} for one in prompters]
    rows = []
    with bar(progress=progress, total=len(dataset.items), desc=f"prompting {dataset.name}", unit="image") as shown:
        for item in dataset.items:
            data = read_bytes(item.path)
            one = _pictured(item, data, sam)
            for prompter, paths in zip(prompters, at, strict=True):
                prompt = _mapped(prompter, one, paths[item.name], content_hash(data))
                rows.append(
                    {
                        "prompt": prompter.label,
                        "dataset": dataset.name,
                        "image": item.name,
                        "path": str(item.path),
                        "mask": str(item.mask),
                        "map": paths[item.name].relative_to(root).as_posix(),
                        "told": json.dumps(prompt, sort_keys=True),
                    }
                )
            shown.update()
    return rows


def _pictured(item: Item, data: bytes, sam: Sam | None) -> Pictured:
    picture = decode(data).image.convert("RGB")
    mask = read_mask(item.mask) if item.mask is not None else np.zeros((picture.height, picture.width), dtype=bool)
    kept: list[Seen] = []

    def seen() -> Seen:
        if not kept:
            assert sam is not None  # for the type checker: only SAM's prompters ask
            kept.append(sam.see(picture))
        return kept[0]

    return Pictured(item, picture, mask, seen)


def _mapped(prompter: Prompter, one: Pictured, path: Path, content: str) -> dict[str, Any]:
    """Write the map where it is not there, and return its prompt, which the map's file keeps too."""
    # What it is told comes from the mask.
    told = {"mask": content_hash(read_bytes(one.item.mask))} if prompter.by_mask and one.item.mask is not None else {}
    signed = {"format": FORMAT, **prompter.identity, "image": content, **told}
    there = signature_of(path)
    if there == "":
        raise InputError.of("out", "must hold no maps that howfar did not write", str(path), "choose another folder")
    known = json.loads(there) if there else {}
    if {key: value for key, value in known.items() if key != "prompt"} == signed:
        return dict(known["prompt"])
    values, prompt = prompter.make(one)
    said = prompt.to_dict()
    write_map(path, np.round(255 * values).astype(np.uint8), json.dumps({**signed, "prompt": said}, sort_keys=True))
    # As it comes back from the file.
    return dict(json.loads(json.dumps(said)))


def _folder(root: Path, prompter: Prompter, dataset: Dataset) -> Path:
    return root / FOLDERS / folder_of(prompter.label) / dataset.name


def folder_of(label: str) -> str:
    """The name of a folder that no other label has.

    Examples
    --------
    >>> folder_of("points"), folder_of("text: a crack"), folder_of("text: A crack")
    ('points', 'text-a-crack-9c9d5c1b', 'text-a-crack-e61504bd')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40]
    return plain if plain == label else f"{plain}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"


def _scored(
    sets: Sequence[Dataset], prompters: Sequence[Prompter], images: pd.DataFrame, root: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    scores, parts = [], []
    for prompter in prompters:
        for dataset in sets:
            found = evaluate(dataset, _folder(root, prompter, dataset), threshold=CUT, progress=False)
            row: dict[str, Any] = {"prompt": prompter.label, "dataset": dataset.name, "n": found.scored}
            names = ("ods", "ods_threshold", "ois", "ap", "f", "mean_f")
            scores.append(row | {name: np.nan if found.scores[name] is None else found.scores[name] for name in names})
            f = found.images.set_index("image")["performance"].rename("f")
            own = images[(images["prompt"] == prompter.label) & (images["dataset"] == dataset.name)]
            parts.append(own.join(f, on="image"))
    return pd.DataFrame(scores), pd.concat(parts, ignore_index=True)


def _notes(settings: PromptedKinds, sets: Sequence[Dataset], pretrained: bool) -> list[str]:
    found = []
    if not pretrained:
        found.append("the networks have random weights: nothing here says what published ones do")
    if {"points", "box"} & set(settings["kinds"]):
        found.append("points and boxes are taken from the masks that the maps are scored by: a network alone has none")
    found += [f"{one.name} has {len(one.items)} images: its scores say little" for one in sets if len(one.items) < 10]
    return found
