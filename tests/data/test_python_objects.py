"""Lists, arrays and data frames become the datasets that the same images in files are, and their images are read one by one."""

import gc
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image
from torch.utils.data import StackDataset, Subset, TensorDataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from data.read_arguments import contents, dataset_of
from howfar.data import Dataset, Item, decode, each_dataset, exists, parse, read_bytes, read_mask
from howfar.data.image_bytes import GONE, MemoryImages, check_files, is_member, keep_with, place_of
from howfar.data.python_objects import labelled
from howfar.errors import ImageError, InputError
from howfar.results import Features

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 10, 12, 3), dtype=np.uint8)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Four lossless pictures, in roads/images."""
    folder = tmp_path / "roads" / "images"
    folder.mkdir(parents=True)
    paths = [folder / f"{number}.png" for number in range(4)]
    for path, picture in zip(paths, PIXELS, strict=True):
        Image.fromarray(picture).save(path)
    return paths


def test_a_list_of_paths_is_the_folder_that_holds_them(files: list[Path]) -> None:
    folder, texts = dataset_of(files[0].parent), [str(path) for path in files]
    for given in (files, tuple(files), texts, np.array(texts), pd.Series(texts), pl.Series(texts)):
        listed = dataset_of(given)
        assert (listed.name, [item.name for item in listed.items]) == ("roads", [item.name for item in folder.items])
        assert [item.path for item in listed.items] == files
    fsspec.filesystem("memory").put(texts[0], "/listed/0.png")
    listed = dataset_of(["memory://listed/0.png"])
    assert (listed.name, contents(listed)) == ("listed", contents(dataset_of(files[:1])))
    pictures = [Image.open(path) for path in files]  # not loaded: they are their files
    dataset = dataset_of(pictures)
    assert [item.name for item in dataset.items] == [item.name for item in folder.items]
    assert contents(dataset) == contents(folder)
    for picture in pictures:
        picture.close()


ONE_BY_ONE: dict[str, Any] = {
    "arrays": list(PIXELS),
    "an array": PIXELS,
    "channels first": PIXELS.transpose(0, 3, 1, 2),
    "tensors": list(torch.from_numpy(PIXELS)),
    "a tensor": torch.from_numpy(PIXELS),
    "0 to 1": torch.from_numpy(PIXELS).permute(0, 3, 1, 2) / 255,
    "Pillow": [Image.fromarray(picture) for picture in PIXELS],
    "mixed": [Image.fromarray(PIXELS[0]), *PIXELS[1:]],
    "a data frame": pd.DataFrame({"image": list(PIXELS)}),
    "one of polars": pl.DataFrame({"image": pl.Series(list(map(Image.fromarray, PIXELS)), dtype=pl.Object)}),
}


@pytest.mark.parametrize("kind", ONE_BY_ONE)
def test_images_in_memory_are_called_by_their_numbers_and_have_the_content_of_their_pixels(kind: str) -> None:
    dataset = dataset_of(ONE_BY_ONE[kind], unnamed="secondary-2")
    assert (dataset.name, dataset.root, len(dataset)) == ("secondary-2", None, 4)
    assert [item.name for item in dataset.items] == ["0", "1", "2", "3"]
    assert contents(dataset) == contents(dataset_of(PIXELS))
    assert dataset_of(ONE_BY_ONE[kind], name="site").name == "site"


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_a_data_frame_of_paths_is_the_table_of_its_rows(kind: Any, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files[0].parent.parent)
    columns = {
        "image": ["images/0.png", "images/1.png", str(files[2])],
        "mask": ["images/1.png", None, None],
        "label": ["dry", "wet", None],
        "camera": ["left", None, "right"],
        "day": [1, 2, 3],
    }
    pd.DataFrame(columns).to_csv("list.csv", index=False)
    table, dataset = dataset_of("list.csv"), dataset_of(kind(columns), unnamed="primary")
    assert dataset.items == table.items
    assert (dataset.name, dataset.root) == ("primary", None)
    assert dataset.items[0].further == (("camera", "left"), ("day", "1"))


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, ""])
def test_a_data_frame_of_pictures_with_masks(missing: Any) -> None:
    masks = [PIXELS[0][:, :, 0] > 99, missing, missing, missing]
    frame = pd.DataFrame(
        {"image": list(PIXELS), "mask": masks, "label": ["dry", missing, "wet", "wet"], "vector": [[1], [2], [3], [4]]}
    )
    dataset = dataset_of(frame)
    assert [item.mask is not None for item in dataset.items] == [True, False, False, False]
    assert [item.label for item in dataset.items] == ["dry", None, "wet", "wet"]
    assert dataset.items[0].further == ()
    mask = dataset.items[0].mask
    assert mask is not None
    assert np.array_equal(read_mask(mask), masks[0])


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_data_frames_of_embeddings(kind: Any) -> None:
    rows = np.random.default_rng(0).normal(size=(5, 3))
    numbers, vectors = kind(rows), kind({"image": list("aabcd"), "embedding": rows.tolist()})
    for frame, names in ((numbers, ("row-0", "row-1", "row-2", "row-3", "row-4")), (vectors, ("a", "a#2", "b", "c", "d"))):
        features = parse(frame)
        assert isinstance(features, Features)
        assert np.allclose(features.rows.rows(0, 5), rows)
        assert features.images == names


# What gives images by number, as torch's datasets do, is read one image at a time and only when it is needed

ITEMS = np.random.default_rng(0).integers(0, 256, (6, 10, 12, 3), dtype=np.uint8)

ITEM_TENSORS = torch.from_numpy(ITEMS).permute(0, 3, 1, 2)


class Items:
    """A dataset of a user's own, which counts what it is asked for."""

    def __init__(self, items: list[Any], **attributes: Any) -> None:
        self._items, self.asked = items, list[int]()
        self.__dict__.update(attributes)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, number: int) -> Any:
        self.asked.append(number)
        item = self._items[number]
        if isinstance(item, Exception):
            raise item
        return item


