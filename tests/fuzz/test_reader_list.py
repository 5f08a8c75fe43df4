"""Every place in the sources that opens or parses a file is fuzzed, or is listed here with the reason why it need not be."""

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
    "data/box_files.py": "predicted_box_files true_box_files box_predictions",
    "data/prediction_maps.py": "class_map probability_map map_signature",
    "data/class_names_and_predictions.py": "class_names true_box_files predicted_box_files",
    "data/containers/parquet_and_arrow.py": "arrow saved_dataset image_parquet embeddings_parquet table",
    "data/arrow_subprocess.py": "arrow saved_dataset embeddings_lance",
    "data/containers/container_base_classes.py": "arrow image_parquet",
    "data/containers/tar_shards.py": "tar",
    "data/image_encoding.py": "image",
    "data/dataset_argument.py": "image_parquet embeddings_parquet table saved_dataset",
    "data/embedding_files.py": "embeddings_npy embeddings_parquet embeddings_lance",
    "data/image_groups_and_variations.py": "image variation_columns",
    "data/image_tables_and_lists.py": "image_list table",
    "data/image_decoding.py": "image",
    "data/bands_and_bit_depth.py": "bands",
    "data/raster_windows_and_outlines.py": "windows",
    "data/medical_images.py": "volumes",
    "data/video_frames.py": "clips",
    "data/untrusted_documents_and_tables.py": "box_predictions coco label_studio class_predictions cvat true_box_files",
    "data/annotation_formats.py": "label_studio label_import",
    "data/label_files.py": "coco cvat label_studio label_import class_labels",
    "data/binary_masks.py": "mask",
    "data/image_bytes.py": "image tar image_parquet arrow",
    "io/array_files_and_archives.py": "archive profile",
    "io/file_location.py": "table tar image_parquet",
    "io/untrusted_parquet.py": "class_predictions performance comparison",
    "results/certificate_result.py": "certificate",
    "results/evaluation_result.py": "evaluation",
    "results/checksums_and_overwrite_guard.py": "comparison relation",
    "results/result.py": "comparison relation backbones matrix adaptation prompting",
    "segmenters/checkpoint.py": "checkpoint",
    "weights/state_dicts.py": "state_dict",
    "weights/hub_models.py": "hub_config",
    "backbones/backbone_loading.py": "identity_record",
    "experiment_tracking.py": "tracked_note",
    "explore/page_server_and_picks.py": "picks",
    "studies/check/log_and_alarm.py": "check_log",
    "studies/check/rules.py": "rules",
    "cli/config_file.py": "defaults",
    "studies/performance/image_performance.py": "performance evaluation",
    "studies/bench/method_comparison.py": "bench_entry",
    "studies/study_file/read_study_file.py": "study",
    "studies/study_file/results_bundle.py": "bundle",
    "studies/distance_matrix.py": "pair_journal",
    "studies/study_file/run_and_estimate.py": "done_mark",
    "integrations/folder_watch.py": "watch check_log",
    "integrations/labelling_servers.py": "drawn cvat label_import interface host_answer backend_request",
}
"""Which readers of `fuzz.readers` lead to the calls of a file."""

