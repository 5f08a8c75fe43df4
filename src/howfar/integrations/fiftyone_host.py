"""Read a FiftyOne dataset as images, and write distances, estimates, flags, draws and labels onto its samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from howfar.data.dataset import Dataset, unshared
from howfar.data.documents import read_json, readable, texts_of_csv
from howfar.data.images import size
from howfar.data.item import Item
from howfar.errors import InputError, MissingExtraError, MissingPathError, one_line
from howfar.io.location import absolute
from howfar.results import Comparison, Relation, Skipped
from howfar.wording import unguarded

if TYPE_CHECKING:
    import pandas as pd

TRUTH: Final = "ground_truth"
"""The field whose masks and classes are a dataset's truth."""
FAR: Final = 0.05
_FIELDS: Final = {"i_dist_mean": "distance", "knn": "knn", "percentile": "percentile", "p_value": "p_value"}
_ESTIMATES: Final = {"estimate": "estimate", "estimate_low": "low", "estimate_high": "high", "listed": "listed"}
"""Columns of ``images.parquet`` and ``relation.parquet``, and the fields of samples that they fill, after ``howfar_``."""


def load(name: str) -> Any:
    """Return a FiftyOne dataset, or its saved view NAME:VIEW; raise `HowfarError` where there is none."""
    try:
        import fiftyone
    except ImportError as error:
        raise MissingExtraError("fiftyone: needs fiftyone: pip install 'howfar[fiftyone]'") from error
    try:
        known = fiftyone.list_datasets()
    except Exception as error:  # those of its database share no class
        line = f"FiftyOne's database does not answer ({one_line(error)})"
        raise InputError(f"{line}: start it, or name it in FIFTYONE_DATABASE_URI") from error
    if name in known:
        return fiftyone.load_dataset(name)
    whole, _, view = name.rpartition(":")
    if whole not in known:
        near = ", ".join(sorted(known)[:5]) or "none"
        raise MissingPathError(f"no FiftyOne dataset named {name}: its datasets are {near}")
    dataset = fiftyone.load_dataset(whole)
    if view not in dataset.list_saved_views():
        views = ", ".join(dataset.list_saved_views()) or "none"
        raise MissingPathError(f"no saved view {view} of the FiftyOne dataset {whole}: its views are {views}")
    return dataset.load_saved_view(view)


def read_dataset(name: str, called: str | None = None) -> Dataset:
    """Read the images of a FiftyOne dataset or saved view in its order, with the masks or classes of the field ground_truth.

    A mask must lie in a file, as its ``mask_path``; one within the database is left out, and noted among the skipped.
    """
    samples = load(name)
    called = called or name.replace(":", "-")
    if samples.media_type != "image":
        raise InputError.of("dataset", "must hold images", f"{samples.media_type} of FiftyOne", "export its frames first")
    paths = samples.values("filepath")
    truths = samples.values(TRUTH) if samples.has_sample_field(TRUTH) else [None] * len(paths)
    items, skipped = [], []
    for (path, shown), truth in zip(unshared(paths).items(), truths, strict=True):
        mask = getattr(truth, "mask_path", None)
        if not Path(path).is_file():
            skipped.append(Skipped(called, path, "no such file"))
            continue
        if mask is None and getattr(truth, "mask", None) is not None:
            skipped.append(Skipped(called, path, "its mask lies in FiftyOne's database alone, not in a file: kept without it"))
        items.append(Item(shown, Path(path), None if mask is None else Path(mask), _class_of(truth)))
    if not items:
        raise InputError.of("dataset", "must hold an image file", f"{name} of FiftyOne", "add images to it")
    return Dataset(called, tuple(items), tuple(skipped), f"fiftyone:{name}")


def _class_of(truth: Any) -> str | None:
    return truth.label if type(truth).__name__ == "Classification" else None


