from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import howfar
from howfar.data import image_decoding
from howfar.errors import InputError
from howfar.results.backbones_result import SETS, BackboneComparison

NAMES = ("efficientnet_lite0", "colour_moments")
QUICK: dict[str, Any] = {"bootstrap": 100, "permutations": 49, "progress": False, "components": 8}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def found(demo_folders: list[Path], store: Path) -> BackboneComparison:
    primary, *secondaries = demo_folders
    return howfar.compare_backbones(primary, secondaries, NAMES, store=store, **QUICK)


def test_each_image_is_decoded_once(demo_folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    plain: Callable[[bytes], Any] = image_decoding.decode

    def counted(data: bytes) -> Any:
        decoded.append(hash(data))
        return plain(data)

    monkeypatch.setattr(image_decoding, "decode", counted)
    two = demo_folders[1:3]
    howfar.compare_backbones(two[0], two[1], NAMES, store=tmp_path / "store", **QUICK)
    number = sum(len(howfar.Dataset.from_folder(folder)) for folder in two)
    assert len(decoded) == len(set(decoded)) == number


def test_numbers_are_those_of_two_calls(found: BackboneComparison, demo_folders: list[Path], tmp_path: Path) -> None:
    primary, *secondaries = demo_folders
    for number, name in enumerate(NAMES):
        # A store of its own, so that nothing is taken over.
        alone = howfar.compare(primary, secondaries, name, store=tmp_path / str(number), **QUICK)
        assert found[name].datasets == alone.datasets
        assert found[name].backbone == alone.backbone
        assert found[name].notes == alone.notes
        assert found[name].baselines == alone.baselines
        pd.testing.assert_frame_equal(found[name].images, alone.images, check_exact=True)
        pd.testing.assert_frame_equal(found[name].primary_images, alone.primary_images, check_exact=True)


def test_agreement_is_spearmans(found: BackboneComparison) -> None:
    one, other = NAMES
    rows = found.agreement[(found.agreement["one"] == one) & (found.agreement["other"] == other)].set_index("dataset")
    order = [[dataset.relative for dataset in found[name].datasets] for name in NAMES]
    assert rows.loc[SETS, "spearman"] == pytest.approx(spearmanr(*order).statistic)
    assert np.isnan(rows.loc[SETS, "low"])
    for dataset in found[one].datasets:
        x, y = (found[name].images.set_index("dataset").loc[dataset.name, "i_dist"] for name in NAMES)
        row = rows.loc[dataset.name]
        assert row["spearman"] == pytest.approx(spearmanr(x, y).statistic)
        assert row["n"] == len(x)
        assert row["low"] <= row["spearman"] <= row["high"]
    sets, images = found.agreed(one, other)
    assert sets == rows.loc[SETS, "spearman"]
    assert images == pytest.approx(rows.drop(SETS)["spearman"].mean())
    assert found.agreed(other, one) == (sets, images)


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (
            ("timm:resnet18", "timm/resnet18", "onnx:../a b.onnx", "…"),
            "timm-resnet18 timm-resnet18-2 onnx-..-a-b.onnx backbone",
        ),
        (("unet-2", "unet", "Unet", "unet:2"), None),
    ],
)
def test_folders_have_names_of_their_own_that_any_disk_takes(names, folders, found):
    class Named(BackboneComparison):
        backbones = names

    made = list(Named(found.comparisons, found.agreement).folders().values())
    assert len({name.casefold() for name in made}) == 4
    assert folders is None or made == folders.split()


@pytest.mark.parametrize(
    ("backbones", "options", "words"),
    [
        (["pixels"], {}, "backbones must be at least two"),
        ("pixels", {}, "backbones must be at least two"),
        (["pixels", "pixels"], {}, "backbones must have names of their own, got 'pixels'"),
        (["pixels", "colour_moments"], {"weights": {"clip": "x"}}, "weights must be of one of the backbones"),
        (
            ["pixels", "colour_moments"],
            {"prompt": "a"},
            "prompt must be an option of one of the backbones, pixels, colour_moments",
        ),
    ],
)
def test_what_cannot_be_is_one_line(backbones: Any, options: dict[str, Any], words: str, demo_folders: list[Path]) -> None:
    with pytest.raises(InputError, match=words):
        howfar.compare_backbones(demo_folders[0], demo_folders[1], backbones, progress=False, **options)


def test_loaded_backbones(found: BackboneComparison, demo_folders: list[Path], store: Path) -> None:
    primary, *secondaries = demo_folders
    loaded = [howfar.load_backbone(name) for name in NAMES]
    again = howfar.compare_backbones(primary, secondaries, loaded, store=store, **QUICK)
    assert again[NAMES[0]].datasets == found[NAMES[0]].datasets
    with pytest.raises(InputError, match="options are of no use"):
        howfar.compare_backbones(primary, secondaries, loaded, device="cpu", **QUICK)
    with pytest.raises(InputError, match="names of their own"):
        howfar.compare_backbones(primary, secondaries, [loaded[0], NAMES[0]], **QUICK)
    rows = np.zeros((20, 4))
    with pytest.raises(InputError, match="must be images where there are several backbones, got 'embeddings: primary, s'"):
        howfar.compare_backbones(rows, {"s": rows}, NAMES)
