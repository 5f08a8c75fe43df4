"""Images in memory are read by a text in the process that holds them, one at a time, and as long as something holds them."""

from __future__ import annotations

import gc
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from howfar.data import Dataset, Item, exists, read_bytes
from howfar.data.image_bytes import GONE, MemoryImages, check_files, is_member, keep_with, place_of
from howfar.errors import ImageError, InputError


class Result:
    """Something that pictures are shown of."""


def images(count: int = 2) -> MemoryImages:
    return MemoryImages(lambda part, number: f"{part} {number}".encode(), count)


def test_an_image_is_read_by_its_text() -> None:
    held = images()
    assert [read_bytes(str(held.path(1))), read_bytes(held.path(0, "mask"))] == [b"image 1", b"mask 0"]
    assert exists(str(held.path(0)))
    assert not is_member(held.path(0))


@pytest.mark.parametrize("wrong", ["{}/2", "{}/x", "{}/", "{}/" + "9" * 5000, "nobody/0"])
def test_a_text_of_no_image_is_refused_in_one_line(wrong: str) -> None:
    held = images()
    with pytest.raises(ImageError, match=GONE):
        read_bytes(f"python://{wrong.format(held.token)}")


def test_images_are_let_go_with_the_last_that_names_them() -> None:
    text = str(images().path(0))
    gc.collect()
    assert not exists(text)
    with pytest.raises(ImageError, match=GONE):
        read_bytes(text)


def test_a_result_holds_images_as_long_as_it_lives() -> None:
    result, held = Result(), images()
    text = str(held.path(0))
    keep_with(result, [held.path(0), "roads/1.png"])
    del held
    gc.collect()
    assert read_bytes(text) == b"image 0"
    del result
    gc.collect()
    assert not exists(text)


def test_in_another_process_there_is_the_text_alone() -> None:
    held = images()
    item = pickle.loads(pickle.dumps(Item("0", held.path(0))))
    assert type(item.path) is str
    assert item.path == held.path(0)


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


def test_two_objects_have_texts_of_their_own() -> None:
    assert images().token != images().token


def test_what_needs_files_says_so() -> None:
    held = images()
    dataset = Dataset("site", (Item("0", held.path(0)),))
    assert place_of(dataset.items[0]) == "0"
    with pytest.raises(InputError, match="site must lie in files, since they are copied, got images in memory: save them"):
        check_files(dataset, "site", "they are copied")
