"""A profile as ONNX operators, alone and within a model's network."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import version_converter
from onnx.helper import make_tensor_value_info
from PIL import Image

from howfar import Profile, profile
from howfar.cli.main import run
from howfar.integrations.onnx_gate import fuse, write_gate
from worlds.onnx_network import save_onnx

OUTPUTS = ("howfar_i_dist_mean", "howfar_relative", "howfar_percentile", "howfar_p_value", "howfar_flag")
IMAGENET = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def pictures(count: int, seed: int, spread: int = 200) -> list[Image.Image]:
    rng = np.random.default_rng(seed)
    base = rng.integers(0, spread, (count, 1, 1, 3)) + rng.integers(0, 56, (count, 16, 20, 3))
    return [Image.fromarray(pixels) for pixels in base.astype(np.uint8)]


def inputs(images: list[Image.Image]) -> np.ndarray[Any, Any]:
    pixels = np.stack([np.asarray(image, np.float32) for image in images]) / np.float32(255)
    return ((pixels - IMAGENET[0]) / IMAGENET[1]).transpose(0, 3, 1, 2)


def outputs(file: Path, fed: np.ndarray[Any, Any]) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(file)
    names = [entry.name for entry in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: fed}), strict=True))


def agrees(found: dict[str, Any], scores: Any) -> None:
    """Every output is that of `howfar score` to 1e-5 of the value, and flags are the same."""
    for name in OUTPUTS[:-1]:
        expected = [getattr(image, name.removeprefix("howfar_")) for image in scores.images]
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, err_msg=name)
    np.testing.assert_array_equal(found["howfar_flag"], [image.flag for image in scores.images])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A network, the same with its map alone, and profiles by its outputs and by a tensor inside."""
    root = tmp_path_factory.mktemp("gate")
    (root / "roads").mkdir()
    for number, image in enumerate(pictures(150, 0)):
        image.save(root / "roads" / f"{number}.png")
    model = onnx.load(save_onnx(root / "net.onnx"))
    model.graph.node.append(onnx.helper.make_node("Relu", ["pooled"], ["last"]))
    del model.graph.output[:]
    model.graph.output.append(make_tensor_value_info("last", onnx.TensorProto.FLOAT, None))
    onnx.save(model, root / "one.onnx")
    for name, network, output in (("map", "net", "map"), ("pooled", "net", "pooled"), ("inner", "one", "map")):
        made = profile(root / "roads", f"onnx:{root / network}.onnx", output=output, store=root / "store", progress=False)
        made.save(root / f"{name}.howfar")
    return root


def test_the_graph_alone_gives_the_scores_of_1000_images(tmp_path):
    rng = np.random.default_rng(0)
    primary = rng.normal(size=(300, 40)).astype(np.float32)
    new = (rng.normal(size=(1000, 40)) * rng.uniform(0.5, 2.0, (1000, 1))).astype(np.float32)
    new[:20] = primary[:20]
    made = profile(primary, components=5)
    found = outputs(write_gate(made.save(tmp_path / "p.howfar"), tmp_path / "gate.onnx"), new)
    assert list(found) == list(OUTPUTS)
    assert 100 < found["howfar_flag"].sum() < 900
    agrees(found, made.score(new))


def test_a_feature_that_is_not_finite_is_flagged(tmp_path):
    rng = np.random.default_rng(0)
    file = write_gate(profile(rng.normal(size=(50, 4))).save(tmp_path / "p.howfar"), tmp_path / "gate.onnx")
    found = outputs(file, np.float32([[np.nan, 0, 0, 0], [np.inf, 0, 0, 0], [0, 0, 0, 0]]))
    assert found["howfar_flag"].tolist() == [True, True, False]
    assert np.isfinite(found["howfar_i_dist_mean"]).tolist() == [False, False, True]
    assert found["howfar_percentile"][:2].tolist() == [100.0, 100.0]


@pytest.mark.parametrize(("name", "network"), [("map", "net"), ("pooled", "net"), ("inner", "one")])
def test_the_fused_network_gives_the_model_s_outputs_and_the_scores_of_1000_images(name, network, folder, tmp_path):
    both = fuse(folder / f"{network}.onnx", folder / f"{name}.howfar", tmp_path / "both.onnx")
    new = pictures(1000, 1, 180)
    found, alone = outputs(both, inputs(new)), outputs(folder / f"{network}.onnx", inputs(new))
    assert list(found) == [*alone, *OUTPUTS]
    for output, values in alone.items():
        np.testing.assert_array_equal(found[output], values)
    agrees(found, Profile.load(folder / f"{name}.howfar").score(new))


