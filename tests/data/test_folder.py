"""Folders become datasets: what is listed, in which order, with which masks."""

import os
import pickle
from pathlib import Path

import pytest

from data.read_arguments import dataset_of
from howfar.data import Dataset, Item
from howfar.errors import InputError, MissingPathError
from howfar.results import Skipped


def put(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")


def names(dataset: Dataset) -> list[str]:
    return [item.name for item in dataset.items]


def test_images_and_masks_by_stem(tmp_path: Path) -> None:
    root = tmp_path / "roads"
    put(*(root / "images" / name for name in ("b/1.jpg", "a.PNG", "a.jpg", "b/2.tif", "c.x.webp", "note.txt")))
    put(*(root / "masks" / name for name in ("b/1.png", "a.bmp", "a.gif", "c.x.gif", "orphan.png")))
    put(root / "elsewhere.jpg")
    found = Dataset.from_folder(root)
    assert names(found) == ["a.PNG", "a.jpg", "b/1.jpg", "b/2.tif", "c.x.webp"]
    masks = [item.mask and item.mask.relative_to(root).as_posix() for item in found.items]
    assert masks == ["masks/a.bmp", "masks/a.bmp", "masks/b/1.png", None, "masks/c.x.gif"]
    assert found.items[0].path == root / "images" / "a.PNG"
    assert (found.name, found.root, len(found)) == ("roads", root, 5)
    assert [(skipped.path, skipped.reason) for skipped in found.skipped] == [
        (str(root / "elsewhere.jpg"), "beside the folder images, which alone is read"),
        (str(root / "masks" / "a.gif"), "mask: another of the same image is taken: a PNG, else the first by name"),
        (str(root / "masks" / "orphan.png"), "mask: its image is missing: name masks as their images, but for the ending"),
    ]
    assert repr(found) == "Dataset('roads': 5 images, 4 masks, 3 skipped)"


def test_masks_without_images_are_noted_in_one_line_by_the_first(tmp_path: Path) -> None:
    put(*(tmp_path / "images" / f"{number}.jpg" for number in (2, 10)))
    put(*(tmp_path / "masks" / f"{number}_mask.png" for number in (10, 2, 3)), tmp_path / "masks" / "2.png")
    found = Dataset.from_folder(tmp_path, "s")
    reason = "mask: its image is missing (as 2 others here): name masks as their images, but for the ending"
    assert found.skipped == (Skipped("s", str(tmp_path / "masks" / "2_mask.png"), reason),)
    assert Dataset.from_folder(tmp_path / "images", "s").skipped == found.skipped


def test_masks_that_lie_among_their_images_are_their_masks(tmp_path: Path) -> None:
    put(*(tmp_path / name for name in ("1.jpg", "1_mask.png", "a/2.jpg", "a/2-Mask.png", "a_mask.png", "masks/1.png")))
    found = Dataset.from_folder(tmp_path, "s")
    assert names(found) == ["1.jpg", "a/2.jpg", "a_mask.png"]
    assert [item.mask for item in found.items] == [tmp_path / "masks/1.png", tmp_path / "a/2-Mask.png", None]
    reason = "a mask among the images (2 are called so), taken for that of its image"
    assert found.skipped == (Skipped("s", str(tmp_path / "1_mask.png"), reason),)


def test_how_folders_are_read_and_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = (".a.jpg", ".cache/b.jpg", "d/.e/f.jpg")
    put(*(tmp_path / "plain" / name for name in ("x/1.jpg", "0.jpg", "s.jpg/2.jpg", "masks/0.png", "x/masks/2.png", *hidden)))
    found = Dataset.from_folder(tmp_path / "plain")
    assert names(found) == ["0.jpg", "s.jpg/2.jpg", "x/1.jpg", "x/masks/2.png"]
    assert found.items[0].mask == tmp_path / "plain" / "masks" / "0.png"
    roads = tmp_path / "roads"
    put(roads / "images" / "0.jpg", roads / "masks" / "0.png")
    monkeypatch.chdir(roads / "images")
    for argument, name, called in ((".", None, "roads"), (roads, None, "roads"), (roads, "mine", "mine")):
        found = Dataset.from_folder(argument, name)
        assert (found.name, names(found), found.items[0].path) == (called, ["0.jpg"], roads / "images" / "0.jpg")
        assert pickle.loads(pickle.dumps(found)) == found


def test_order_is_natural(tmp_path: Path) -> None:
    ordered = ["1/2.jpg", "1/10.jpg", "02.jpg", "2.jpg", "9.jpg", "10.jpg", "a9b30.jpg", "a10b2.jpg"]
    put(*(tmp_path / name for name in sorted(ordered)))
    assert names(Dataset.from_folder(tmp_path)) == ordered


def test_links(tmp_path: Path) -> None:
    put(tmp_path / "out" / "1.jpg", tmp_path / "set" / "z" / "2.jpg")
    (tmp_path / "set" / "far").symlink_to(tmp_path / "out")
    (tmp_path / "set" / "a_second_way").symlink_to(tmp_path / "set" / "z")
    (tmp_path / "set" / "zz_third_way").symlink_to(tmp_path / "set" / "z")
    (tmp_path / "set" / "z" / "up").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "one.jpg").symlink_to(tmp_path / "out" / "1.jpg")
    found = Dataset.from_folder(tmp_path / "set")
    assert names(found) == ["far/1.jpg", "one.jpg", "z/2.jpg"]
    assert found.skipped == ()
    (tmp_path / "set" / "itself").symlink_to("itself")
    assert names(dataset_of(tmp_path / "set")) == names(found)


