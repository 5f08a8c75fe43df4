"""Maps of a dataset: made once, made anew where anything changes, and never over what somebody else wrote."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

import howfar
from howfar.data import Dataset
from howfar.data.prediction_maps import match_maps, read_prediction
from howfar.demo import write_dataset
from howfar.errors import InputError, MissingPathError
from howfar.pipeline.prediction import Model, Predicted, load_model, predict
from howfar.segmenters.predictor import Reading
from tiny_studies import tiny_checkpoint

SIDE = 32


def pointwise(weight: float = 1.0) -> nn.Module:
    """One logit a pixel, of its own colour."""
    torch.manual_seed(1)
    network = nn.Conv2d(3, 1, 1)
    with torch.no_grad():
        network.weight.mul_(weight)
    return network


@pytest.fixture
def roads(tmp_path) -> Path:
    return write_dataset(tmp_path / "roads", 4, seed=0, size=SIDE)


@pytest.fixture
def maps(tmp_path) -> Path:
    return tmp_path / "maps"


def run(model: Any, dataset: Any, maps: Path, **options: Any) -> Predicted:
    where = {} if isinstance(model, Model) else {"device": "cpu"}
    return predict(model, dataset, maps, progress=False, **where, **options)


def times(maps: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in maps.iterdir()}


def values(maps: Path) -> dict[str, np.ndarray]:
    return {file.stem: np.asarray(Image.open(file)) for file in sorted(maps.iterdir())}


def counts(found: Predicted) -> tuple[int, int, int]:
    return found.written, found.kept, len(found.skipped)


def test_maps_are_the_networks_probabilities(roads, maps):
    one = tiny_checkpoint()
    found = run(one, roads, maps)
    assert (found.folder, *counts(found)) == (maps, 4, 0, 0)
    network = one.build()
    for name, given in values(maps).items():
        picture = np.asarray(Image.open(roads / "images" / f"{name}.jpg"), np.float32) / 255
        with torch.no_grad():
            p = torch.sigmoid(network(torch.from_numpy(picture.transpose(2, 0, 1))[None]))[0, 0].numpy()
        assert np.abs(given - 255 * p).max() <= 0.51


def test_a_folder_of_maps_is_what_evaluate_reads(roads, maps):
    Image.new("RGB", (70, 45), (90, 80, 70)).save(roads / "images" / "0005.v2.png")
    Image.new("L", (70, 45), 255).save(roads / "masks" / "0005.v2.png")
    (roads / "images" / "0001.jpg").rename(roads / "images" / "0001.jpeg")
    run(tiny_checkpoint(), roads, maps)
    dataset = Dataset.from_folder(roads)
    matched = match_maps(dataset, maps)
    assert set(matched.files) == {item.name for item in dataset.items}
    assert read_prediction(maps / "0005.v2.png").values.shape == (45, 70)
    assert howfar.evaluate(roads, maps, progress=False).scored == 5


def test_half_precision_moves_maps_by_a_little(roads, maps, tmp_path):
    run(tiny_checkpoint(), roads, maps)
    run(tiny_checkpoint(), roads, tmp_path / "bf16", precision="bf16")
    half = values(tmp_path / "bf16")
    assert 0 < max(np.abs(given - half[name].astype(float)).max() for name, given in values(maps).items()) <= 8


def test_maps_are_kept_but_for_those_that_are_gone_or_of_other_images(roads, maps):
    run(tiny_checkpoint(), roads, maps)
    whole, before = values(maps), times(maps)
    assert counts(run(tiny_checkpoint(), roads, maps, batch=3)) == (0, 4, 0)
    assert times(maps) == before
    (maps / "0002.png").unlink()
    assert counts(run(tiny_checkpoint(), roads, maps)) == (1, 3, 0)
    assert {name for name, time in times(maps).items() if time != before[name]} == {"0002.png"}
    assert all(np.array_equal(whole[name], given) for name, given in values(maps).items())
    (roads / "images/0003.jpg").write_bytes((roads / "images/0001.jpg").read_bytes())
    assert counts(run(tiny_checkpoint(), roads, maps)) == (1, 3, 0)
    assert np.array_equal(values(maps)["0003"], values(maps)["0001"])


def test_what_was_done_before_a_stop_is_kept(roads, maps, monkeypatch):
    model = load_model(tiny_checkpoint(), device="cpu", batch=1)
    for k in range(2):
        shutil.copyfile(roads / "images/0001.jpg", roads / f"images/000{k + 5}.jpg")
    usual = model.predictor.network
    left = [4]

    def network(pictures: np.ndarray) -> np.ndarray:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return usual(pictures)

    object.__setattr__(model.predictor, "network", network)
    with pytest.raises(KeyboardInterrupt):
        run(model, roads, maps)
    assert len(times(maps)) == 4
    assert counts(run(tiny_checkpoint(), roads, maps)) == (2, 4, 0)


OWN, FOREIGN = tiny_checkpoint(), pointwise()


@pytest.mark.parametrize(
    ("first", "model", "options"),
    [
        (OWN, tiny_checkpoint(1), {}),
        (OWN, OWN, {"size": 64}),
        (OWN, OWN, {"tiled": True}),
        (OWN, OWN, {"flipped": True}),
        (OWN, OWN, {"precision": "bf16"}),
        (OWN, FOREIGN, {"size": SIDE}),
        (FOREIGN, FOREIGN, {"reading": Reading(std=(1.0,) * 3)}),
        (FOREIGN, FOREIGN, {"reading": Reading(mean=(0.1,) * 3)}),
        (FOREIGN, FOREIGN, {"reading": Reading(channel=0)}),
        (FOREIGN, pointwise(1.01), {}),
        (FOREIGN, nn.Sequential(pointwise(), nn.Sigmoid()), {"reading": Reading(output="probabilities")}),
        (nn.Sequential(pointwise(), nn.ReLU()), nn.Sequential(pointwise(), nn.Tanh()), {}),
    ],
)
def test_another_model_reading_or_way_makes_maps_anew(first, model, options, roads, maps):
    usual = {} if first is OWN else {"size": SIDE}
    assert counts(run(first, roads, maps, **usual)) == (4, 0, 0)
    for written in (4, 0):
        assert counts(run(model, roads, maps, **usual | options)) == (written, 4 - written, 0)
    assert counts(run(first, roads, maps, **usual)) == (4, 0, 0)


def test_flipped_maps_stay_mirrored_as_evaluate_wants_them(roads, maps, tmp_path):
    network = load_model(pointwise(5.0), device="cpu", size=SIDE)
    run(network, roads, maps)
    run(network, roads, tmp_path / "flipped", flipped=True)
    plain, mirrored = values(maps), values(tmp_path / "flipped")
    assert all(np.array_equal(mirrored[name], given[:, ::-1]) for name, given in plain.items())
    assert not any(np.array_equal(mirrored[name], given) for name, given in plain.items())
    found = howfar.evaluate(roads, maps, flipped=tmp_path / "flipped", progress=False)
    assert found.images["flip_agreement"].tolist() == [1.0] * 4


def exported(network: nn.Conv2d, file: Path) -> Path:
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "weight", "bias"], ["y"])],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 1, "h", "w"])],
        [numpy_helper.from_array(getattr(network, part).detach().numpy(), part) for part in ("weight", "bias")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


@pytest.mark.parametrize("tiled", [False, True])
def test_an_onnx_file_gives_the_maps_of_the_module(tiled, roads, maps, tmp_path):
    network = pointwise(3.0)
    file = exported(network, tmp_path / "n.ONNX")
    assert counts(run(file, roads, maps, size=SIDE, tiled=tiled)) == (4, 0, 0)
    assert counts(run(str(file), roads, maps, size=SIDE, tiled=tiled)) == (0, 4, 0)
    run(network, roads, tmp_path / "other", size=SIDE, tiled=tiled)
    one, other = values(maps), values(tmp_path / "other")
    assert all(np.abs(one[name].astype(int) - other[name]).max() <= 1 for name in one)
    exported(pointwise(4.0), file)
    assert counts(run(file, roads, maps, size=SIDE, tiled=tiled)) == (4, 0, 0)
    # Its tensors may lie in a file of their own, by which alone it then differs.
    for factor in (4.0, 5.0):
        model = onnx.load(exported(pointwise(factor), file))
        onnx.save_model(model, file, save_as_external_data=True, location="n.data", size_threshold=0)
        assert counts(run(file, roads, maps, size=SIDE, tiled=tiled)) == (4, 0, 0)


def test_a_file_that_howfar_did_not_write_is_left_alone(roads, maps):
    maps.mkdir()
    for write in (lambda file: Image.new("L", (4, 4)).save(file), lambda file: file.write_text("notes")):
        write(maps / "0002.png")
        before = (maps / "0002.png").read_bytes()
        with pytest.raises(InputError, match="out must hold no maps that howfar predict did not write") as caught:
            run(tiny_checkpoint(), roads, maps)
        assert str(maps / "0002.png") in str(caught.value)
        assert (maps / "0002.png").read_bytes() == before
    with pytest.raises(InputError, match="out must hold no maps that howfar predict did not write"):
        run(tiny_checkpoint(), roads, roads / "masks")


def test_images_that_cannot_be_read_are_listed(roads, maps):
    (roads / "images/0002.jpg").write_text("text")
    (roads / "images/0005.jpg").symlink_to(roads / "nowhere.jpg")
    found = run(tiny_checkpoint(), roads, maps)
    assert counts(found) == (3, 0, 2)
    assert {(Path(one.path).name, one.dataset) for one in found.skipped} == {("0002.jpg", "roads"), ("0005.jpg", "roads")}
    assert all(one.reason for one in found.skipped)
    assert sorted(times(maps)) == ["0001.png", "0003.png", "0004.png"]
    again = run(tiny_checkpoint(), roads, maps)
    assert (counts(again), again.skipped) == ((0, 3, 2), found.skipped)


@pytest.mark.parametrize(
    ("model", "options", "kind", "words"),
    [
        ("none.onnx", {}, MissingPathError, "no network at none.onnx"),
        (pointwise(), {}, InputError, "size must be given for a network"),
        (3, {"size": 32}, InputError, "model must be a checkpoint, an .onnx file or a torch module, got 'int'"),
        (tiny_checkpoint(), {"reading": Reading()}, InputError, "is of use only to a foreign network"),
        (tiny_checkpoint(), {"precision": "16"}, InputError, "precision must be one of 32, bf16, fp16, got '16'"),
        ("net.onnx", {"size": 32, "precision": "bf16"}, InputError, "precision is of no use to an .onnx file"),
    ],
)
def test_models_that_are_none(model, options, kind, words):
    with pytest.raises(kind) as caught:
        load_model(model, **{"device": "cpu", **options})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_loaded_takes_no_more_options(roads, maps):
    loaded = load_model(tiny_checkpoint(), device="cpu")
    with pytest.raises(InputError, match="model must not be loaded already, got 'batch, precision': pass these to load_model"):
        predict(loaded, roads, maps, precision="bf16", batch=2, progress=False)
    assert predict(loaded, roads, maps, progress=False).written


@pytest.fixture
def photographs(tmp_path) -> Path:
    for kind in ("images", "masks"):
        (tmp_path / "site" / kind).mkdir(parents=True)
    for number, (width, height) in enumerate([(40, 40), (90, 60), (80, 50)]):
        pixels = np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "site" / "images" / f"{number}.png")
        Image.fromarray(np.eye(height, width, dtype=np.uint8) * 255).save(tmp_path / "site" / "masks" / f"{number}.png")
    return tmp_path / "site"


@pytest.mark.parametrize(
    ("largest", "options", "warned"),
    [
        (None, {}, None),  # an older card
        (37.0, {}, None),  # of twice the side
        (30.0, {}, "2 of 3 images of site are much larger (side up to 73 px) than what the model learnt from (at most 30 px): "
                   "thin structures may vanish by resizing, predict by tiles (--tile)"),
        (10.0, {}, "all images of site are much larger"),
        (20.0, {"tiled": True}, None),
        (20.0, {"size": 2 * SIDE}, None),
    ],
)  # fmt: skip
def test_images_much_larger_than_those_learnt_from_are_warned_of(largest, options, warned, photographs, maps):
    model = tiny_checkpoint() if largest is None else tiny_checkpoint(sides={"median": largest - 1.0, "largest": largest})
    first, second = (run(model, photographs, maps, **options) for _ in range(2))
    assert first.notes == second.notes
    assert [note.startswith(warned or "none") for note in first.notes] == [True] * (warned is not None)
    evaluated = howfar.evaluate(photographs, model=load_model(model, device="cpu", **options), progress=False).notes
    assert any("much larger" in note for note in evaluated) is (warned is not None)
