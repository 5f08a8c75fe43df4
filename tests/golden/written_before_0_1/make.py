"""Writes files.tar.xz and expected.json, which test_written_before.py reads, by howfar at commit 0e0377f and by no other.

    git worktree add /tmp/before 0e0377f
    PYTHONPATH=/tmp/before/src python tests/golden/written_before_0_1/make.py /tmp/written-before

The archive holds pictures, a store, run folders of every kind, a profile and a checkpoint, as that commit wrote them, without
figures and reports. expected.json holds what that commit read from them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import platform
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

# howfar itself is imported where it is used, since every file of tests is imported when tests are collected.
HERE = Path(__file__).resolve().parent
COUNTS = {"roads": 12, "near": 8, "far": 9, "new": 6}
SIDE = 32
QUICK = ("--bootstrap", "20", "--permutations", "19")
DROPPED = ("figures", "report.html", "contact_sheet.png", "sam", "other-store", "default-store")


def command(*arguments: str) -> list[Any]:
    """The documents that a command prints with --json."""
    from howfar.cli.main import run

    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        code = run([*arguments, "--json"])
    if code:
        sys.exit(f"howfar {' '.join(arguments)} ended with {code}")
    return [json.loads(line) for line in shown.getvalue().splitlines() if line.startswith("{")]


def pictures() -> None:
    """Roads of 32 px with masks, as PNG, which every decoder reads alike; and maps that get worse with the datasets."""
    from howfar.data.synthetic import write_dataset

    rng = np.random.default_rng(0)
    for seed, (name, count) in enumerate(COUNTS.items()):
        folder = write_dataset(Path(name), count, seed=seed, shift=0.3 * seed, size=SIDE)
        for file in sorted((folder / "images").iterdir()):
            Image.open(file).quantize(48).convert("RGB").save(file.with_suffix(".png"), optimize=True)
            file.unlink()
        (Path("maps") / name).mkdir(parents=True)
        for k, file in enumerate(sorted((folder / "masks").iterdir())):
            truth = np.asarray(Image.open(file)) > 127
            sure = 0.9 - 0.25 * seed * k / count
            p = np.where(truth, sure * rng.random(truth.shape), (1.2 - sure) * rng.random(truth.shape) ** 6)
            Image.fromarray((255 * p).astype(np.uint8)).save(Path("maps") / name / file.name)
    rows = np.random.default_rng(1).normal(size=(9, 5))
    for name, shift in (("rows-primary", 0.0), ("rows-secondary", 1.0)):
        np.save(f"{name}.npy", (rows + shift).astype(np.float32))


def tiny_sam(folder: Path) -> Path:
    """SAM with random weights and 64 px, in the hub's format."""
    import torch
    import transformers

    vision = {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 64, "patch_size": 8,
        "output_channels": 8, "global_attn_indexes": [1], "window_size": 2, "num_pos_feats": 4, "mlp_dim": 32,
    }  # fmt: skip
    small = {"hidden_size": 8, "image_size": 64, "patch_size": 8, "image_embedding_size": 8}
    mask = {"hidden_size": 8, "mlp_dim": 8, "num_attention_heads": 2, "iou_head_hidden_dim": 8}
    torch.manual_seed(7)
    config = transformers.SamConfig(vision_config=vision, prompt_encoder_config=small, mask_decoder_config=mask)
    transformers.SamModel(config).save_pretrained(folder)
    return folder


