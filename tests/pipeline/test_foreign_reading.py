"""One network exported six ways is fed and read as it was made, or one line names the options; every kind of input is fed."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import howfar
from howfar.cli.main import run
from howfar.errors import InputError
from howfar.pipeline.prediction import load_model
from howfar.results import Evaluation
from howfar.results.assessment_result import Assessment
from howfar.weights.hub_downloads import IMAGENET_MEAN, IMAGENET_STD

SIDE = 48
NORMALISATIONS = {
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
    "01": ((0.0,) * 3, (1.0,) * 3),
    "255": ((0.0,) * 3, (1 / 255,) * 3),
}
"""What the exported network takes: what it does not take is built into it."""
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def exported(
    file, taken="imagenet", output="logits", *, dtype="float32", last=False, channels=1, side="s", pooled=False
) -> Path:
    """A network that finds grey lines between white and black, for which a grey of 0.3 counts: logit 5 - 40 |grey - 0.3|."""
    mean, std = (np.array(values, np.float64) for values in NORMALISATIONS[taken])
    sign = np.array([1.0, -1.0][:channels][::-1])
    weights = {"grey": (std / 3).reshape(1, 3, 1, 1), "offset": np.array([mean.mean() - 0.3]), "logit": 5 * sign}
    weights["scale"] = (-40 * sign).reshape(channels, 1, 1, 1)
    steps: list[tuple[str, list[str], dict[str, Any]]] = [("Cast", [], {"to": TensorProto.FLOAT})]
    steps += [("Transpose", [], {"perm": [0, 3, 1, 2]})] if last else []
    steps += [("Conv", ["grey", "offset"], {}), ("Abs", [], {}), ("Conv", ["scale", "logit"], {})]
    steps += [("Sigmoid", [], {})] if output == "probabilities" else []
    steps += [("Transpose", [], {"perm": [0, 2, 3, 1]})] if last else []
    steps += [("ReduceMean", [], {"axes": [2, 3], "keepdims": 0})] if pooled else []
    names = ["x", *(f"after {kind} {place}" for place, (kind, _, _) in enumerate(steps))]
    nodes = [
        helper.make_node(kind, [names[place], *others], [names[place + 1]], **attributes)
        for place, (kind, others, attributes) in enumerate(steps)
    ]
    taken_shape, given_shape = ["b", side, side, 3] if last else ["b", 3, side, side], ["b", "c"] + ["d", "e"] * (not pooled)
    ends = [helper.make_tensor_value_info("x", TYPES[dtype], taken_shape)]
    ends.append(helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, given_shape))
    tensors = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


@pytest.fixture
def lines(tmp_path) -> Path:
    """Ten pictures of a grey line on near white, with a black block that is none."""
    rng = np.random.default_rng(0)
    for place in ("images", "masks"):
        (tmp_path / "lines" / place).mkdir(parents=True)
    for k in range(10):
        picture = 0.75 + 0.04 * rng.standard_normal((SIDE, SIDE))
        truth = np.zeros((SIDE, SIDE), bool)
        row = int(rng.integers(4, 20))
        truth[row : row + 4] = True
        picture[truth] = 0.3 + 0.02 * rng.standard_normal(int(truth.sum()))
        picture[30:44, 6:30] = 0.04
        Image.fromarray((255 * picture.clip(0, 1)).astype(np.uint8)).convert("RGB").save(tmp_path / "lines/images" / f"{k}.png")
        Image.fromarray(truth).save(tmp_path / "lines/masks" / f"{k}.png")
    return tmp_path / "lines"


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any], str]:
    code = run(["evaluate", *map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else {}, err


@pytest.mark.parametrize("output", ["logits", "probabilities"])
@pytest.mark.parametrize("taken", NORMALISATIONS)
def test_six_exports_are_right_or_one_line_names_the_options(taken, output, lines, tmp_path, capsys):
    file = exported(tmp_path / "n.onnx", taken, output)
    code, document, err = evaluated(capsys, lines, "--model", file, "--size", "48")
    if taken != "imagenet":
        assert (code, document) == (2, {})
        (line,) = err.splitlines()
        assert line.startswith(
            "howfar: n.onnx seems to be fed or read otherwise than it was trained: on 8 labelled images of lines"
        )
        named = shlex.split(line.partition(" with ")[2].partition(": pass these options")[0])
        code, document, err = evaluated(capsys, lines, "--model", file, "--size", "48", *named)
    assert code == 0
    assert document["scores"]["mean_f"] > 0.97
    reading = document["reading"]
    assert (reading["output"], reading["channel"], reading["channels"]) == (output, 0, 1)
    np.testing.assert_allclose(reading["std"], NORMALISATIONS[taken][1], rtol=1e-5)
    assert f"note: {howfar.results.display_and_shared_records.NetworkReading(**reading)}" in err
    assert document["notes"] == []


def test_a_reading_that_was_asked_for_is_warned_of_and_taken(lines, tmp_path):
    file = exported(tmp_path / "n.onnx", "01", "probabilities")
    asked = howfar.evaluate(lines, model=file, size=SIDE, mean=IMAGENET_MEAN, std=IMAGENET_STD, progress=False)
    assert asked.notes[0].startswith(
        "n.onnx seems to be fed or read otherwise than it was trained: on 8 labelled images of lines it"
    )
    assert asked.notes[0].endswith("with --mean 0,0,0 --std 1,1,1 --output probabilities: pass these options")
    quick = {"backbone": "colour_moments", "baselines": False, "corrupted": False, "store": tmp_path / "s", "progress": False}
    quick |= {"size": SIDE, "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    answers = howfar.assess(lines, [f"site={lines}"], tmp_path / "run", model=file, **quick)
    assert "it scores F 0.00 with the options given and 1.00 with --mean 0,0,0 --std 1,1,1" in answers.first
    right = howfar.evaluate(lines, model=file, size=SIDE, mean=(0, 0, 0), std=(1, 1, 1), output="logits", progress=False)
    assert right.reading.output == "logits"
    assert right.notes[0].startswith(
        "all values of n.onnx lie within 0-1 and are read as logits, so that its maps hold 0.50 to 0.73"
    )
    assert Evaluation.load(right.save(tmp_path / "e.parquet")).reading == right.reading


def test_normalisations_that_do_as_well_are_all_named_the_usual_one_first(lines, tmp_path, monkeypatch):
    both = tuple((mean, IMAGENET_STD) for mean in ((0.375, 0.346, 0.296), IMAGENET_MEAN))
    monkeypatch.setattr("howfar.pipeline.normalisation_and_output_choice._NORMALISATIONS", both)
    fed = howfar.evaluate(lines, model=exported(tmp_path / "n.onnx"), size=SIDE, mean=(0, 0, 0), std=(1, 1, 1), progress=False)
    usual, other = fed.notes[0].partition(" and ")[2].split(" or ")
    assert "0.99 with --mean 0.375,0.346,0.296" in usual  # not the best, but nearly
    assert "1.00 with --mean 0.485,0.456,0.406" in other
    assert other.endswith(": pass those that it was trained with")


def test_the_other_of_two_channels_is_named(lines, tmp_path):
    file = exported(tmp_path / "n.onnx", channels=2)
    assert howfar.evaluate(lines, model=file, size=SIDE, progress=False).scores["ods"] > 0.97
    swapped = onnx.load(file)
    for tensor in swapped.graph.initializer:
        if tensor.name in ("scale", "logit"):
            tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
    onnx.save(swapped, file)
    with pytest.raises(InputError, match=r"by default and 1.00 with .* --channel 0: pass these options \(.*--channel 1\)$"):
        howfar.evaluate(lines, model=file, size=SIDE, progress=False)
    warned = howfar.evaluate(lines, model=file, size=SIDE, channel=1, progress=False)
    assert warned.notes[0].endswith("--channel 0: pass these options")


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize(
    ("dtype", "last", "taken"),
    [("float32", True, "imagenet"), ("float16", False, "imagenet"), ("uint8", False, "255"), ("uint8", True, "255")],
)
def test_layout_and_type_are_those_of_the_graph(dtype, last, taken, tiled, lines, tmp_path):
    side = 32 if tiled else SIDE
    file = exported(tmp_path / "n.onnx", taken, dtype=dtype, last=last, side=side)
    found = howfar.evaluate(lines, model=file, tiled=tiled, progress=False)
    assert found.scores["mean_f"] > 0.97
    assert (found.reading.dtype, found.reading.layout, found.reading.size) == (dtype, "NHWC" if last else "NCHW", side)


def test_an_assessment_ends_before_it_predicts_and_keeps_the_reading(lines, tmp_path, capsys):
    file, out = exported(tmp_path / "n.onnx", "01"), tmp_path / "run"
    asked = ["assess", f"P={lines}", f"S={lines}", "--model", str(file), "--size", "48", "-o", str(out), "--no-corrupted"]
    asked += ["--backbone", "colour_moments", "--no-baselines", "--bootstrap", "0", "--permutations", "0"]
    assert run(asked) == 2
    assert "with --mean 0,0,0 --std 1,1,1 --output logits: pass these options" in capsys.readouterr().err
    assert not (out / "maps").exists()
    assert run([*asked, "--mean", "0,0,0", "--std", "1", "1", "1"]) == 0
    assert "note: n.onnx was fed float32 squares of 48 pixels (NCHW) with mean 0,0,0 and std 1,1,1" in capsys.readouterr().err
    kept = Assessment.load(out)
    assert kept.reading.mean == (0.0, 0.0, 0.0)


def refusal(file: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_model(file, device="cpu", **options)
    assert "ONNXRuntimeError" not in str(caught.value)
    return str(caught.value)


def test_networks_that_take_something_else_are_refused_in_one_line(lines, tmp_path):
    file = exported(tmp_path / "n.onnx", side=64)
    assert "size must be that of n.onnx, 64, got 48: leave it out" in refusal(file, size=48)
    assert load_model(file, device="cpu").predictor.size == 64
    eight_bit = exported(tmp_path / "n.onnx", "255", dtype="uint8")
    assert "mean is of no use to n.onnx, which takes 0-255" in refusal(eight_bit, size=48, mean=(0.5,) * 3)
    model = onnx.load(exported(tmp_path / "n.onnx"))
    for shape, words in (
        (["b", 1, "h", "w"], "network must take three colours"),
        (["b", 3, 64, 96], "network must take squares, got [64, 96]"),
    ):
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        del changed.graph.input[:]
        changed.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, shape))
        if shape[1] == 1:
            del changed.graph.node[:], changed.graph.output[:]
            changed.graph.node.append(helper.make_node("Relu", ["x"], ["l"]))
            changed.graph.output.append(helper.make_tensor_value_info("l", TensorProto.FLOAT, shape))
        onnx.save(changed, file)
        assert words in refusal(file, size=48)
    changed.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.INT64, ["b", 3, "h", "w"]))
    onnx.save(changed, file)
    assert "network must take numbers of float32, float16 or uint8, got 'int64'" in refusal(file, size=48)
    with pytest.raises(
        InputError, match="it classifies whole images: pass its table of classes to howfar evaluate --task class"
    ):
        howfar.predict(exported(file, pooled=True), lines, tmp_path / "maps", size=48, progress=False)


def test_files_that_onnxruntime_refuses_are_told_of_without_its_words(tmp_path):
    model = onnx.load(exported(tmp_path / "n.onnx"))
    for opset, ir, operator, words in (
        (99, 8, "Abs", "it is of opset 99, which is newer than this onnxruntime: export it with opset 17"),
        (17, 99, "Abs", "it is of IR version 99, and this onnxruntime reads up to"),
        (17, 8, "Unheard", "its operator Unheard is unknown to onnxruntime"),
    ):
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        changed.opset_import[0].version, changed.ir_version = opset, ir
        next(node for node in changed.graph.node if node.op_type == "Abs").op_type = operator
        (tmp_path / "n.onnx").write_bytes(changed.SerializeToString())
        assert words in refusal(tmp_path / "n.onnx", size=48)
    onnx.save_model(model, tmp_path / "n.onnx", save_as_external_data=True, location="n.data", size_threshold=0)
    (tmp_path / "n.data").unlink()
    assert "(its weights lie in n.data, which is not beside it)" in refusal(tmp_path / "n.onnx", size=48)
