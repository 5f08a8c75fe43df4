"""Read a FiftyOne dataset as images, and write distances, estimates, chosen images (as tags) and labels back to it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from howfar.data.compact_item_table import Item
from howfar.data.dataset import Dataset
from howfar.data.image_decoding import size
from howfar.data.name_matching import unshared
from howfar.data.untrusted_documents_and_tables import read_json
from howfar.errors import InputError, MissingPathError, needing, one_line
from howfar.io.file_location import absolute
from howfar.progress import stage
from howfar.results import Comparison, Relation, Skipped
from howfar.results.selection_and_label_import import ImportedLabel, LabelImport
from howfar.studies.label_import import BOXES

TRUTH: Final = "ground_truth"
"""The field whose masks and classes are a dataset's truth."""
FAR: Final = 0.05
_FIELDS: Final = {
    **{"i_dist_mean": "distance", "knn": "knn", "percentile": "percentile", "p_value": "p_value", "far": "far"},
    **{"estimate": "estimate", "estimate_low": "low", "estimate_high": "high", "listed": "listed"},
}
"""Columns of ``images.parquet`` and ``relation.parquet``, and the fields of samples that they fill, after ``howfar_``."""


def load(name: str) -> Any:
    """Return a FiftyOne dataset, or its saved view NAME:VIEW; raise `HowfarError` where there is none."""
    with needing("fiftyone: needs fiftyone: pip install 'howfar[fiftyone]'"):
        import fiftyone
    try:
        with stage("asking FiftyOne's database"):
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
    """Read the images of a FiftyOne dataset or saved view, with the classes, or masks in files, of the field ground_truth."""
    samples = load(name)
    called = called or name.replace(":", "-")
    if samples.media_type not in ("image", None):  # None: no sample was ever added
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
        label = truth.label if type(truth).__name__ == "Classification" else None
        items.append(Item(shown, Path(path), None if mask is None else Path(mask), label))
    if not items:
        remedy = f"no such file as {skipped[0].path}" if skipped else "add images to it"
        raise InputError.of("dataset", "must hold an image file", f"{name} of FiftyOne", remedy)
    return Dataset(called, tuple(items), tuple(skipped), f"fiftyone:{name}")


def add_run(samples: Any, run: str | Path) -> None:
    """Write the distances of a run, and its estimates where it has some, onto the samples.

    Fields: ``howfar_distance``, ``howfar_knn``, ``howfar_percentile``, ``howfar_p_value``, ``howfar_far`` (a p-value of at most
    0.05); ``howfar_estimate``, ``howfar_low``, ``howfar_high`` and ``howfar_listed`` (on the failure list). An undefined number
    leaves a sample without it.
    """
    images = Comparison.load(run).images
    tables = [images.assign(far=images["p_value"] <= FAR)]
    if (absolute(run) / Relation.DOCUMENT).is_file():
        tables.append(Relation.load(run).images)
    for table in tables:
        # Of two datasets that share files, the rows are those of the dataset with the samples' own name.
        own = table["dataset"] == getattr(samples, "dataset_name", samples.name)
        rows = table[table["path"].isin(set(samples.values("filepath"))) & (own | ~own.any())]
        for name in _FIELDS.keys() & set(table):
            whole = rows[["path", name]].dropna()
            if len(whole):
                values = dict(zip(whole["path"], whole[name].tolist(), strict=True))
                samples.set_values(f"howfar_{_FIELDS[name]}", values, key_field="filepath")


def add_draw(dataset: Any, paths: Sequence[str], kind: str) -> None:
    """Tag the drawn images, as a saved view in their order; an earlier draw of that kind loses its tags."""
    tag, field = f"howfar {kind}", f"howfar_{kind.rpartition(' ')[2]}_rank"
    known = set(dataset.values("filepath"))
    ranks = {path: rank for rank, path in enumerate(paths, 1) if path in known}
    if not ranks:
        raise InputError.of("run", "must be of images of the FiftyOne dataset", dataset.name, "assess it first")
    dataset.match_tags(tag).untag_samples(tag)
    dataset.select_by("filepath", list(ranks)).tag_samples(tag)
    if dataset.has_sample_field(field):
        dataset.clear_sample_field(field)
    dataset.set_values(field, ranks, key_field="filepath")
    dataset.save_view(tag, dataset.match_tags(tag).sort_by(field), overwrite=True)


def add_labels(samples: Any, found: LabelImport, field: str = TRUTH) -> int:
    """Write imported labels into a field: masks, classes or boxes; return how many images of the dataset got one."""
    from fiftyone import Classification, Detection, Detections, Segmentation

    def value(one: ImportedLabel) -> Any:
        if found.task == "segmentation":
            return Segmentation(mask_path=str(Path(found.folder, one.label)))
        if found.task == "classification":
            return Classification(label=one.label)
        sides = np.tile(size(one.path), 2)
        boxes = zip(boxes_of[one.image]["boxes"], boxes_of[one.image]["labels"], strict=True)
        shares = [(np.array([*box[:2], *np.subtract(box[2:], box[:2])]) / sides, label) for box, label in boxes]
        return Detections(detections=[Detection(label=label, bounding_box=box.tolist()) for box, label in shares])

    document = read_json(Path(found.folder, BOXES)) if found.task == "detection" else []
    boxes_of, known = {entry["image"]: entry for entry in document}, set(samples.values("filepath"))
    values = {one.path: value(one) for one in found.images if one.path in known}
    if not values:
        raise InputError.of("labels", "must be of images of the FiftyOne dataset", found.source)
    samples.set_values(field, values, key_field="filepath")
    return len(values)