def test_what_cannot_be_an_image_is_skipped_with_the_reason(tmp_path: Path) -> None:
    images, masks = tmp_path / "images", tmp_path / "masks"
    put(images / "a.jpg", images / "b.HEIC", masks / "x.png")
    for link, target in ((images / "gone.png", "nowhere"), (images / "loop.png", "loop.png"), (masks / "a.png", "nowhere")):
        link.symlink_to(target)
    (images / "gone.txt").symlink_to("nowhere")
    os.mkfifo(images / "pipe.png")
    found = Dataset.from_folder(tmp_path, "s")
    assert names(found) == ["a.jpg"]
    assert found.skipped == (
        Skipped("s", str(images / "b.HEIC"), "the format .heic is not read: convert it to PNG or JPEG"),
        Skipped("s", str(images / "gone.png"), "broken link"),
        Skipped("s", str(images / "loop.png"), "broken link"),
        Skipped("s", str(images / "pipe.png"), "not a regular file"),
        Skipped("s", str(masks / "a.png"), "mask: broken link"),
        Skipped("s", str(masks / "x.png"), "mask: its image is missing: name masks as their images, but for the ending"),
    )
    assert repr(found) == "Dataset('s': 1 image, 6 skipped)"


def test_a_locked_folder_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a.jpg", tmp_path / "locked" / "b.jpg")
    listing = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied")
        return listing(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    found = Dataset.from_folder(tmp_path)
    assert names(found) == ["a.jpg"]
    assert [(one.path, one.reason) for one in found.skipped] == [(str(tmp_path / "locked"), "no read permission")]


def test_errors_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(MissingPathError, match=r"no folder at .*none: check the path"):
        Dataset.from_folder(tmp_path / "none")
    put(tmp_path / "file.jpg", tmp_path / "docs" / "a.txt")
    with pytest.raises(InputError, match=r"must be a folder, got .*file\.jpg"):
        Dataset.from_folder(tmp_path / "file.jpg")
    with pytest.raises(InputError, match=r"no image below .*docs: pass a folder with \.jpg"):
        Dataset.from_folder(tmp_path / "docs")
    (tmp_path / "docs" / "a.png").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"1 file skipped: .*a\.png: broken link"):
        Dataset.from_folder(tmp_path / "docs")
    with pytest.raises(InputError, match="must name each image once, got 'a'"):
        Dataset("d", (Item("a", Path("a")),) * 2)


def test_a_name_that_is_not_utf8_is_listed_in_a_form_that_can_be_written(tmp_path: Path) -> None:
    put(tmp_path / "a.jpg")
    try:
        put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.jpg")))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = Dataset.from_folder(tmp_path)
    assert names(found) == ["a.jpg"]
    (skipped,) = found.skipped
    assert skipped.path.endswith("bad\\xff.jpg")
    assert "UTF-8" in skipped.reason
