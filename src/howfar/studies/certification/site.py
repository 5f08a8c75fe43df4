"""Read a site's images and the model's predictions of them, and predict the performance of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howfar.arrays import Float64Array
from howfar.data import Dataset, DatasetArgument, content_hash, parse, read_bytes
from howfar.data.folder_walk import printable
from howfar.data.groups import photographs_of
from howfar.data.memory_images import check_files
from howfar.data.prediction_matching import examples
from howfar.errors import ImageError, InputError
from howfar.metrics.label_free_signals import foreground_confidence
from howfar.pipeline.reference_profile import Profile
from howfar.results.certificate import Certificate, Site
from howfar.studies.evaluation.map_scores import ScoredMap, Sources, find_sources
from howfar.studies.evaluation.segmentation import scored_maps
from howfar.studies.evaluation.unscored_images import settle

OWN = "confidence of the model's maps in their foreground"


@dataclass(frozen=True, eq=False)
class ReadSite:
    """Hold the images of a site that have a map, the maps' histograms, what is recorded, and what predicted performance."""

    dataset: Dataset
    histograms: tuple[NDArray[np.int64], ...]
    sources: Sources
    record: Site
    proxy: str

    @property
    def proxies(self) -> Float64Array:
        """Return the predicted performance, (m,), nan where there is none."""
        return np.array(self.record.proxies, dtype=np.float64)


def images_of(site: DatasetArgument) -> Dataset:
    """Turn the site into a dataset without masks; `HowfarError` where it is missing, empty, embeddings, or without files."""
    parsed = parse(site, unnamed="site")
    if not isinstance(parsed, Dataset):
        raise InputError.of("site", "must hold images", f"embeddings: {parsed.name}", "pass the folder of the images")
    check_files(parsed, "site", "its images are handed out to be labelled, and looked up again by a later call")
    return parsed.without_masks()


def read_site(dataset: Dataset, given: Mapping[str, Any], predictions: str | Path, profile: Profile | None) -> ReadSite:
    """Read every image and map, and predict each image's performance.

    Parameters
    ----------
    dataset
        The site's images, without masks.
    given
        The checked options of `howfar.certify`.
    predictions
        The folder of the model's maps.
    profile
        A profile whose estimators predict; without one the maps' own signals do.

    Raises
    ------
    HowfarError
        Images without a map that may not be left out, folders that are missing, a profile without estimators.
    """
    for name in ("flipped", "ensemble"):
        if profile is None and given[name]:
            raise InputError.of(
                name, "is of use only to a profile's estimators", str(given[name]), "pass --profile FILE, or leave it out"
            )
    ensemble = given["ensemble"]
    members = (ensemble,) if isinstance(ensemble, (str, Path)) else tuple(ensemble)
    sources = find_sources(dataset, predictions, given["flipped"], members)
    scored, faults = scored_maps(dataset, sources, 0.0, given["partial"], given["progress"])
    skipped = settle(faults, dataset, given["partial"])
    kept = replace(dataset, items=tuple(image.item for image in scored), skipped=(*dataset.skipped, *skipped))
    if profile is None:
        proxies, words = own_signal(scored), OWN
    else:
        proxies, words = by_profile(kept, profile, predictions, given)
    names = [item.name for item in kept.items]
    record = Site(
        source="" if dataset.root is None else printable(dataset.root),
        images=tuple(names),
        contents=tuple(image.content for image in scored),
        predictions=tuple(_hash("prediction", sources.main.files[name]) for name in names),
        proxies=tuple(None if value != value else float(value) for value in proxies.tolist()),
        groups=() if given["group"] is None else tuple(photographs_of(names, given["group"])),
    )
    return ReadSite(kept, tuple(image.histogram for image in scored), sources, record, words)


def own_signal(scored: Sequence[ScoredMap]) -> Float64Array:
    """Predict F by each map alone: by Σ p² / Σ p, its confidence where it sees foreground.

    Within five crack datasets it correlates with F by .73 to .95, and so does soft F; averaged with the agreement with flipped
    maps both correlate less.
    """
    return np.array([foreground_confidence(image.histogram) for image in scored])


def check_unchanged(dataset: Dataset, sources: Sources, recorded: Site) -> Dataset:
    """Return the recorded images of a site, which must be as they were when the sample was drawn.

    Raises `InputError` in one line where an image or its map is gone or has changed; `added_note` tells of added ones.
    """
    items = {item.name: item for item in dataset.items}
    lines = zip(recorded.images, recorded.contents, recorded.predictions, strict=True)
    for name, content, prediction in lines:
        if name not in items or name in sources.main.missing:
            what = "its map" if name in items else "it"
            raise changed(f"{name} was there when the sample was drawn, and {what} is not")
        if _hash("image", items[name].path) != content:
            raise changed(f"the image {name} is another than when the sample was drawn")
        if _hash("prediction", sources.main.files[name]) != prediction:
            raise changed(f"the prediction of {name} is another than when the sample was drawn")
    return replace(dataset, items=tuple(items[name] for name in recorded.images))


def added_since(dataset: Dataset, recorded: Site) -> list[str]:
    """List images that the site has now and that no sample could hold: they came later, or had no map."""
    known = set(recorded.images)
    return [item.name for item in dataset.items if item.name not in known]


def added_note(dataset: Dataset, earlier: Certificate) -> tuple[str, ...]:
    """Note images that the site has now and that its certificate is not of, where there are any."""
    added = added_since(dataset, earlier.site)
    if not added:
        return ()
    are = "1 image of the site is" if len(added) == 1 else f"{len(added)} images of the site are"
    return (f"{are} no part of it ({examples(added)}): the certificate is of the {earlier.n} others",)


def changed(reason: str) -> InputError:
    """Make the error of a site that is not as it was when its sample was drawn."""
    return InputError(
        f"{reason}: a sample holds for the images and the model that it was drawn for; draw anew in another --out"
    )


def _hash(what: str, path: Path | str) -> str:
    try:
        return content_hash(read_bytes(path))
    except ImageError as error:
        raise InputError(f"the {what} {printable(path)} cannot be read: {error}") from error


def by_profile(
    dataset: Dataset, profile: Profile, predictions: str | Path, given: Mapping[str, Any]
) -> tuple[Float64Array, str]:
    """Predict performance by a profile's estimators, nan where an image has none; and say by which, in words.

    Raises `HowfarError` where the profile predicts no performance, or cannot read the predictions.
    """
    chosen = {name: given[name] for name in ("flipped", "ensemble", "estimator") if given[name]}
    scores = profile.score(dataset, predictions=predictions, **chosen)
    by_path = {score.image: score for score in scores.images}
    rows = [by_path.get(printable(item.path)) for item in dataset.items]
    values = np.array([np.nan if row is None or row.predicted is None else row.predicted for row in rows])
    names = sorted({row.estimator for row in rows if row is not None and row.estimator})
    if not names:
        line = f"the profile of {profile.primary} predicts no performance: make it with labelled datasets and their performance"
        raise InputError(f"{line}, or leave --profile out")
    return np.clip(values, 0.0, 1.0), f"{', '.join(names)} of the profile of {scores.primary}"