def pixels(dataset: Dataset) -> list[Any]:
    return [np.asarray(decode(read_bytes(item.path)).image) for item in dataset.items]


def test_items_are_asked_for_when_they_are_needed_and_once_for_image_and_mask() -> None:
    items = Items([(picture, picture[:, :, 0] > 99) for picture in ITEMS])
    dataset = dataset_of(items)
    assert items.asked == [0, 0]  # twice, to see whether it is the same each time
    for number in (3, 0, 3):
        mask = dataset.items[number].mask
        assert np.array_equal(np.asarray(decode(read_bytes(dataset.items[number].path)).image), ITEMS[number])
        assert np.array_equal(read_mask(str(mask)), ITEMS[number][:, :, 0] > 99)
    assert items.asked == [0, 0, 3, 0, 3]
    failing = dataset_of(Items([ITEMS[0], OSError("gone"), ITEMS[2]]))
    read_bytes(failing.items[2].path)
    with pytest.raises(ImageError, match=r"item 1 cannot be had \(OSError: gone\)"):
        read_bytes(failing.items[1].path)


GIVEN: dict[str, Any] = {
    "Pillow": [Image.fromarray(picture) for picture in ITEMS],
    "uint8": list(ITEM_TENSORS),
    "floating": list(ITEM_TENSORS / 255),
    "alone in a tuple": [(picture,) for picture in ITEMS],
    "a mapping": [{"image": picture} for picture in ITEMS],
    "another mapping": [{"img": picture, "label": 1} for picture in ITEMS],
    "boxes": [(picture, {"boxes": torch.zeros(1, 4)}) for picture in ITEM_TENSORS],
    "a float beside": [(picture, 0.5) for picture in ITEMS],
}


@pytest.mark.parametrize("kind", GIVEN)
def test_images_of_every_form(kind: str) -> None:
    dataset = dataset_of(Items(GIVEN[kind]))
    assert np.array_equal(pixels(dataset), ITEMS)
    assert all(item.mask is None for item in dataset.items)


