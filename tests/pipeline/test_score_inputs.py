"""What there is to score: how arguments become groups of images, in their order, before any is read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from howfar.data import Dataset
from howfar.errors import InputError, MissingPathError
from howfar.pipeline.profile_scorer import Group, arrival, arrivals
from howfar.results import Features


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """site/{images,masks} with two images, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("images/1.png", "images/2.jpg", "masks/1.png"):
        file = tmp_path / "site" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(file)
    return tmp_path / "site"


def names(groups: list[Group]) -> list[list[tuple[str, str]]]:
    return [[(one.dataset, one.image) for one in group.items] for group in groups]


def test_image_files_that_follow_each_other_are_one_group(site):
    groups = arrivals(["site/images/1.png", Path("other/3.tif"), site, "gone.png", "site/images/2.jpg"])
    assert names(groups) == [
        [("site", "site/images/1.png"), ("other", "other/3.tif")],
        [("site", str(site / "images/1.png")), ("site", str(site / "images/2.jpg"))],
        [(Path.cwd().name, "gone.png"), ("site", "site/images/2.jpg")],
    ]
    assert [one.path for one in groups[0].items] == [site / "images/1.png", site.parent / "other/3.tif"]
    assert [group.dataset is None for group in groups] == [True, False, True]


def test_images_of_a_folder_are_named_as_the_folder_was_given(site):
    relative = [("site", "site/images/1.png"), ("site", "site/images/2.jpg")]
    assert names(arrivals(["site", Path("site/images")])) == [relative, relative]
    assert names(arrivals("new=site")) == [[("new", image) for _, image in relative]]
    absolute = [[("site", str(site / "images/1.png")), ("site", str(site / "images/2.jpg"))]]
    assert names(arrivals(str(site))) == names(arrivals(f"site={site}")) == absolute
    assert [one.path for one in arrivals("site")[0].items] == [site / "images/1.png", site / "images/2.jpg"]


def test_nothing_to_score_is_refused():
    for empty in ([], ()):
        with pytest.raises(InputError, match="new must name at least one image or dataset"):
            arrivals(empty)
    with pytest.raises(MissingPathError, match="nothing at"):
        arrivals(["no/such/folder"])


@pytest.mark.parametrize(
    ("path", "dataset"),
    [
        *(("a/images/1.png", "a"), ("a/b/1.png", "b"), ("a/images/b/1.png", "b"), ("/images/1.png", "."), ("/1.png", ".")),
        *(("s3://b/site/images/1.PNG", "site"), ("s3://b/1.png", "b")),
        *(("s3://b/day=1/1.png", "day=1"), ("s3://b/s.tar/1.png", "s.tar")),
    ],
)
def test_an_image_counts_to_the_dataset_that_its_folder_would_be_and_a_url_stays_as_it_is(path, dataset):
    one = arrival(path)
    assert (one.dataset, one.image, one.path) == (dataset, path, path if "://" in path else Path(path).absolute())


def test_whether_a_file_is_there_does_not_matter_but_its_ending_does(site):
    assert names(arrivals(["GONE.PNG"])) == [[(Path.cwd().name, "GONE.PNG")]]
    (site.parent / "readme.txt").touch()
    with pytest.raises(InputError, match="put images into a folder"):
        arrivals(["readme.txt"])


def test_a_name_and_a_path_are_told_from_a_file_with_an_equals_sign(site):
    (group,) = arrivals(["roads=site"])
    assert {one.dataset for one in group.items} == {"roads"}
    with pytest.raises(InputError):
        arrivals([f"roads={site / 'images/1.png'}"])  # a dataset of one file is none
    Image.new("L", (8, 8)).save(site.parent / "a=b.png")
    assert names(arrivals(["a=b.png"])) == [[(Path.cwd().name, "a=b.png")]]
    assert names(arrivals([Path("x=y.png")])) == [[(Path.cwd().name, "x=y.png")]]


def test_what_cannot_be_an_image_is_kept_and_what_is_wrong_with_masks_is_not(site):
    (site / "images/raw.dng").touch()
    (site / "masks/of.dng").touch()
    (site / "masks/1.gif").touch()
    (site / "images/broken.png").symlink_to(site / "nowhere")
    (group,) = arrivals(site)
    assert {Path(one.path).name for one in group.skipped} == {"raw.dng", "broken.png"}
    assert any(one.reason.startswith("mask: ") for one in Dataset.from_folder(site).skipped)
    assert len(group.items) == 2


def test_tables_and_embeddings(site):
    (site.parent / "t.csv").write_text("image\nsite/images/2.jpg\n")
    np.save(site.parent / "e.npy", np.eye(3))
    table, loaded, array, ready = arrivals(["t.csv", "e.npy", np.eye(2), arrivals([np.eye(2)])[0].features])
    assert [one.path for one in table.items] == [site / "images/2.jpg"]
    for group, name, count in ((loaded, "e", 3), (array, "new", 2), (ready, "new", 2)):
        assert isinstance(group.features, Features)
        assert (group.features.name, len(group.features), group.items) == (name, count, ())
