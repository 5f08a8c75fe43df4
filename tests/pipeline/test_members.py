"""Images within containers, embedded: broken ones are skipped with their place, and nothing is embedded twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import howfar
from packed import files_below, tar_bytes, write_parquet, write_saved


@pytest.fixture
def images(demo_folders: list[Path]) -> dict[str, bytes]:
    return files_below(demo_folders[1])


def test_broken_members_are_skipped_with_reason_and_place(images: dict[str, bytes], tmp_path: Path) -> None:
    first = next(iter(images.values()))
    broken = {"cut.jpg": first[: len(first) // 2], "empty.jpg": b"", "text.jpg": b"text", **images}
    (tmp_path / "s.tar").write_bytes(tar_bytes(broken.items()))
    write_parquet(tmp_path / "s.parquet", broken)
    places = {"s.tar": ("cut.jpg", "empty.jpg", "text.jpg"), "s.parquet": ("0", "1", "2")}
    for name, own in places.items():
        found = howfar.embed(tmp_path / name, "colour_moments", tmp_path / "store", progress=False, workers=2)
        assert list(found.images) == list(images)
        assert [(one.path, one.reason) for one in found.skipped] == [
            (f"{tmp_path}/{name}/{own[0]}", "truncated image file"),
            (f"{tmp_path}/{name}/{own[1]}", "empty file (0 bytes)"),
            (f"{tmp_path}/{name}/{own[2]}", "not an image that Pillow can read"),
        ]


def test_features_are_those_of_the_files(demo_folders: list[Path], images: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(tar_bytes(images.items()))
    forms = [
        demo_folders[1],
        tmp_path / "s.tar",
        write_parquet(tmp_path / "s.parquet", images),
        write_saved(tmp_path / "s", images),
    ]
    # A store for each, so that nothing is taken from another's.
    first, *others = [
        howfar.embed(form, "pixels", tmp_path / f"store-{place}", progress=False, workers=3) for place, form in enumerate(forms)
    ]
    for other in others:
        assert other.contents == first.contents
        assert other.images == first.images
        np.testing.assert_array_equal(other.rows.rows(0, len(other)), first.rows.rows(0, len(first)))