NOT_FUZZED_WHY = {
    "hands a model's file to its library, which is trusted as SECURITY.md says; what howfar parses itself is fuzzed": (
        "backbones/onnx_backbone.py backbones/transformers_backbones.py weights/hub_models.py segmenters/predictor.py "
        "backbones/published_vision_models.py backbones/timm_backbones.py segmenters/sam_adapter_network.py "
        "paper/promptable_networks.py"
    ),
    "opens the null device": "cli/exit_codes.py cli/profile_commands.py",
    "reads what this same version put into the package": (
        "data/paper_datasets_and_checks.py glossary.py report/explorer.py report/page.py studies/check/rules.py "
        "studies/study_file/kind.py"
    ),
    "reads the kernel's own account of this process": "memory.py",
    "hashes images, which it does not decode": "studies/check/check_site.py",
    "parses what it wrote itself, in memory": "data/compact_item_table.py",
    "reads objects of the caller, not files": "data/python_objects.py",
    "compares four bytes, by which a file is a DICOM file, fuzzed as volumes": "data/image_and_mask_folders.py",
    "packs images, which it does not decode": "data/annotation_packing.py",
    "reads images by howfar.data.read_bytes and decode, which are fuzzed as image": (
        "demo/crack_detector.py explore/run_photographs_and_masks.py figures/contact_sheets.py paper/prompts_report.py "
        "adaptation_ways.py pipeline/normalisation_and_output_choice.py segmenters/norm_adaptation.py studies/select_images.py "
        "pipeline/profile_scorer.py studies/adaptation/adapt.py studies/corruption.py paper/edge_following.py "
        "paper/segmenter_ranking.py paper/prompts.py training/image_mask_pairs.py pipeline/prediction.py"
    ),
    "reads back what it wrote, for its own tests": "explore/page_data.py",
    "numbers of rows that the notebook's page sends, tried by tests/explore/test_notebook.py": "explore/notebook_widget.py",
    "parses what the page sends, of which tests/explore/test_site.py tries what it may be": "explore/page_server_and_picks.py",
    "opens what is written": "io/atomic_writes.py",
    "reads a number of a killed training's state without pickle; what is damaged has none": "training/train.py",
    "reads parts of an unfinished run by np.load without pickle; whatever it raises means absent": "io/partial_results.py",
    "computes a checksum of bytes, and parses nothing": "io/embedded_checksum.py",
    "reads the name in a lock file, as text": "io/file_locks.py",
    "opens stores": "pipeline/embedding.py report/explorer.py",
    "parses a text out of io/checkpoint's arrays": "pipeline/pair_measurement.py",
    "parses a text that transformers just wrote of a network in memory": "segmenters/frozen_encoder_network.py",
    "a file of the package itself": "selection/evidence.py",
    "reads again the table that an earlier run of it wrote, for the labels filled in there": "report/labelling_files.py",
    "reads the id in a document; what is no JSON counts as unchanged": "report/report_figures.py",
    "none of its own": "results/comparison_result.py",
    "hashes the installed weights, which must be the published ones": "weights/efficientnet_lite0.py",
    "hashes a model's file, and those beside it that it names; any bytes there are a name at most": "weights/onnx_network.py",
    "unpickles what this run itself has pickled for its workers": "runners.py",
    "reads the store, whose own tests of faults damage every file of it": (
        "store/feature_store.py store/folders.py store/sqlite_index.py store/inventory_and_pruning.py store/shard_catalog.py "
        "store/integrity.py store/shards.py"
    ),
    "parses the signature of a map, fuzzed as map_signature; what is no JSON means none": "studies/certification/sample.py",
    "compares how a table begins with how one of its own does": "studies/certification/certify.py",
    "reads a model card by huggingface_hub, whose errors are one line": "integrations/model_card.py",
    "hashes a profile's file": "integrations/onnx_gate.py",
    "reads tables and JSON, with `readable` around them": "integrations/fiftyone_datasets.py data/sharded_and_hub_datasets.py",
    "hashes image files": "studies/certification/verify_certificate.py",
    "reads images, and predictions and labels by the readers of data/": "tasks",
    "reads /proc/cpuinfo": "paper/segmenter_ranking.py",
    "opens the journal, fuzzed as pair_journal": "studies/distance_matrix.py",
    "shipped conformance suites, which read what they wrote": "testing",
    "maps again, in a worker, an array that io/npy has checked": "data/embedding_files.py",
}
"""Which files need no fuzzing, by the reason."""
NOT_FUZZED = {name for names in NOT_FUZZED_WHY.values() for name in names.split()}


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


def test_every_place_that_reads_a_file_is_listed() -> None:
    missing = {name: lines for name, lines in found().items() if not {name, name.partition("/")[0]} & {*FUZZED, *NOT_FUZZED}}
    assert not missing, "fuzz it (tests/fuzz/readers.py), or say why it reads nothing from outside"


def test_what_is_said_to_be_fuzzed_is_and_no_list_names_a_file_that_is_gone() -> None:
    names = {reader.name for reader in READERS}
    wanted = {reader for readers in FUZZED.values() for reader in readers.split()}
    assert wanted <= names, wanted - names
    gone = [name for name in (*FUZZED, *NOT_FUZZED) if not (SOURCE / name).exists()]
    assert not gone


def test_calls_are_found() -> None:
    text = "import json\nwith open(x) as f:\n    json.load(f)\npd.read_parquet(p)\nImage.open(p)\nnp.load(p)\nx.close()"
    assert {line for line, _ in calls(ast.parse(text))} == {2, 3, 4, 5, 6}
