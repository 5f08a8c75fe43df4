"""Small pictures stay within their budget, and the sample of many images holds the telling ones."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from howfar.explore import run_photographs_and_masks
from howfar.explore.image_rows_and_positions import UNKNOWN, points_of
from howfar.explore.run_photographs_and_masks import masks_of, sample, thumbnails
from howfar.results import Comparison, Relation


def test_all_three_pictures_of_an_image(comparison: Comparison, relation: Relation) -> None:
    points, masks = points_of(comparison, relation), masks_of(comparison.sources)
    assert len(masks) == 36
    small = thumbnails(points, masks)
    assert [one.row for one in small] == list(range(36))
    assert all(one.mask and one.predictions[0] for one in small[:24])
    assert {(one.width, one.height) for one in small} == {(40, 40)}
    picture = Image.open(io.BytesIO(small[0].photograph))
    assert picture.format == "WEBP"
    truth = np.asarray(Image.open(io.BytesIO(small[3].mask)).convert("L"))
    key = tuple(points.rows.loc[3, ["dataset", "image"]])
    assert np.array_equal(truth > 127, np.asarray(Image.open(masks[key]).convert("L")) > 127)


def test_a_file_that_is_gone_has_no_picture(comparison: Comparison) -> None:
    points = points_of(comparison, None)
    points.rows.loc[5, "path"] = "/no/such/file.png"
    assert 5 not in [one.row for one in thumbnails(points, {})]


def test_a_sample_holds_the_listed_and_the_farthest(comparison: Comparison, relation: Relation) -> None:
    points = points_of(comparison, relation)
    distance, listed = points.columns[[c.name for c in points.columns].index("distance")], np.zeros(36, np.uint8)
    listed[np.argsort(-distance.values[:24])[:12]] = UNKNOWN
    listed[[2, 17]] = 1
    others = [replace(c, values=listed) if c.name == "listed" else c for c in points.columns]
    chosen = sample(replace(points, columns=tuple(others)), 12)
    assert len(chosen) == len(set(chosen)) == 12
    assert {2, 17} <= set(chosen)
    assert set(np.argsort(-distance.values[:24])[:2]) <= set(chosen)
    assert {points.rows.loc[row, "dataset"] for row in chosen} == set(points.datasets)


def test_a_photograph_that_was_replaced_is_read_again(comparison: Comparison, tmp_path: Path) -> None:
    points = points_of(comparison, None)
    copy = tmp_path / "one.png"
    copy.write_bytes(Path(points.rows["path"][5]).read_bytes())
    points.rows.loc[5, "path"] = str(copy)
    first = thumbnails(points, {}, folder=tmp_path)
    Image.new("RGB", (30, 20)).save(copy)
    second = thumbnails(points, {}, folder=tmp_path)
    assert [(one.width, one.height) for one in second if one != first[one.row]] == [(30, 20)]
    assert len(list((tmp_path / ".thumbnails").iterdir())) == 1


def test_somebody_elses_files_in_the_folder_stay(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    own = tmp_path / run_photographs_and_masks.FOLDER / "normal" / "mine.png"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    for side in (8, 4):
        run_photographs_and_masks.small_photographs([str(tmp_path / "1.png")], side, tmp_path)
    assert own.read_bytes() == b"mine"
    assert len(list(own.parents[1].glob("*.npz"))) == 1
