"""One small world for every command: labelled roads and sites, maps, a run, a model, a profile, and what cannot be read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.segmenters import build_segmenter
from howfar.segmenters.checkpoint import Checkpoint, CheckpointCard
from howfar.weights.state_dicts import hash_state_dict
from label_tools import export_coco

Command = Callable[..., tuple[int, str, str]]
"""Runs a command line; returns its exit code, and what it printed on stdout and stderr."""
COUNTS = {"roads": 8, "near": 9, "far": 10, "new": 7}
SIDE = 32
FAST = ("--backbone", "colour_moments", "--bootstrap", "0", "--permutations", "0", "--no-baselines")
TINY = ("--model", "deepcrack", "--option", "width=4", "--weights", "none", "--size", "32", "--batch", "4", "--device", "cpu")


def write_world(folder: Path) -> Path:
    """Write the datasets of `COUNTS` with masks, maps/ of them, run/, performances, a profile, models, and odd files."""
    rng = np.random.default_rng(0)
    for seed, (name, count) in enumerate(COUNTS.items()):
        place = write_dataset(folder / name, count, seed=seed, shift=0.3 * seed, size=SIDE)
        (folder / "maps" / name).mkdir(parents=True)
        for k, file in enumerate(sorted((place / "masks").iterdir())):
            truth = np.asarray(Image.open(file)) > 127
            sure = 0.9 - 0.25 * seed * k / count
            p = np.where(truth, sure * rng.random(truth.shape), (1.2 - sure) * rng.random(truth.shape) ** 6)
            Image.fromarray((255 * p).astype(np.uint8)).save(folder / "maps" / name / file.name)
    store = ("--store", str(folder / "store"))
    assert run(["compare", *(str(folder / name) for name in COUNTS), *FAST, "--out", str(folder / "run"), *store]) == 0
    for name in ("roads", "near", "far"):
        scored = ["--predictions", str(folder / "maps" / name), "-o", str(folder / f"{name}.parquet")]
        assert run(["evaluate", str(folder / name), *scored]) == 0
    profile = ["profile", str(folder / "roads"), *FAST[:2], "-o", str(folder / "roads.howfar"), *store]
    assert run(profile) == 0
    write_models(folder)
    _write_files(folder)
    return folder


def write_models(folder: Path) -> None:
    """Write a tiny checkpoint, the same with a bit flipped, and a network of three channels as ONNX."""
    torch.manual_seed(0)
    state = build_segmenter("deepcrack", {"width": 4}, pretrained=False).state_dict()
    data = {"primary": "roads", "images": 1, "contents": [], "held_out": []}
    card = CheckpointCard("deepcrack", {"width": 4}, SIDE, hash_state_dict(state), {}, data, (), None)
    content = bytearray(Checkpoint(card, state).save(folder / "m.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "tampered.safetensors").write_bytes(content)
    weight = np.random.default_rng(0).normal(0, 3, (3, 3, 1, 1)).astype(np.float32)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", 3, "h", "w"]) for name in "xy"]
    node = helper.make_node("Conv", ["x", "weight"], ["y"])
    graph = helper.make_graph([node], "network", ends[:1], ends[1:], [numpy_helper.from_array(weight, "weight")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "n.onnx")


def _write_files(folder: Path) -> None:
    """Write files and folders that commands read or refuse."""
    for place in ("empty", "broken", "folder.parquet", "folder.safetensors", "bare/images"):
        (folder / place).mkdir(parents=True)
    Image.effect_noise((SIDE, SIDE), 50).save(folder / "bare" / "images" / "1.png")
    for name in ("broken/text.png", "text.csv", "text.howfar"):
        (folder / name).write_text("a text\n")
    (folder / "filename.csv").write_text("filename,f1\n0001.jpg,0.5\n")
    (folder / "semicolons.csv").write_text("image;label;score\n0001.jpg;wet;0,9\n")
    (folder / "commas.csv").write_text('image,wet,dry\n0001.jpg,"0,9","0,1"\n')
    (folder / "windows.csv").write_text("image,label\nC:\\site\\0001.jpg,wet\n")
    (folder / "long.toml").write_text(f"components = {'9' * 5000}\n")
    (folder / "deep.toml").write_text(f"{'a.' * 5000}b = 1\n")
    box = '<box label="{}" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    shapes = f'<image name="0001.jpg" width="32" height="32">{box.format("a" * 6000)}{box.format("b")}</image>'
    (folder / "long.xml").write_text(f"<annotations>{shapes}</annotations>")
    (folder / "labelme.json").write_text('{"shapes": [], "imagePath": "0001.jpg"}')
    torch.save(torch.nn.Conv2d(3, 1, 1), folder / "net.pt")
    (folder / "rules.yaml").write_text("images: {at_least: 2}")
    (folder / "wrong.yaml").write_text("imagse: {at_least: 2}")
    (folder / "study.toml").write_text(
        '[datasets]\nroads.path = "roads"\nnear.path = "near"\nfar.path = "far"\n[backbones.colour_moments]\n'
        '[studies.components]\nprimary = "roads"\nsecondaries = ["near", "far"]\nbackbones = ["colour_moments"]\n'
        "components = [2, 4]\n"
    )
    masks = {file.name: np.eye(SIDE, dtype=bool) for file in sorted((folder / "new" / "images").iterdir())[:2]}
    export_coco(masks, "x", folder / "coco.json")
