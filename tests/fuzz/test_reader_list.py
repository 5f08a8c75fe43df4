"""Every place in the sources that opens or parses a file is fuzzed, or is listed here with the reason why it need not be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from fuzz.readers import READERS

SOURCE = Path(__file__).parents[2] / "src" / "howfar"
CALLS = {
    *("open", "read_text", "read_bytes", "memmap", "memory_map", "OSFile", "load_file", "safe_open", "from_pretrained"),
    *("ZipFile", "ParquetFile", "open_stream", "open_file", "opened_file", "open_binary", "read_range", "cat_file"),
    *("InferenceSession", "safe_load", "compose", "fromstring", "parse_qs", "unpack_archive", "frombuffer"),
}
BEGINNINGS = (
    "read_csv", "read_parquet", "read_table", "read_schema", "read_json", "read_frame", "read_magic", "read_array_header",
)  # fmt: skip
OF_MODULES = {
    "json": "load",
    "tomllib": "load",
    "pickle": "load",
    "torch": "load",
    "np": "load",
    "yaml": "",
    "tarfile": "",
    "ElementTree": "parse",
}

FUZZED = {
    "data/box_files.py": "predicted_box_files true_box_files",
    "data/boxes.py": "box_predictions",
    "data/listed_labels.py": "class_labels",
    "data/predictions.py": "class_map probability_map map_signature",
    "data/classes.py": "class_names true_box_files predicted_box_files",
    "data/containers/parquet.py": "arrow saved_dataset image_parquet embeddings_parquet table",
    "data/separate_process.py": "arrow saved_dataset embeddings_lance",
    "data/containers/container.py": "arrow image_parquet",
    "data/containers/tar.py": "tar",
    "data/pixel_values.py": "image",
    "data/dataset_argument.py": "image_parquet embeddings_parquet table saved_dataset",
    "data/embeddings.py": "embeddings_npy embeddings_parquet embeddings_lance",
    "data/feature_table.py": "embeddings_parquet embeddings_lance",
    "data/photographs.py": "image",
    "data/table.py": "image_list table",
    "data/images.py": "image",
    "data/documents.py": "box_predictions coco label_studio class_predictions predicted_box_files cvat true_box_files",
    "data/label_exports.py": "coco cvat label_studio label_import",
    "data/masks.py": "mask",
    "data/image_bytes.py": "image tar image_parquet arrow",
    "io/archive.py": "archive profile",
    "io/location.py": "table tar image_parquet",
    "io/parquet_files.py": "class_predictions performance comparison",
    "results/certificate_result.py": "certificate",
    "results/evaluation_result.py": "evaluation",
    "results/run_files.py": "comparison relation",
    "results/result.py": "comparison relation backbones matrix adaptation prompting",
    "segmenters/checkpoint.py": "checkpoint",
    "weights/state_dicts.py": "state_dict",
    "weights/hub_models.py": "hub_config",
    "backbones/known_identity.py": "identity_record",
    "tracking.py": "tracked_note",
    "explore/server.py": "picks",
    "studies/check/log.py": "check_log",
    "studies/check/rules.py": "rules",
    "cli/config_file.py": "defaults",
    "studies/performance/performance_files.py": "performance evaluation",
    "studies/bench/comparison.py": "bench_entry",
    "studies/study_file/inputs.py": "study",
    "studies/study_file/bundle.py": "bundle",
    "studies/matrix.py": "pair_journal",
    "studies/study_file/run_study.py": "done_mark",
}
"""Which readers of `fuzz.readers` lead to the calls of a file."""

IMAGES = "reads images by howfar.data.read_bytes and decode, which are fuzzed as image"
OWN = "reads what this same version put into the package"
STORE = "reads the store, whose own tests of faults damage every file of it"
MODEL = "hands a model's file to its library, which is trusted as SECURITY.md says; what howfar parses itself is fuzzed"
NOT_FUZZED = {
    "backbones/onnx.py": MODEL,
    "backbones/engines.py": MODEL,
    "backbones/transformers.py": MODEL,
    "weights/hub_models.py": MODEL,
    "backbones/clipseg.py": MODEL,
    "backbones/published_transformers.py": MODEL,
    "backbones/timm.py": MODEL,
    "segmenters/predictor.py": MODEL,
    "segmenters/sam_adapter_network.py": MODEL,
    "paper/promptable_networks.py": MODEL,
    "cli/outcomes.py": "opens the null device",
    "cli/score.py": "opens the null device",
    "data/catalogue.py": OWN,
    "glossary.py": OWN,
    "memory.py": "reads the kernel's own account of this process",
    "studies/check/check_site.py": "hashes images, which it does not decode",
    "data/item.py": "parses what it wrote itself, in memory",
    "data/python_objects.py": "reads objects of the caller, not files",
    "data/labelling_exports.py": "packs images, which it does not decode",
    "demo/crack_detector.py": IMAGES,
    "explore/page_data.py": "reads back what it wrote, for its own tests",
    "explore/run_pictures.py": IMAGES,
    "explore/widget.py": "numbers of rows that the page in the notebook sends, which tests/explore/test_notebook.py tries",
    "explore/server.py": "parses what the page sends, of which tests/explore/test_site.py tries what it may be",
    "figures/contact_sheets.py": IMAGES,
    "paper/prompts_report.py": IMAGES,
    "io/atomic.py": "opens what is written",
    "training/compute.py": "reads a number out of the state of a killed training without pickle; what is damaged has none",
    "io/finished_parts.py": "reads parts of an unfinished run by np.load without pickle; whatever it raises means absent",
    "io/seal.py": "computes a checksum of bytes, and parses nothing",
    "io/lock.py": "reads the name in a lock file, as text",
    "pipeline/embedding.py": "opens stores",
    "pipeline/pairs.py": "parses a text out of io/checkpoint's arrays",
    "adaptation_ways.py": IMAGES,
    "pipeline/prediction.py": IMAGES,
    "segmenters/norm_adaptation.py": IMAGES,
    "segmenters/frozen_network.py": "parses a text that transformers just wrote of a network in memory",
    "selection/evidence.py": "a file of the package itself",
    "studies/select_images.py": IMAGES,
    "pipeline/scorer.py": IMAGES,
    "report/labelling_files.py": "reads again the table that an earlier run of it wrote, for the labels filled in there",
    "report/explorer.py": OWN,
    "report/run_figures.py": "reads the id in a document; what is no JSON counts as unchanged",
    "report/page.py": OWN,
    "results/comparison_result.py": "none of its own",
    "weights/published.py": "hashes the installed weights, which must be the published ones",
    "weights/onnx_files.py": "hashes a model's file, and those beside it that it names; any bytes there are a name at most",
    "runners.py": "unpickles what this run itself has pickled for its workers",
    "store/feature_store.py": STORE,
    "store/shard_folder.py": STORE,
    "store/index.py": STORE,
    "store/index_file.py": STORE,
    "store/inventory.py": STORE,
    "store/shard_catalog.py": STORE,
    "store/integrity.py": STORE,
    "store/local_folder.py": STORE,
    "store/manifest.py": STORE,
    "store/remote_folder.py": STORE,
    "store/shards.py": STORE,
    "studies/adaptation/adapt.py": IMAGES,
    "studies/adaptation/models.py": IMAGES,
    "studies/certification/sample.py": "parses the signature of a map, fuzzed as map_signature; what is no JSON means none",
    "studies/certification/certify.py": "compares how a table begins with how one of its own does",
    "studies/certification/verification.py": "hashes image files",
    "studies/check/rules.py": OWN,
    "studies/corruption.py": IMAGES,
    "paper/edges.py": IMAGES,
    "tasks": "reads images, and predictions and labels by the readers of data/",
    "paper/pool.py": "reads /proc/cpuinfo",
    "paper/pool_draws.py": IMAGES,
    "paper/prompts.py": IMAGES,
    "studies/matrix.py": "opens the journal, fuzzed as pair_journal",
    "studies/study_file/kind.py": OWN,
    "testing": "shipped conformance suites, which read what they wrote",
    "training/image_mask_pairs.py": IMAGES,
    "data/embeddings.py": "maps again, in a worker, an array that io/npy has checked",
}


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of every call that may read a file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = getattr(node.func, "value", None)
        module = owner.id if isinstance(owner, ast.Name) else ""
        wanted = OF_MODULES.get(module)
        if (
            name in CALLS
            or name.startswith(BEGINNINGS)
            or (wanted is not None and name.startswith(wanted) and "dump" not in name)
        ):
            yield node.lineno, name


def found() -> dict[str, list[tuple[int, str]]]:
    """Return the calls of each file that has any."""
    files = {path.relative_to(SOURCE).as_posix(): path for path in sorted(SOURCE.rglob("*.py"))}
    listed = {name: list(calls(ast.parse(path.read_text(encoding="utf-8")))) for name, path in files.items()}
    return {name: lines for name, lines in listed.items() if lines}


def covered(name: str) -> bool:
    return name in FUZZED or name in NOT_FUZZED or name.partition("/")[0] in NOT_FUZZED


def test_every_place_that_reads_a_file_is_listed() -> None:
    missing = {name: lines for name, lines in found().items() if not covered(name)}
    assert not missing, "fuzz it (tests/fuzz/readers.py), or say why it reads nothing from outside"


def test_what_is_said_to_be_fuzzed_is() -> None:
    names = {reader.name for reader in READERS}
    wanted = {reader for readers in FUZZED.values() for reader in readers.split()}
    assert wanted <= names, wanted - names


def test_no_list_names_a_file_that_is_gone() -> None:
    gone = [name for name in (*FUZZED, *NOT_FUZZED) if not (SOURCE / name).exists()]
    assert not gone


def test_calls_are_found() -> None:
    text = "import json\nwith open(x) as f:\n    json.load(f)\npd.read_parquet(p)\nImage.open(p)\nnp.load(p)\nx.close()"
    assert {line for line, _ in calls(ast.parse(text))} == {2, 3, 4, 5, 6}