@pytest.mark.parametrize(
    "numbers", [[0, 1, 0, 1, 0, 1], np.array([0, 1] * 3), torch.tensor([0, 1] * 3)], ids=["list", "array", "tensor"]
)
def test_classes_that_are_listed(numbers: Any) -> None:
    pairs = [(picture, int(number)) for picture, number in zip(ITEMS, numbers, strict=True)]
    named = dataset_of(Items(pairs, targets=numbers, classes=["dry", "wet"]))
    assert [item.label for item in named.items] == ["dry", "wet"] * 3
    assert [item.label for item in dataset_of(Items(pairs, labels=numbers)).items] == ["0", "1"] * 3
    tensors = TensorDataset(ITEM_TENSORS, torch.tensor([0, 1] * 3))
    assert [item.label for item in dataset_of(tensors).items] == ["0", "1"] * 3
    assert [item.label for item in dataset_of(Subset(tensors, [1, 2])).items] == ["1", "0"]


@pytest.mark.parametrize("target", [3, np.int64(3), torch.tensor(3), "wet"])
def test_classes_that_come_with_images_alone_are_read_when_they_are_asked_for(target: Any) -> None:
    items = Items([(picture, target) for picture in ITEMS], classes=list("abcd"))
    dataset = dataset_of(items)
    assert {item.label for item in dataset.items} == {None}
    assert items.asked == [0, 0]
    assert {item.label for item in labelled(dataset).items} == {"wet" if target == "wet" else "d"}
    assert labelled(dataset_of(Items(list(ITEMS)))).items[0].label is None
    assert [item.label for item in labelled(dataset_of(Items([(ITEMS[0], target), OSError("gone")]))).items][1] is None


def test_masks() -> None:
    masks = ITEMS[..., 0] > 99
    for second in (list(masks), list(map(Image.fromarray, masks)), list(torch.from_numpy(masks)[:, None].float())):
        dataset = dataset_of(Items(list(zip(ITEMS, second, strict=True))))
        assert np.array_equal([read_mask(str(item.mask)) for item in dataset.items], masks)
    named = dataset_of(Items([{"image": picture, "mask": mask} for picture, mask in zip(ITEMS, masks, strict=True)]))
    assert np.array_equal([read_mask(str(item.mask)) for item in named.items], masks)
    stacked = dataset_of(StackDataset(list(ITEMS), list(masks)))
    assert np.array_equal([read_mask(str(item.mask)) for item in stacked.items], masks)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, picture in enumerate(ITEMS):
        file = tmp_path / "roads" / ("dry" if number < 2 else "wet") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(file)
    return tmp_path / "roads"


def test_an_image_folder_is_its_files_without_its_transform(folder: Path) -> None:
    normalise = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.2] * 3)])
    dataset = dataset_of(ImageFolder(folder, normalise))
    assert (dataset.name, dataset.root, dataset.items[0].path) == ("roads", folder, folder / "dry" / "0.png")
    assert [item.name for item in dataset.items] == [f"{'dry' if k < 2 else 'wet'}/{k}.png" for k in range(6)]
    assert [item.label for item in dataset.items] == ["dry"] * 2 + ["wet"] * 4
    chosen = dataset_of(Subset(Subset(ImageFolder(folder), [5, 3, 1]), [2, 0]))
    assert [item.name for item in chosen.items] == ["dry/1.png", "wet/5.png"]


def test_a_class_that_makes_something_else_of_an_image_folder_is_asked(folder: Path) -> None:
    class Cropped(ImageFolder):
        def __getitem__(self, index: int) -> Any:
            picture, target = super().__getitem__(index)
            return picture.crop((2, 2, 10, 8)), target

    dataset = dataset_of(Cropped(folder))
    assert np.array_equal(pixels(dataset), ITEMS[:, 2:8, 2:10])
    assert [item.label for item in dataset.items] == ["dry"] * 2 + ["wet"] * 4


