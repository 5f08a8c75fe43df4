"""Maps of a dataset: made once, made anew where anything changes, and never over what somebody else wrote."""

from __future__ import annotations

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
from howfar.data import Dataset, Item
from howfar.data.predictions import match_maps, read_prediction, signature_of
from howfar.demo import write_dataset
from howfar.errors import HowfarError, InputError, MissingPathError
from howfar.pipeline.prediction import Model, Predicted, load_model, predict
from howfar.segmenters.predictor import Reading
from tiny_checkpoints import tiny_checkpoint

SIDE = 32


def pointwise(weight: float = 1.0) -> nn.Module:
    """One logit a pixel, of its own colour."""
    torch.manual_seed(1)
    network = nn.Conv2d(3, 1, 1)
    with torch.no_grad():
        network.weight.mul_(weight)
    return network


@pytest.fixture
def roads(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "roads", 4, seed=0, size=SIDE)


@pytest.fixture
def maps(tmp_path: Path) -> Path:
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


def test_maps_are_the_networks_probabilities(roads: Path, maps: Path) -> None:
    one = tiny_checkpoint()
    found = run(one, roads, maps)
    assert (found.folder, *counts(found)) == (maps, 4, 0, 0)
    network = one.build()
    for name, given in values(maps).items():
        picture = np.asarray(Image.open(roads / "images" / f"{name}.jpg"), np.float32) / 255
        with torch.no_grad():
            p = torch.sigmoid(network(torch.from_numpy(picture.transpose(2, 0, 1))[None]))[0, 0].numpy()
        assert np.abs(given - 255 * p).max() <= 0.51


def test_a_folder_of_maps_is_what_evaluate_reads(roads: Path, maps: Path) -> None:
    Image.new("RGB", (70, 45), (90, 80, 70)).save(roads / "images" / "0005.v2.png")
    Image.new("L", (70, 45), 255).save(roads / "masks" / "0005.v2.png")
    (roads / "images" / "0001.jpg").rename(roads / "images" / "0001.jpeg")
    run(tiny_checkpoint(), roads, maps)
    dataset = Dataset.from_folder(roads)
    matched = match_maps(dataset, maps)
    assert set(matched.files) == {item.name for item in dataset.items}
    assert read_prediction(maps / "0005.v2.png").values.shape == (45, 70)
    assert howfar.evaluate(roads, maps, progress=False).scored == 5


def test_a_checkpoint_in_a_file_and_in_memory_give_the_same(roads: Path, maps: Path, tmp_path: Path) -> None:
    run(tiny_checkpoint(), roads, maps)
    file = tiny_checkpoint().save(tmp_path / "m.safetensors")
    assert counts(run(file, roads, maps)) == (0, 4, 0)
    assert counts(run(str(file), roads, maps)) == (0, 4, 0)
    assert counts(run(load_model(file, device="cpu"), roads, maps)) == (0, 4, 0)


def test_half_precision_moves_maps_by_a_little(roads: Path, maps: Path, tmp_path: Path) -> None:
    run(tiny_checkpoint(), roads, maps)
    run(tiny_checkpoint(), roads, tmp_path / "bf16", precision="bf16")
    gaps = np.concatenate(
        [np.abs(a - b.astype(float)).ravel() for a, b in zip(*map(_maps, (maps, tmp_path / "bf16")), strict=True)]
    )
    assert 0 < gaps.max() <= 8


def _maps(folder: Path) -> list[np.ndarray]:
    return list(values(folder).values())


# Kept and made anew


def test_maps_are_kept_when_it_is_run_again(roads: Path, maps: Path) -> None:
    run(tiny_checkpoint(), roads, maps)
    before = times(maps)
    assert counts(run(tiny_checkpoint(), roads, maps, batch=3)) == (0, 4, 0)
    assert times(maps) == before


def test_a_run_that_was_stopped_is_gone_on_with(roads: Path, maps: Path) -> None:
    run(tiny_checkpoint(), roads, maps)
    whole, before = values(maps), times(maps)
    (maps / "0002.png").unlink()
    assert counts(run(tiny_checkpoint(), roads, maps)) == (1, 3, 0)
    assert {name for name, time in times(maps).items() if time != before[name]} == {"0002.png"}
    assert all(np.array_equal(whole[name], given) for name, given in values(maps).items())


