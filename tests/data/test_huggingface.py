"""Hugging Face datasets: saved folders, names on the hub from a cache, and datasets in memory."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from data.read_arguments import contents, dataset_of
from howfar.data import parse, read_bytes, read_mask
from howfar.data.sharded_and_hub_datasets import hub_name
from howfar.errors import InputError, MissingExtraError
from packed import files_below, write_saved

FEATURES = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["dry", "wet"])})

HUB = """
import json, sys
from howfar.data import parse, read_bytes
try:
    found = parse(sys.argv[1])
    print(json.dumps([found.name, len(found), found.items[1].label, len(read_bytes(found.items[1].path))]))
except ValueError as error:
    print(error)
"""


@pytest.fixture
def images(demo_folders: list[Path]) -> dict[str, bytes]:
    return files_below(demo_folders[1])


@pytest.fixture
def made(images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> datasets.Dataset:
    monkeypatch.setattr(datasets, "disable_progress_bar", datasets.disable_progress_bars(), raising=False)
    cells = [{"bytes": data, "path": name} for name, data in images.items()]
    return datasets.Dataset.from_dict({"image": cells, "label": [k % 2 for k in range(len(cells))]}, features=FEATURES)


def test_a_saved_dataset(made: datasets.Dataset, images: dict[str, bytes], tmp_path: Path) -> None:
    made.save_to_disk(tmp_path / "roads", num_shards=3)
    found = dataset_of(tmp_path / "roads")
    assert (found.name, [item.name for item in found.items]) == ("roads", list(images))
    assert [item.label for item in found.items[:2]] == ["dry", "wet"]
    assert [read_bytes(item.path) for item in found.items] == list(images.values())
    assert found.items[-1].path.parent.name == "data-00002-of-00003.arrow"
    # The tests' own writer writes what the library reads.
    assert datasets.load_from_disk(str(write_saved(tmp_path / "own", images))).num_rows == len(images)


def test_of_several_splits_one_is_named(made: datasets.Dataset, tmp_path: Path) -> None:
    datasets.DatasetDict({"train": made, "test": made.select([3, 1])}).save_to_disk(tmp_path / "roads")
    with pytest.raises(InputError, match=r"has several splits \(train, test\): name one, as .*roads/train"):
        parse(tmp_path / "roads")
    found = parse(tmp_path / "roads" / "test")
    assert (found.name, [item.name for item in found.items]) == ("test", ["0004.jpg", "0002.jpg"])
    datasets.DatasetDict({"all": made}).save_to_disk(tmp_path / "alone")
    assert parse(tmp_path / "alone").name == "alone"


def test_rows_that_keep_a_path_are_read_from_there(demo_folders: list[Path], images: dict[str, bytes], tmp_path: Path) -> None:
    paths = [str(demo_folders[1] / "images" / name) for name in images]
    made = datasets.Dataset.from_dict({"image": paths}, features=datasets.Features({"image": datasets.Image()}))
    made.map(lambda row: row, cache_file_name=str(tmp_path / "c.arrow"))
    found = parse(tmp_path / "c.arrow")
    assert [item.name for item in found.items] == list(images)
    assert [read_bytes(item.path) for item in found.items] == list(images.values())


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("state.json", "{", "cannot be read .Expecting property name"),
        ("state.json", "{}", "cannot be read .no '_data_files'.: save the dataset anew with save_to_disk"),
        ("state.json", json.dumps({"_data_files": [], "_indices_data_files": [{}]}), "call flatten_indices"),
        ("dataset_dict.json", json.dumps({"splits": []}), "names no split"),
    ],
)
def test_damaged_folders_are_one_line(file: str, text: str, line: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(InputError, match=line):
        parse(tmp_path)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("hf://owner/roads", ("owner/roads", None, None, None)),
        ("hf://owner/roads@refs%2Fpr%2F1:train", ("owner/roads", "refs/pr/1", None, "train")),
        ("hf://owner/roads/wet:train", ("owner/roads", None, "wet", "train")),
        *((f"hf://{wrong}", None) for wrong in ("roads", "owner/roads:train[:10]", "owner/roads/a/b", "owner/roads:a+b")),
    ],
)
def test_names_on_the_hub(text: str, parts: tuple[str | None, ...] | None) -> None:
    if parts is not None:
        assert hub_name(text) == parts
    else:
        with pytest.raises(InputError, match=r"must be hf://owner/name\[@revision\]\[/config\]\[:split\]"):
            parse(text)


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'howfar\[datasets\]'"):
        parse("hf://owner/roads")


def test_a_name_is_read_from_the_library_s_cache(made: datasets.Dataset, images: dict[str, bytes], tmp_path: Path) -> None:
    """As after a download: no hub is asked, and the Arrow files of the cache are read."""
    made.to_parquet(tmp_path / "p.parquet")
    files = {split: str(tmp_path / "p.parquet") for split in ("train", "test")}
    cached = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "made"))
    source = Path(cached["train"].cache_files[0]["filename"]).parent
    place = tmp_path / "hub" / "datasets" / "owner___roads" / "default" / "0.0.0" / ("a" * 40)
    shutil.copytree(source, place)
    for file in place.glob("parquet-*"):
        file.rename(place / file.name.replace("parquet-", "roads-"))
    environment = os.environ | {"HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

    def ask(text: str) -> str:
        done = subprocess.run([sys.executable, "-c", HUB, text], capture_output=True, text=True, check=True, env=environment)
        return done.stdout.strip()

    second = len(list(images.values())[1])
    assert json.loads(ask("hf://owner/roads:test")) == ["roads-test", len(images), "wet", second]
    assert json.loads(ask("mine=hf://owner/roads:train"))[0] == "mine"
    assert ask("hf://owner/roads") == "hf://owner/roads has several splits (train, test): name one, as hf://owner/roads:train"
    assert "hf://owner/roads:val cannot be read (Unknown split" in ask("hf://owner/roads:val")
    assert "hf://owner/none cannot be read (" in ask("hf://owner/none")


# A Hugging Face dataset that is loaded gives the bytes of its files, so that its features are found where files' are

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 10, 12, 3), dtype=np.uint8)

WITH_DAYS = datasets.Features(
    {"image": datasets.Image(), "label": datasets.ClassLabel(names=["dry", "wet"]), "day": datasets.Value("int32")}
)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, picture in zip(paths, PIXELS, strict=True):
        Image.fromarray(picture).save(path)
    return paths


def of_files(files: list[Path]) -> datasets.Dataset:
    rows = {"image": [str(path) for path in files], "label": [0, 1, -1, 1], "day": [3, 4, 5, None]}
    return datasets.Dataset.from_dict(rows, features=WITH_DAYS)


def test_images_classes_and_further_columns(files: list[Path]) -> None:
    made = of_files(files)
    dataset = dataset_of(made, unnamed="secondary")
    assert dataset.name == "secondary"
    assert contents(dataset) == contents(dataset_of(files))
    assert [item.name for item in dataset.items] == ["0.png", "1.png", "2.png", "3.png"]
    assert [item.label for item in dataset.items] == ["dry", "wet", None, "wet"]
    assert [item.further for item in dataset.items] == [(("day", "3"),), (("day", "4"),), (("day", "5"),), ()]
    made.info.dataset_name = "pets"
    assert (dataset_of(made).name, dataset_of(made, name="ours").name) == ("pets", "ours")


def test_pictures_in_memory_and_masks() -> None:
    masks = [Image.fromarray(picture[:, :, 0] > 99) for picture in PIXELS]
    features = datasets.Features({"photo": datasets.Image(), "mask": datasets.Image()})
    rows = {"photo": [Image.fromarray(picture) for picture in PIXELS], "mask": masks}
    made = datasets.Dataset.from_dict(rows, features=features)
    with pytest.raises(InputError, match=r"several columns of images \(photo, mask\): rename the one that counts to image"):
        parse(made)
    dataset = dataset_of(made.rename_column("photo", "image"))
    assert [item.name for item in dataset.items] == ["0", "1", "2", "3"]
    assert np.array_equal([read_mask(str(item.mask)) for item in dataset.items], PIXELS[..., 0] > 99)
    alone = dataset_of(made.remove_columns("mask"))
    assert contents(alone) == contents(dataset)


def test_what_is_no_dataset_of_images(files: list[Path]) -> None:
    made = of_files(files)
    for argument, line in (
        (datasets.DatasetDict(), "must be one split, got a DatasetDict without any: pass a dataset with images"),
        (made.select([]), "at least one image, got a Dataset of no rows"),
    ):
        with pytest.raises(InputError, match=line):
            parse(argument)
