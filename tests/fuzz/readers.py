"""List the readers of outside files: small valid files of each, and how it is used until the values are touched."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from json import loads
from operator import attrgetter
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import MagicMock

import numpy as np

from fuzz import seeds
from fuzz.seeds import IMAGES, LISTED, Folder, npy, table
from howfar.data import Dataset, Item, decode, parse, read_bytes
from howfar.data.image_decoding import picture, size
from howfar.errors import ImageError
from howfar.image_reading_options import PixelReading, by_reading, reading_pixels
from howfar.results import Features
from howfar.studies.study_file.run_and_estimate import DONE

LANCE = find_spec("lance")
RASTERIO = find_spec("rasterio")


@dataclass(frozen=True)
class Reader:
    """Hold the seeds of a reader, and what reads the folder that one of them was written to."""

    name: str
    seeds: Callable[[], Sequence[Folder]]
    read: Callable[[Path], object]
    slow: bool = False
    """Whether a case takes so long that fewer are run."""


def touched(given: Any) -> object:
    """Read a dataset argument, and all images, masks or rows of it."""
    read = parse(given)
    if isinstance(read, Features):
        return read.to_array(), read.images
    for item in read.items:
        for path, use in ((item.path, decode), (item.mask, called("howfar.data.binary_masks:Mask.decode"))):
            if path is not None:
                try:
                    use(read_bytes(path))
                except ImageError:
                    continue
    return repr(read)


def read_bands(folder: Path) -> object:
    """Read two bands of a file, mapped to 0-255."""
    return picture(read_bytes(by_reading(first(folder), PixelReading((2, 1), "0:3000"))))


def read_windows(folder: Path) -> object:
    """Cut a raster into windows and read them."""
    with reading_pixels({"window": 8, "bands": "1", "range": "auto"}):
        return touched(first(folder))


def read_stack(folder: Path) -> object:
    """Read the slices or frames of a file."""
    with reading_pixels({"range": "0:200", "frames": "1/s"}):
        return touched(first(folder))


def first(folder: Path) -> Path:
    """Return the only file of a folder."""
    return next(path for path in sorted(folder.iterdir()) if path.is_file())


def called(function: str, *further: object) -> Callable[[Any], Any]:
    """Call a function, given as ``module:name``, with a path (or what was read) and `further` arguments."""
    module, _, name = function.partition(":")

    def call(path: Any) -> Any:
        return attrgetter(name)(import_module(module))(path, *further)

    return call


def of_first(function: str, *further: object) -> Callable[[Path], Any]:
    """Read the only file of a folder by a function, given as ``module:name``, with `further` arguments."""
    call = called(function, *further)
    return lambda folder: call(first(folder))


def of_roads(function: str) -> Callable[[Path], object]:
    """Read labels or boxes of two images, which lie in the folder, from its file or folder ``b``, or else its only file."""
    module, _, name = function.partition(":")

    def read(folder: Path) -> object:
        roads = Dataset("roads", tuple(Item(name, folder / name) for name in ("1.png", "2.png")))
        labels = next((path for path in sorted(folder.iterdir()) if path.stem == "b"), None) or first(folder)
        return vars(getattr(import_module(module), name)(roads, labels))

    return read


def shown(load: Callable[[Path], Any], file: str = "") -> Callable[[Path], object]:
    """Make what loads a result from a folder, or from its `file` or only file ("*"), and prints and writes the result."""

    def read(folder: Path) -> object:
        loaded = load(first(folder) if file == "*" else folder / file)
        return loaded.to_dict(), loaded.table(), loaded.caption(), loaded.remarks(), repr(loaded)

    return read


def result(kind: str) -> Callable[[Path], object]:
    """Make what loads a registered result, and prints and writes it."""

    def load(folder: Path) -> Any:
        from howfar import registry

        return registry.load("results", kind).load(folder)

    return shown(load)


def read_signature(folder: Path) -> object:
    from howfar.data.prediction_maps import signature_of
    from howfar.pipeline.prediction import size_note

    return signature_of(first(folder)), size_note("site", {"sides": {"largest": 4}}, 8, 8, [first(folder)])


def read_imported(folder: Path) -> object:
    """Import an export of two images that lie beside it, as masks."""
    from howfar.studies.label_import import import_labels

    with TemporaryDirectory() as out:
        site = Path(out) / "site"
        site.mkdir()
        for name in ("1.png", "2.png"):
            (site / name).write_bytes(IMAGES["1.png"])
        return import_labels(first(folder), site, Path(out) / "labels", complete=True).to_dict()


def read_variation_columns(folder: Path) -> object:
    from howfar.data.image_groups_and_variations import variation_columns

    return variation_columns(Dataset.from_table(_table(folder)), ["person"])


def read_image_list(folder: Path) -> object:
    from howfar.data.image_tables_and_lists import match_list, read_list

    return match_list(read_list(first(folder)), ["1.png"], ["/a/1.png"])


def read_box_list(folder: Path) -> object:
    from howfar.data.box_files import boxes_in, read_document
    from howfar.metrics.detection import DETECTION

    entries = boxes_in(read_document(first(folder), "predictions"), first(folder), "predictions")
    classes = {label: number for number, label in enumerate({label for boxes in entries.values() for label in boxes["labels"]})}
    for boxes in entries.values():
        boxes["labels"] = [classes[label] for label in boxes["labels"]]
    return [DETECTION.tally(boxes, boxes) for boxes in entries.values()]


def load_certificate(folder: Path) -> Any:
    from howfar.results.certificate_result import Certificate

    certificate = Certificate.load(folder)
    certificate.to_frame()
    return certificate


def read_profile(folder: Path) -> object:
    from howfar.pipeline.profile_file import Profile
    from howfar.results.display_and_shared_records import plain

    profile = Profile.load(first(folder))
    return plain(profile.identity), profile.rows.sum()


def read_checkpoint(folder: Path) -> object:
    from howfar.segmenters.checkpoint import Checkpoint

    checkpoint = Checkpoint.load(first(folder))
    return repr(checkpoint), checkpoint.card.learnt, checkpoint.card.all_learnt_known, checkpoint.build()


def read_defaults(folder: Path) -> object:
    from howfar.cli.config_file import Config
    from howfar.cli.main import parser

    config = Config.read(str(first(folder)))
    commands = parser().commands
    return [config.defaults(commands[name]) for name in ("compare", "train", "study")]


def read_pair_journal(folder: Path) -> object:
    from howfar.studies.distance_matrix import PairJournal

    with PairJournal.open(folder) as journal:
        return "a" in journal.rows


def read_thumbnails(folder: Path) -> object:
    from howfar.explore.run_photographs_and_masks import small_photographs
    from howfar.figures.contact_sheets import thumbnail

    return thumbnail(str(first(folder))), small_photographs([str(first(folder))], 64)


def read_kept_thumbnails(folder: Path) -> object:
    from howfar.explore.run_photographs_and_masks import _NAME, _unpacked
    from howfar.io.partial_results import KeptArrays

    return _unpacked(KeptArrays(folder).read(_NAME), "key")


def read_hub_config(folder: Path) -> object:
    from howfar.backbones.transformers_backbones import model_input
    from howfar.weights.hub_models import read_json

    return model_input(read_json(first(folder)), 224)


def read_run_and_select(folder: Path) -> object:
    from howfar.studies.select_images import select

    return select(folder, dataset="far", k=2, strategy="far").to_frame()


def read_relation(folder: Path) -> object:
    from howfar.results import Relation

    relation = Relation.load(folder)
    return relation.to_dict(), relation.table(), relation.footer()


def read_watch(folder: Path) -> object:
    """Begin where an earlier watch ended, in a copy, since it writes there."""
    from howfar.integrations.folder_watch import Watch

    with TemporaryDirectory() as copy:
        place = copytree(folder, Path(copy) / "watch")
        with Watch(None, place / "roads.howfar", seeds.WATCHED, place) as watch:
            return watch.look().to_dict()


def read_drawn(folder: Path) -> object:
    """Read what Label Studio, CVAT and an ML backend are told of a drawn sample."""
    from howfar.integrations.labelling_servers import Backend, drawn, tasks_of
    from howfar.studies.label_import import site_of

    backend, (_, labels) = Backend(folder, 0), drawn(folder)
    backend.server_close()
    return backend.predict(tasks_of(folder)), labels, site_of(folder, None, ()).dataset


def read_interface(folder: Path) -> object:
    """Compare the interface of a project of Label Studio with one of our own, either of which may be damaged."""
    from howfar.integrations.labelling_servers import fits

    there = (folder / "there.xml").read_text(encoding="utf-8", errors="surrogateescape")
    return fits(there, folder, "labelstudio://localhost/1", is_empty=False)


def read_host_answer(folder: Path) -> object:
    """Take the labels of a project from what Label Studio answers."""
    from howfar.integrations.labelling_servers import LabelStudioHost

    host, sdk = object.__new__(LabelStudioHost), MagicMock()
    host.address, host.project, host.sdk = "labelstudio://localhost/1", sdk, sdk
    try:
        sdk.projects.exports.as_json.return_value = loads(first(folder).read_bytes())
    except (ValueError, RecursionError):  # its SDK's errors
        return None
    return host.exported()


def read_request(folder: Path) -> object:
    """Answer a request of Label Studio to the ML backend."""
    from howfar.integrations.labelling_servers import Backend

    backend, data = object.__new__(Backend), first(folder).read_bytes()
    backend.version, backend.made = "howfar", {"1.png": {"score": 0.5}}
    asked = {"PATH_INFO": "/predict", "CONTENT_LENGTH": str(len(data)), "wsgi.input": io.BytesIO(data)}
    return backend._answer(asked, lambda *_: None)


VOC = b"<object><name>a</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>2</ymax></bndbox></object>"
ULTRALYTICS = b'[{"name": "a", "class": 0, "confidence": 0.5, "box": {"x1": 0, "y1": 0, "x2": 2.5, "y2": 2}}]'
RESULTS = b'[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], "score": 0.5}]'
BOX_ROWS = {
    "image": ["1.png", "2.png"],
    "x0": [0.0, 1.0],
    "y0": [0.0, 1.0],
    "x1": [2.0, 2.5],
    "y1": [2.0, 2.0],
    "score": [0.5, 1.0],
}
BOXES = b'[{"image": "1.png", "boxes": [[0, 0, 2, 2]], "scores": [0.5], "labels": ["a"]}]'
CLASSES = {"image": ["1.png", "2.png"], "predicted": ["dry", "wet"], "confidence": [0.5, 0.75]}
SHARES = {"image": ["1.png", "2.png"], "dry": [0.5, 0.25], "wet": [0.5, 0.75]}
PERFORMANCE = {"image": ["1.png", "2.png"], "performance": [0.5, None], "dataset": ["a", "b"], "foreground": [0.1, 0.2]}
EMBEDDING = {"image": ["a", "b", "c"], "embedding": [[1.0, 2.0], [3.0, 4.0], None]}
LOG = (
    b'{"format": 1, "time": "2026-01-01T00:00:00+00:00", "primary": "roads", "key": "a", "batch": {"dataset": "site", "n": 3, '
    b'"source": "", "measured": [0.5, 1.0], "predicted": [0.4, null]}, "decisions": {"gate": "pass"}, "outcome": "pass"}\n'
)
CONFIG = b'{"size": {"shortest_edge": 256}, "crop_size": 224, "image_mean": [0.5, 0.5, 0.5], "resample": 3}'


def both(name: str, columns: dict[str, Any], beside: Folder | None = None) -> list[Folder]:
    """Write a table as CSV and as Parquet."""
    scalar = {key: cells for key, cells in columns.items() if not isinstance(cells[0], list)}
    return [
        {f"{name}{ending}": table(ending, **(scalar if ending == ".csv" else columns)), **(beside or {})}
        for ending in (".csv", ".parquet")
    ]


def arrays() -> list[Folder]:
    values = np.arange(6.0).reshape(2, 3)
    return [{"e.npy": npy(values)}, {"e.npy": npy(values.astype(np.float32))}, {"e.npy": npy(values.astype(np.int64))}]


def maps() -> list[Folder]:
    floats = np.linspace(0, 1, 24).reshape(4, 6)
    packed = io.BytesIO()
    np.savez_compressed(packed, floats)
    arrays = [{"1.npy": npy(floats)}, {"1.npy": npy((floats * 255).astype(np.uint8))}, {"1.npz": packed.getvalue()}]
    return [*seeds.pictures(), *arrays]


def of_golden(folder: str, document: str = "") -> Callable[[], list[Folder]]:
    def make() -> list[Folder]:
        files = seeds.below(folder)
        return [dict(sorted(files.items(), key=lambda pair: pair[0] != document))]

    return make


def identity_records() -> list[Folder]:
    from howfar.backbones import load_backbone
    from howfar.backbones.backbone_loading import _keep

    with TemporaryDirectory() as folder:
        file = Path(folder) / "record.json"
        _keep(file, "weights and options", load_backbone("pixels"))
        return [{file.name: file.read_bytes()}]


def kept_thumbnails() -> list[Folder]:
    from howfar.explore.run_photographs_and_masks import _NAME, Small, _packed
    from howfar.io.partial_results import KeptArrays

    with TemporaryDirectory() as folder:
        packed = _packed([Small(b"webp", (4, 3), 8, 6)] * 2)
        KeptArrays(Path(folder)).keep(_NAME, {"key": np.array("key"), **packed})
        return [{f"{_NAME}.npz": (Path(folder) / f"{_NAME}.npz").read_bytes()}]


def class_maps() -> list[Folder]:
    p = np.full((3, 4, 6), 1 / 3, np.float32)
    packed = io.BytesIO()
    np.savez_compressed(packed, p)
    return [*seeds.pictures(), {"1.npy": npy(p)}, {"1.npz": packed.getvalue()}, {"1.npy": npy(np.ones((4, 6), np.int64))}]


PICKS = b'{"format": 1, "picks": [{"dataset": "cracks", "image": "1.jpg"}, {"dataset": "cracks", "image": "2.jpg"}]}'
LABELS, STATES = of_roads("howfar.data.label_files:read_labels"), "howfar.weights.state_dicts"
READERS = (
    Reader("image", seeds.pictures, lambda folder: (size(first(folder)), decode(read_bytes(first(folder))))),
    *([Reader("bands", seeds.rasters, read_bands), Reader("windows", seeds.rasters, read_windows)] * bool(RASTERIO)),
    *([Reader("volumes", seeds.volumes, read_stack)] * bool(find_spec("pydicom") and find_spec("nibabel"))),
    *([Reader("clips", seeds.clips, read_stack)] * bool(find_spec("av"))),
    Reader("mask", seeds.pictures, of_first("howfar.data.binary_masks:read_mask")),
    Reader("probability_map", maps, of_first("howfar.data.prediction_maps:read_prediction")),
    Reader("identity_record", identity_records, of_first("howfar.backbones.backbone_loading:_read", "weights and options")),
    Reader(
        "tracked_note",
        lambda: [{"note": b'{"tracker": "mlflow", "run": "0123", "step": 4}'}],
        of_first("howfar.experiment_tracking:_noted", "mlflow"),
    ),
    Reader("map_signature", lambda: [{"1.png": IMAGES["1.png"]}], read_signature),
    Reader("folder", lambda: [{f"images/{name}": data for name, data in IMAGES.items()}], touched),
    Reader("table", lambda: both("list", LISTED, IMAGES), lambda folder: touched(_table(folder))),
    Reader("variation_columns", lambda: both("list", LISTED, IMAGES), read_variation_columns),
    Reader(
        "image_list", lambda: [*both("list", {"image": ["1.png", "2.png"]}), {"list.txt": b"1.png\n2.png\n"}], read_image_list
    ),
    Reader("coco", lambda: [seeds.exported()["coco.json"]], LABELS),
    Reader("cvat", lambda: [seeds.exported()["cvat.xml"]], LABELS),
    Reader("label_studio", lambda: [seeds.exported()["studio.json"]], LABELS),
    Reader("label_import", lambda: [*seeds.exported().values(), seeds.packed_labels()], read_imported),
    Reader("box_labels", seeds.box_labels, of_roads("howfar.data.box_files:read_box_labels")),
    Reader("class_labels", seeds.class_labels, of_roads("howfar.data.label_files:read_class_labels")),
    Reader("tar", lambda: [{"s.tar": seeds.tar_file()}], lambda folder: touched(first(folder))),
    Reader("arrow", lambda: [{"s.arrow": seeds.arrow_stream()}], lambda folder: touched(first(folder))),
    Reader("saved_dataset", lambda: [seeds.saved_dataset()], touched),
    Reader("image_parquet", lambda: [{"s.parquet": seeds.image_parquet()}], lambda folder: touched(first(folder))),
    Reader("embeddings_npy", arrays, lambda folder: touched(first(folder))),
    Reader(
        "embeddings_parquet", lambda: [{"e.parquet": table(".parquet", **EMBEDDING)}], lambda folder: touched(first(folder))
    ),
    # Each case starts a process.
    *([Reader("embeddings_lance", seeds.lance_dataset, lambda folder: touched(folder / "e.lance"), slow=True)] * bool(LANCE)),
    Reader(
        "class_predictions",
        lambda: [*both("p", CLASSES), *both("p", SHARES)],
        of_first("howfar.data.class_names_and_predictions:read_classes"),
    ),
    Reader("box_predictions", lambda: [{"b.json": BOXES}], read_box_list),
    Reader(
        "true_box_files",
        lambda: [
            {"b/1.txt": b"0 0.5 0.5 0.2 0.2\n1 0.5 0.5 0.1 0.1\n", "b/classes.txt": b"a\nb\n", **IMAGES},
            {"b/1.xml": b"<annotation>" + VOC + b"</annotation>", **IMAGES},
        ],
        of_roads("howfar.data.box_files:read_true_boxes"),
    ),
    Reader(
        "predicted_box_files",
        lambda: [
            {"b/1.txt": b"0 0.5 0.5 0.2 0.2 0.9\n", "b/data.yaml": b"names: [a, b]\n", **IMAGES},
            {"b/1.json": ULTRALYTICS, **IMAGES},
            {"b.json": RESULTS, **IMAGES},
            *both("b", BOX_ROWS, IMAGES),
        ],
        of_roads("howfar.data.box_files:read_predicted_boxes"),
    ),
    Reader("class_map", class_maps, of_first("howfar.data.prediction_maps:read_class_map")),
    Reader(
        "class_names",
        lambda: [{"a.yaml": b"names:\n  0: a\n  1: b\n"}, {"a.txt": b"a\nb\n"}],
        of_first("howfar.data.class_names_and_predictions:class_names"),
    ),
    Reader(
        "performance",
        lambda: [*both("p", PERFORMANCE), {"far.parquet": seeds.golden()["evaluated/far.parquet"]}],
        lambda folder: [
            one.images for one in of_first("howfar.studies.performance.image_performance:read_performances")(folder)
        ],
    ),
    Reader(
        "bench_entry",
        lambda: both("cracks-net-0", PERFORMANCE),
        lambda folder: [entry.table for entry in called("howfar.studies.bench.method_comparison:read_entries")(folder)],
    ),
    Reader(
        "evaluation",
        lambda: [{"far.parquet": seeds.golden()["evaluated/far.parquet"]}],
        shown(called("howfar.results:Evaluation.load"), "*"),
    ),
    Reader("comparison", of_golden("run-embeddings", "result.json"), result("comparison")),
    Reader("comparison_select", of_golden("run", "images.parquet"), read_run_and_select, slow=True),
    Reader("relation", of_golden("run", "relation.json"), read_relation),
    Reader("backbones", of_golden("run-backbones", "backbones.json"), result("backbones"), slow=True),
    Reader("matrix", of_golden("matrix", "matrix.json"), result("matrix")),
    Reader("adaptation", of_golden("adaptation", "adaptation.json"), result("adaptation"), slow=True),
    Reader("prompting", of_golden("prompting", "prompting.json"), result("prompting")),
    Reader("archive", lambda: [seeds.small_archive()], of_first("howfar.io.array_files_and_archives:read")),
    Reader("profile", lambda: [{"p.howfar": seeds.golden()["roads.howfar"]}], read_profile),
    Reader(
        "state_dict",
        seeds.state_dicts,
        lambda folder: called(f"{STATES}:hash_state_dict")(of_first(f"{STATES}:read_state_dict")(folder)),
    ),
    Reader("checkpoint", lambda: [{"m.safetensors": seeds.golden()["model.safetensors"]}], read_checkpoint),
    Reader("study", lambda: [seeds.STUDY], of_first("howfar.studies.study_file.read_study_file:read_document")),
    Reader("rules", seeds.rules, of_first("howfar.studies.check.rules:read_rules")),
    Reader("defaults", lambda: [seeds.defaults()], read_defaults),
    Reader("certificate", lambda: [seeds.certificate()], shown(load_certificate)),
    Reader(
        "bundle",
        lambda: [seeds.bundle()],
        lambda folder: of_first("howfar.studies.study_file.results_bundle:read_bundle", folder / "unpacked")(folder),
    ),
    Reader("pair_journal", lambda: [seeds.pair_journal()], read_pair_journal),
    Reader(
        "done_mark", lambda: [{DONE: b'{"key":"a","seconds":1}'}], called("howfar.studies.study_file.run_and_estimate:done_in")
    ),
    Reader("check_log", lambda: [{"log.jsonl": LOG}], of_first("howfar.studies.check.log_and_alarm:read")),
    Reader("picks", lambda: [{"picks.json": PICKS}], called("howfar.explore.page_server_and_picks:read_picks")),
    Reader("thumbnails", seeds.pictures, read_thumbnails),
    Reader("kept_thumbnails", kept_thumbnails, read_kept_thumbnails),
    Reader("watch", seeds.watch, read_watch),
    Reader("drawn", seeds.drawn, read_drawn),
    Reader("interface", seeds.interfaces, read_interface),
    Reader("host_answer", lambda: [seeds.exported()["studio.json"]], read_host_answer),
    Reader("backend_request", lambda: [{"asked.json": b'{"tasks": [{"data": {}, "meta": {"image": "1.png"}}]}'}], read_request),
    Reader("hub_config", lambda: [{"preprocessor_config.json": CONFIG}], read_hub_config),
)


def _table(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if path.stem == "list")