def test_it_runs_without_howfar_and_says_what_it_is(folder, tmp_path):
    fuse(folder / "net.onnx", folder / "map.howfar", tmp_path / "both.onnx")
    code = (
        "import sys, numpy as np, onnxruntime as ort\n"
        "s = ort.InferenceSession('both.onnx')\n"
        "print(len(s.run(None, {'x': np.zeros((1, 3, 16, 20), np.float32)})), 'howfar' in sys.modules)\n"
        "print(s.get_modelmeta().custom_metadata_map['howfar'])"
    )
    ended = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    counts, described = ended.stdout.splitlines()
    assert counts == "7 False"
    document = json.loads(described)
    assert (document["primary"], document["n"], document["flag"]) == ("roads", 150, "p_value <= 0.05")
    assert document["features"]["preprocessing"]["size"] == [16, 20]
    assert document["profile"] == f"sha256:{sha256((folder / 'map.howfar').read_bytes()).hexdigest()}"


def test_the_commands(folder, tmp_path, capsys):
    gate, both = tmp_path / "gate.onnx", tmp_path / "both.onnx"
    made = ["profile", str(folder / "roads"), "--backbone", f"onnx:{folder / 'one.onnx'}", "--store", str(folder / "store")]
    made += ["--backbone-option", "output=map", "-o", str(tmp_path / "roads.howfar")]
    assert run([*made, "--onnx", str(gate)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"graph: {gate}"
    assert run(["fuse", str(folder / "one.onnx"), str(tmp_path / "roads.howfar"), "-o", str(both)]) == 0
    assert capsys.readouterr().out == f"network: {both}\n"
    fed = inputs(pictures(8, 2))
    assert outputs(both, fed)["howfar_p_value"].shape == (8,)
    assert [entry.shape for entry in onnxruntime.InferenceSession(gate).get_inputs()] == [["batch", 320]]


REFUSED = {
    "{f}/net.onnx {f}/no.howfar -o {w}/b.onnx": "nothing at … no.howfar",
    "{f}/no.onnx {f}/map.howfar -o {w}/b.onnx": "no network at … no.onnx: pass an .onnx file",
    "{w}/text.onnx {f}/map.howfar -o {w}/b.onnx": "network must be an ONNX file that onnxruntime can run",
    "{f}/one.onnx {f}/map.howfar -o {w}/b.onnx":
        "PROFILE must have been made with the encoder in one.onnx, got 'onnx: … howfar profile PRIMARY --backbone onnx:",
    "{f}/net.onnx {f}/colours.howfar -o {w}/b.onnx": "PROFILE must have been made with … got 'colour_moments'",
    "{f}/net.onnx {f}/net.onnx -o {w}/b.onnx": "net.onnx is no profile or other archive of howfar",
    "{f}/net.onnx {f}/map.howfar -o {w}/b.howfar": "--out must end in .onnx",
    "{f}/net.onnx {f}/map.howfar -o {f}/net.onnx": "--out must be another file than the model",
    "{f}/11.onnx {f}/11.howfar -o {w}/b.onnx": "MODEL must be of opset 13 to … got 11: export it with opset 17",
    "{f}/both.onnx {f}/both.howfar -o {w}/b.onnx": "MODEL must not have howfar's outputs yet",
}  # fmt: skip


def converted(folder: Path, opset: int) -> Path:
    """The network in another opset, with the profile of its own encoder."""
    model, file = onnx.load(folder / "net.onnx"), folder / f"{opset}.onnx"
    onnx.save(version_converter.convert_version(model, opset), file)
    profile(folder / "roads", f"onnx:{file}", output="pooled", store=folder / "store", progress=False).save(
        file.with_suffix(".howfar")
    )
    return file


@pytest.mark.parametrize("line", REFUSED)
def test_refused_in_one_line_and_nothing_is_written(line, folder, tmp_path, capsys):
    (tmp_path / "text.onnx").write_text("text")
    if "colours" in line:
        profile(folder / "roads", "colour_moments", store=folder / "store", progress=False).save(folder / "colours.howfar")
    if "11.onnx" in line:
        converted(folder, 11)
    if "both.onnx" in line:
        fuse(folder / "net.onnx", folder / "map.howfar", folder / "both.onnx")
        made = profile(folder / "roads", f"onnx:{folder / 'both.onnx'}", output="map", store=folder / "store", progress=False)
        made.save(folder / "both.howfar")
    before = {file: file.read_bytes() for root in (folder, tmp_path) for file in root.glob("*.*")}
    assert run(["fuse", *line.format(f=folder, w=tmp_path).split()]) in (1, 2)
    shown = capsys.readouterr().err.strip()
    place = -1
    for part in REFUSED[line].split(" … "):
        place = shown.find(part, place + 1)
        assert place >= 0, shown
    assert "\n" not in shown
    assert {file: file.read_bytes() for root in (folder, tmp_path) for file in root.glob("*.*")} == before