def add_run(samples: Any, run: str | Path) -> int:
    """Write the distances of a run, and its estimates where it has some, onto the samples, and return how many got them.

    Fields: ``howfar_distance``, ``howfar_knn``, ``howfar_percentile``, ``howfar_p_value``, ``howfar_far`` (a p-value of at most
    0.05); ``howfar_estimate``, ``howfar_low``, ``howfar_high`` and ``howfar_listed`` (on the failure list).
    """
    images = Comparison.load(run).images
    table = images.assign(far=images["p_value"] <= FAR).rename(columns=_FIELDS)
    found = _set(samples, table, [*_FIELDS.values(), "far"])
    if (absolute(run) / Relation.DOCUMENT).is_file():
        _set(samples, Relation.load(run).images.rename(columns=_ESTIMATES), list(_ESTIMATES.values()))
    return found


def _set(samples: Any, table: pd.DataFrame, columns: Iterable[str]) -> int:
    """Set fields of samples by their files' paths, from the rows of their dataset where it is in the table by its name.

    An undefined number leaves a sample without it.
    """
    own = table["dataset"] == getattr(samples, "dataset_name", samples.name)
    rows = table[table["path"].isin(set(samples.values("filepath"))) & (own | ~own.any())]
    for name in columns:
        whole = rows[["path", name]].dropna()
        if len(whole):
            values = dict(zip(whole["path"], whole[name].tolist(), strict=True))
            samples.set_values(f"howfar_{name}", values, key_field="filepath")
    return len(rows)


def add_draw(dataset: Any, folder: str | Path, kind: str) -> int:
    """Tag the images that `howfar select` or `howfar certify` chose, as a saved view in their order; return how many.

    An earlier draw of that kind ("selected", "to certify") loses its tags.
    """
    file = absolute(folder) / "chosen.csv"
    if not file.is_file():
        raise MissingPathError(f"no chosen.csv in {folder}: pass a folder of howfar select or certify")
    with readable(file, "select or certify again"):
        table = texts_of_csv(file)
        ranks = dict(zip(table["image"].map(unguarded), table["rank"].astype(int).tolist(), strict=True))
    tag, field = f"howfar {kind}", f"howfar_{kind.rpartition(' ')[2]}_rank"
    drawn = dataset.select_by("filepath", list(ranks), ordered=True)
    if not len(drawn):
        raise InputError.of("folder", f"must hold images of the FiftyOne dataset {dataset.name}", str(folder))
    dataset.match_tags(tag).untag_samples(tag)
    drawn.tag_samples(tag)
    if dataset.has_sample_field(field):
        dataset.clear_sample_field(field)
    dataset.set_values(field, {path: ranks[path] for path in drawn.values("filepath")}, key_field="filepath")
    dataset.save_view(tag, dataset.match_tags(tag).sort_by(field), overwrite=True)
    return len(drawn)


def add_labels(samples: Any, folder: str | Path, field: str = TRUTH) -> int:
    """Write the labels that `howfar labels import` wrote into a field: masks, classes or boxes; return how many images."""
    from fiftyone import Classification, Detections, Segmentation

    root = absolute(folder)
    if not (root / "labels.csv").is_file():
        raise MissingPathError(f"no labels.csv in {folder}: pass a folder of howfar labels import")
    with readable(folder, "import the labels again"):
        table = texts_of_csv(root / "labels.csv").map(unguarded)
        paths = [str(root / image) for image in table["image"]]
        if "mask" in table:
            values = [Segmentation(mask_path=str(root / mask)) for mask in table["mask"]]
        elif "label" in table:
            values = [Classification(label=label) for label in table["label"]]
        else:
            boxes = {one["image"]: one for one in read_json(root / "boxes.json")}
            values = [Detections(detections=_boxes(boxes[name], path)) for name, path in zip(table["name"], paths, strict=True)]
    known = set(samples.values("filepath"))
    found = {path: value for path, value in zip(paths, values, strict=True) if path in known}
    if not found:
        raise InputError.of("folder", "must hold labels of images of the FiftyOne dataset", str(folder))
    samples.set_values(field, found, key_field="filepath")
    return len(found)


def _boxes(found: Mapping[str, Any], path: str) -> list[Any]:
    from fiftyone import Detection

    width, height = size(path)
    return [
        Detection(label=label, bounding_box=[left / width, top / height, (right - left) / width, (bottom - top) / height])
        for (left, top, right, bottom), label in zip(found["boxes"], found["labels"], strict=True)
    ]