def commands(sam: Path, model: str) -> dict[str, list[Any]]:
    """Run every command that writes something, and return what each printed with --json."""
    own = ("--backbone", "colour_moments")
    tiny = ("--model", "deepcrack", "--option", "width=1", "--size", "32", "--epochs", "1", "--device", "cpu")
    secondaries = ("near", "far", "new")
    labelled = ("roads", "near", "far")
    performance = [part for name in labelled for part in ("--performance", f"evaluated/{name}.parquet")]
    sets = ("--labelled", "near", "--labelled", "far")
    elsewhere = ("--store", "other-store")
    printed = {
        "train": command("train", "roads", "-o", model, *tiny, "--weights", "none", "--batch", "4"),
        "embed": command("embed", "roads", "near", "far", *own, "--store", "store"),
        "compare": command("compare", "roads", *secondaries, *own, "--out", "run", *QUICK, *elsewhere),
    }
    Path("evaluated").mkdir()
    for name in labelled:
        given = ("--predictions", f"maps/{name}", "-o", f"evaluated/{name}.parquet")
        printed["evaluate"] = command("evaluate", name, *given)
    several = (*own, "--backbone", "deepcrack", "--weights", f"deepcrack={model}", "--no-baselines", *QUICK)
    return printed | {
        "relate": command("relate", "run", *performance, "--bootstrap", "20", "--tau", "0.6"),
        "select": command("select", "run", "--dataset", "far", "-k", "3"),
        "compare_backbones": command("compare", "roads", "near", "far", *several, "--out", "run-backbones", "--store", "store"),
        "matrix": command("matrix", "roads", "near", "far", *own, "--out", "matrix", "--bootstrap", "20", *elsewhere),
        "profile": command("profile", "roads", *own, "-o", "roads.howfar", *sets, *performance, "--tau", "0.6", *elsewhere),
        "score": command("score", "roads.howfar", "far"),
        "adapt": command(
            "adapt", "roads", "near", "far", *tiny, "-o", "adaptation", "--shots", "1", "--background", "new",
            "--background-shots", "2", "--bootstrap", "20",
        ),
        "prompts": command(
            "prompts", "near", "--kind", "points", "--kind", "box", "-o", "prompting", "--sam", str(sam), "--limit", "2"
        ),
    }  # fmt: skip


def expectations(printed: dict[str, list[Any]]) -> dict[str, Any]:
    """What a reader of these files must get: the documents' keys, the tables' columns with their sums, the lines of a score."""
    from summaries import columns, keys

    import howfar
    from howfar.results import Comparison, Evaluation, Relation, Selection
    from howfar.results.adaptation_result import Adaptation
    from howfar.results.backbones_result import BackboneComparison
    from howfar.results.comparison_result import Matrix
    from howfar.results.segmenter_studies import Prompting

    tables = {}
    for name, kind, path in (
        ("comparison", Comparison, "run"),
        ("relation", Relation, "run"),
        ("backbones", BackboneComparison, "run-backbones"),
        ("matrix", Matrix, "matrix"),
        ("evaluation", Evaluation, "evaluated/far.parquet"),
        ("selection", Selection, "run/select-far"),
        ("adaptation", Adaptation, "adaptation"),
        ("prompting", Prompting, "prompting"),
    ):
        result = kind.load(path)
        frames = {key: value for key, value in vars(result).items() if isinstance(value, pd.DataFrame)}
        sums = {key: columns(frame) for key, frame in frames.items()}
        tables[name] = {"document": json.loads(json.dumps(result.to_dict())), "frames": sums}
    features = {}
    for backbone, options in (("colour_moments", {}), ("deepcrack", {"weights": "model.safetensors"})):
        for name in ("roads", "near", "far"):
            stored = howfar.embed(name, backbone, store="store", progress=False, **options)
            features[f"{backbone}/{name}"] = np.asarray(stored.to_array(), dtype=float).sum(axis=1).tolist()
    undrawn = {"bootstrap": 0, "permutations": 0, "progress": False}
    distances = howfar.compare("rows-primary.npy", ["rows-secondary.npy"], out="run-embeddings", **undrawn)
    return {
        "keys": {name: sorted(set().union(*map(keys, documents))) for name, documents in printed.items()},
        "results": tables,
        "embeddings": distances.datasets[0].o_dist_mean,
        "features": features,
        "score": printed["score"],
    }  # fmt: skip


def main() -> None:
    if importlib.util.find_spec("howfar.data.synthetic") is None:
        sys.exit("howfar at commit 0e0377f must be on PYTHONPATH: this is another")
    out = Path(sys.argv[1]).absolute()
    out.mkdir()
    os.chdir(out)
    # The files do not say on which machine they were made.
    platform.platform = lambda *_, **__: "Linux"
    os.environ["HOWFAR_STORE"] = str(out / "default-store")
    pictures()
    printed = commands(tiny_sam(out / "sam"), "model.safetensors")
    text = json.dumps(expectations(printed), indent=1)
    HERE.joinpath("expected.json").write_text(text + "\n", encoding="utf-8")
    for path in [path for path in out.rglob("*") if path.name in DROPPED]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with tarfile.open(HERE / "files.tar.xz", "w:xz") as archive:
        for path in sorted(path for path in out.rglob("*") if path.is_file()):
            archive.add(path, path.relative_to(out), filter=unowned)


def unowned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """The entry without who made it."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main()