def test_what_was_done_before_a_stop_is_kept(roads: Path, maps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_an_image_of_other_content_has_its_map_made_anew(roads: Path, maps: Path) -> None:
    run(tiny_checkpoint(), roads, maps)
    before = times(maps)
    (roads / "images/0003.jpg").write_bytes((roads / "images/0001.jpg").read_bytes())
    assert counts(run(tiny_checkpoint(), roads, maps)) == (1, 3, 0)
    assert {name for name, time in times(maps).items() if time != before[name]} == {"0003.png"}
    assert np.array_equal(values(maps)["0003"], values(maps)["0001"])


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (tiny_checkpoint(1), {}),
        (tiny_checkpoint(), {"size": 64}),
        (tiny_checkpoint(), {"tiled": True}),
        (tiny_checkpoint(), {"flipped": True}),
        (tiny_checkpoint(), {"precision": "bf16"}),
        (pointwise(), {"size": SIDE}),
    ],
)
def test_another_model_or_way_makes_maps_anew(model: Any, options: dict[str, Any], roads: Path, maps: Path) -> None:
    run(tiny_checkpoint(), roads, maps)
    assert counts(run(model, roads, maps, **options)) == (4, 0, 0)
    assert counts(run(model, roads, maps, **options)) == (0, 4, 0)
    assert counts(run(tiny_checkpoint(), roads, maps)) == (4, 0, 0)


@pytest.mark.parametrize(
    ("model", "reading"),
    [
        (pointwise(), Reading(std=(1.0,) * 3)),
        (pointwise(), Reading(mean=(0.1,) * 3)),
        (pointwise(), Reading(channel=0)),
        (pointwise(1.01), Reading()),
        (nn.Sequential(pointwise(), nn.Sigmoid()), Reading(output="probabilities")),
    ],
)
def test_another_reading_or_weight_of_a_foreign_network_too(
    model: nn.Module, reading: Reading, roads: Path, maps: Path
) -> None:
    assert counts(run(pointwise(), roads, maps, size=SIDE)) == (4, 0, 0)
    assert counts(run(pointwise(), roads, maps, size=SIDE)) == (0, 4, 0)
    assert counts(run(model, roads, maps, size=SIDE, reading=reading)) == (4, 0, 0)


def test_networks_of_equal_weights_that_are_built_otherwise(roads: Path, maps: Path) -> None:
    run(nn.Sequential(pointwise(), nn.ReLU()), roads, maps, size=SIDE)
    assert counts(run(nn.Sequential(pointwise(), nn.Tanh()), roads, maps, size=SIDE)) == (4, 0, 0)


# Whole, tiled, flipped, of any make


@pytest.mark.parametrize("tiled", [False, True])
def test_sizes_come_back(tiled: bool, tmp_path: Path, maps: Path) -> None:
    sizes = {"a": (50, 20), "b": (20, 90), "c": (32, 32)}
    (tmp_path / "odd").mkdir()
    for name, (width, height) in sizes.items():
        Image.effect_noise((width, height), 60).convert("RGB").save(tmp_path / "odd" / f"{name}.png")
    run(tiny_checkpoint(), tmp_path / "odd", maps, tiled=tiled)
    assert {name: given.shape[::-1] for name, given in values(maps).items()} == sizes


def test_flipped_maps_stay_mirrored_as_evaluate_wants_them(roads: Path, maps: Path, tmp_path: Path) -> None:
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
def test_an_onnx_file_gives_the_maps_of_the_module(tiled: bool, roads: Path, maps: Path, tmp_path: Path) -> None:
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


# Refused and skipped


def test_a_file_that_howfar_did_not_write_is_left_alone(roads: Path, maps: Path) -> None:
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


def test_a_folder_at_a_maps_place_is_refused(roads: Path, maps: Path) -> None:
    (maps / "0002.png").mkdir(parents=True)
    with pytest.raises(InputError, match=r"the place of a map must hold no folder, got '.*0002\.png': choose another folder"):
        run(tiny_checkpoint(), roads, maps)
    assert [file.name for file in maps.iterdir()] == ["0002.png"]


def test_the_images_own_folder_is_refused(roads: Path, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "flat/1.png")
    with pytest.raises(InputError, match="folder must not be the images' own"):
        run(tiny_checkpoint(), tmp_path / "flat", tmp_path / "flat")


