"""Read a site's images and the file of a model's answers on them, and predict the performance on each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from howfar.arrays import Float64Array
from howfar.data import Dataset, Item, content_hash, read_bytes
from howfar.data.entry_matching import entries_of
from howfar.data.folder_walk import printable
from howfar.data.groups import photographs_of
from howfar.errors import ImageError
from howfar.pipeline.reference_profile import Profile
from howfar.results.certificate import Certificate, Site
from howfar.studies.certification.site import by_profile, changed
from howfar.studies.evaluation.map_scores import with_bar
from howfar.studies.evaluation.unscored_images import Fault, read_all, settle
from howfar.studies.listed_certification.answers import Answer
from howfar.studies.listed_certification.read_answers import Answers


@dataclass(frozen=True, eq=False)
class ListedSite:
    """Hold the images of a site that have an answer, their answers by name, what is recorded, and what predicted it."""

    dataset: Dataset
    answers: Mapping[str, Answer]
    record: Site
    proxy: str = ""

    @property
    def proxies(self) -> Float64Array:
        """Return the predicted performance, (m,), nan where there is none."""
        return np.array(self.record.proxies, dtype=np.float64)


def read_listed(
    dataset: Dataset, answers: Answers, file: Path, given: Mapping[str, Any], profile: Profile | None = None
) -> ListedSite:
    """Read every image, and match it with the model's answer.

    Parameters
    ----------
    dataset
        The site's images.
    answers, file
        What a model says of them, and the file that it was read from.
    given
        The checked options of `howfar.certify`.
    profile
        A profile whose estimators predict; without one the confidence of the answers does.

    Raises
    ------
    HowfarError
        Images that cannot be read or have no answer, and may not be left out; a profile without estimators.
    """
    entries = entries_of(dataset, "row", file, list(answers.entries))
    reason = f"no prediction (none in {printable(file)})"
    missing = [
        Fault(item.name, printable(item.path), reason, missing=True)
        for item in dataset.items
        if answers.entries.get(entries.get(item.name, "")) is None
    ]
    contents, faults = read_all(
        dataset, missing, lambda items: with_bar(_content, items, given["progress"], "images"), given["partial"]
    )
    skipped = settle(faults, dataset, given["partial"])
    left_out = {fault.image for fault in faults}
    items = tuple(item for item in dataset.items if item.name not in left_out)
    found = {item.name: answer for item in items if (answer := answers.entries[entries[item.name]]) is not None}
    names, kept = [item.name for item in items], replace(dataset, items=items, skipped=(*dataset.skipped, *skipped))
    confidence, words = [found[name].confidence for name in names], answers.proxy
    if profile is not None:
        predicted, words = by_profile(kept, profile, file, given)
        confidence = predicted.tolist()
    record = Site(
        source="" if dataset.root is None else printable(dataset.root),
        images=tuple(names),
        contents=tuple(contents),
        predictions=tuple(content_hash(found[name].text.encode()) for name in names),
        proxies=tuple(None if value != value else float(value) for value in confidence),
        groups=() if given["group"] is None else tuple(photographs_of(names, given["group"])),
    )
    return ListedSite(kept, found, record, words)


def check_same(dataset: Dataset, answers: Answers, file: Path, earlier: Certificate) -> ListedSite:
    """Return the recorded images of a certificate's site, which must be as they were when the sample was drawn.

    Raises `InputError` in one line where an image or the model's answer on it is gone or has changed.
    """
    entries, recorded = entries_of(dataset, "row", file, list(answers.entries)), earlier.site
    items = {item.name: item for item in dataset.items}
    found = {}
    for name, content, prediction in zip(recorded.images, recorded.contents, recorded.predictions, strict=True):
        answer = answers.entries.get(entries.get(name, ""))
        if name not in items or answer is None:
            what = "its prediction" if name in items else "it"
            raise changed(f"{name} was there when the sample was drawn, and {what} is not")
        if _content(items[name]) != content:
            raise changed(f"the image {name} is another than when the sample was drawn")
        if content_hash(answer.text.encode()) != prediction:
            raise changed(f"the prediction of {name} is another than when the sample was drawn")
        found[name] = answer
    return ListedSite(replace(dataset, items=tuple(items[name] for name in recorded.images)), found, recorded, earlier.proxy)


def _content(item: Item) -> str | Fault:
    try:
        return content_hash(read_bytes(item.path))
    except ImageError as error:
        return Fault(item.name, printable(item.path), f"the image {printable(item.path)}: {error}")