class Unsized(torch.utils.data.Dataset[Any]):
    def __getitem__(self, number: int) -> Any:
        return ITEMS[number]


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        (PIXELS[:0], r"array must hold at least one picture, got an array of shape \(0, 10, 12, 3\)"),
        (PIXELS.astype(np.int64), "array: image 0 is no picture: int64 values"),
        (np.concatenate([PIXELS[:3] / 255, PIXELS[3:] / 9]), "array: image 3 is no picture: floating values from 0"),
        ([PIXELS[0].tolist()], "got a list of list, list, list, list, list at position 0"),
        ([PIXELS[0] * -1.0], "dataset: image 0 of the list is no picture: floating values"),
        (pd.DataFrame({"image": [PIXELS[0], None]}), "row 2 has no image"),
        (pd.DataFrame({"image": ["", "a.png"]}), "the data frame: row 1 has no image"),
        (pd.DataFrame({"image": ["a.png", "a.png"]}), "the data frame: image a.png is in rows 1 and 2"),
        (pd.DataFrame([["a.png", "b.png"]], columns=["image", "image"]), "the data frame has the column image twice"),
        (pd.DataFrame({"image": ["no.png"]}), "the data frame names no image that is there"),
        (pd.DataFrame({"embedding": [[1.0], [1.0, 2.0]]}), "column embedding must hold lists of numbers of one length"),
        (Items([]), "at least one image, got a Items of none"),
        (Items([ValueError("no\ndisk")]), r"item 0 of the Items cannot be had \(ValueError: no disk\)"),
        (Items([7]), "item 0 of the Items is no picture: int and no picture"),
        (Items([(None, 1)]), "item 0 of the Items is no picture: None and no picture"),
        (Items([{"a": 1}]), "no picture: a dict of a and no picture"),
        (Unsized(), "got Unsized"),
        (Subset(Items(ITEMS), [0, 99]), "must choose among the .* items of its dataset, got 99"),
    ],
)
def test_what_is_no_dataset_is_refused_in_one_line_that_names_it(argument: Any, line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        parse(argument)
    assert "\n" not in str(caught.value)


def test_where_several_datasets_are_meant_a_list_of_images_is_one() -> None:
    pillow = [Image.fromarray(PIXELS[0])] * 3
    for one in (["a.png", "b.png"], [Path("a.png")], [PIXELS[0], PIXELS[1]], pillow, PIXELS, "roads"):
        assert len(each_dataset(one, "secondary")) == 1
    for two in (["a.png", "roads"], [PIXELS, PIXELS], [np.eye(3), np.eye(3)], [["a.png"], ["b.png"]]):
        assert len(each_dataset(two, "secondary")) == 2
    assert each_dataset({"a": PIXELS, "b": ["c.png"]}, "secondary")[1] == ("b", "secondary", ["c.png"])


# Images in memory are read by a text in the process that holds them, one at a time, and as long as something holds them


class Result:
    """Something that pictures are shown of."""


def images(count: int = 2) -> MemoryImages:
    return MemoryImages(lambda part, number: f"{part} {number}".encode(), count)


def test_an_image_is_read_by_its_text_which_is_all_that_another_process_has() -> None:
    held = images()
    assert [read_bytes(str(held.path(1))), read_bytes(held.path(0, "mask"))] == [b"image 1", b"mask 0"]
    assert exists(str(held.path(0)))
    assert not is_member(held.path(0))
    item = pickle.loads(pickle.dumps(Item("0", held.path(0))))
    assert (type(item.path), item.path) == (str, held.path(0))
    assert place_of(item) == "0"
    with pytest.raises(InputError, match="site must lie in files, since they are copied, got images in memory: save them"):
        check_files([item], "site", "they are copied")
    for wrong in (f"{held.token}/2", f"{held.token}/x", f"{held.token}/", f"{held.token}/{'9' * 5000}", "nobody/0"):
        with pytest.raises(ImageError, match=GONE):
            read_bytes(f"python://{wrong}")


def test_images_live_as_long_as_their_dataset_or_a_result_holds_them() -> None:
    dataset = dataset_of(PIXELS.copy())
    assert read_bytes(str(dataset.items[3].path)).endswith(PIXELS[3].tobytes())
    result, held = Result(), images()
    text = str(held.path(0))
    keep_with(result, [held.path(0), "roads/1.png"])
    del held
    gc.collect()
    assert read_bytes(text) == b"image 0"
    del result
    gc.collect()
    assert not exists(text)
    with pytest.raises(ImageError, match=GONE):
        read_bytes(text)


def test_one_thread_reads_at_a_time() -> None:
    inside = threading.Lock()

    def read(part: str, number: int) -> bytes:
        assert inside.acquire(blocking=False), "two threads at a time"
        time.sleep(0.001)
        inside.release()
        return b"x"

    held = MemoryImages(read, 40)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: held.read("image", number), range(40))) == [b"x"] * 40