def test_images_that_cannot_be_read_are_listed(roads: Path, maps: Path) -> None:
    (roads / "images/0002.jpg").write_text("text")
    (roads / "images/0005.jpg").symlink_to(roads / "nowhere.jpg")
    found = run(tiny_checkpoint(), roads, maps)
    assert counts(found) == (3, 0, 2)
    assert {(Path(one.path).name, one.dataset) for one in found.skipped} == {("0002.jpg", "roads"), ("0005.jpg", "roads")}
    assert all(one.reason for one in found.skipped)
    assert sorted(times(maps)) == ["0001.png", "0003.png", "0004.png"]
    again = run(tiny_checkpoint(), roads, maps)
    assert (counts(again), again.skipped) == ((0, 3, 2), found.skipped)


def test_where_no_image_can_be_read(roads: Path, maps: Path) -> None:
    for file in (roads / "images").iterdir():
        file.write_text("text")
    with pytest.raises(InputError, match="dataset roads must hold an image that can be read, got 'not an image"):
        run(tiny_checkpoint(), roads, maps)


@pytest.mark.parametrize(
    ("model", "options", "kind", "words"),
    [
        ("none.safetensors", {}, MissingPathError, "no checkpoint at none.safetensors"),
        ("none.onnx", {"size": 32}, MissingPathError, "no network at none.onnx"),
        ("none.onnx", {}, MissingPathError, "no network at none.onnx"),
        (pointwise(), {}, InputError, "size must be given for a network"),
        (3, {"size": 32}, InputError, "model must be a checkpoint, an .onnx file or a torch module, got 'int'"),
        (tiny_checkpoint(), {"size": 40}, InputError, "size must be a multiple of 32 for deepcrack, got 40"),
        (tiny_checkpoint(), {"size": 0}, InputError, "size must be at least 1, got 0"),
        (tiny_checkpoint(), {"size": -32}, InputError, "size must be at least 1, got -32"),
        (tiny_checkpoint(), {"batch": 0}, InputError, "batch must be at least 1, got 0"),
        (
            tiny_checkpoint(),
            {"reading": Reading()},
            InputError,
            "mean, std, output and channel are of use only to a foreign network",
        ),
        (tiny_checkpoint(), {"device": "abacus"}, InputError, "device must be auto, cpu"),
        (tiny_checkpoint(), {"precision": "16"}, InputError, "precision must be one of 32, bf16, fp16, got '16'"),
        (tiny_checkpoint(), {"precision": "fp16"}, InputError, "precision must be 32 or bf16 on a CPU, got 'fp16'"),
        ("net.onnx", {"size": 32, "precision": "bf16"}, InputError, "precision is of no use to an .onnx file"),
    ],
)
def test_models_that_are_none(model: Any, options: dict[str, Any], kind: type[HowfarError], words: str) -> None:
    with pytest.raises(kind) as caught:
        load_model(model, **{"device": "cpu", **options})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_embeddings_are_no_images(maps: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", np.zeros((4, 3), np.float32))
    with pytest.raises(InputError, match="dataset must be images, not embeddings"):
        run(tiny_checkpoint(), tmp_path / "e.npy", maps)


def test_a_signature_tells_model_image_and_way(roads: Path, maps: Path) -> None:
    run(tiny_checkpoint(), roads, maps)
    signatures = {signature_of(file) for file in maps.iterdir()}
    assert len(signatures) == 4
    assert all(tiny_checkpoint().card.weights in str(one) for one in signatures)


def test_a_dataset_in_memory(roads: Path, maps: Path) -> None:
    one = Dataset("one", (Item("deep/er/1.jpg", roads / "images/0001.jpg"),))
    assert counts(run(tiny_checkpoint(), one, maps)) == (1, 0, 0)
    assert (maps / "deep/er/1.png").is_file()


def test_a_model_that_is_loaded_takes_no_more_options(roads: Path, maps: Path) -> None:
    loaded = load_model(tiny_checkpoint(), device="cpu")
    with pytest.raises(InputError, match="model must not be loaded already, got 'batch, precision': pass these to load_model"):
        predict(loaded, roads, maps, precision="bf16", batch=2, progress=False)
    assert predict(loaded, roads, maps, progress=False).written
