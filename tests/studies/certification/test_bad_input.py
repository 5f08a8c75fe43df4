"""Whatever certify is given that it cannot use is refused in one line that names the argument."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from howfar.errors import InputError
from howfar.studies.certification.certify import certify


@pytest.fixture
def site(tmp_path: Path) -> tuple[Path, Path]:
    """Write ten small images and maps in which nothing is predicted."""
    images, maps = tmp_path / "images", tmp_path / "maps"
    for folder in (images, maps):
        folder.mkdir()
    for number in range(10):
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(images / f"{number}.png")
        Image.new("L", (8, 8)).save(maps / f"{number}.png")
    return images, maps


@pytest.mark.parametrize("argument", ["predictions", "labels", "profile", "sample", "out"])
@pytest.mark.parametrize("value", [5, ["a"], b"x"])
def test_what_is_no_path_is_refused_by_its_name(site: tuple[Path, Path], argument: str, value: Any) -> None:
    given: dict[str, Any] = {"predictions": site[1], argument: value}
    with pytest.raises(InputError, match=f"^{argument} must be the path"):
        certify(site[0], progress=False, **given)


@pytest.mark.parametrize("k", ["a", float("nan"), 2.5, True, 0])
def test_k_is_checked_before_anything_is_read(site: tuple[Path, Path], k: Any) -> None:
    (site[0] / "0.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"^k must be"):
        certify(*site, k, progress=False)


@pytest.mark.parametrize("labels", ["a", {}, ["a"], [float("inf")], [2.0]])
def test_labels_that_are_no_shares_are_refused_by_their_name(labels: Any) -> None:
    with pytest.raises(InputError, match=r"^labels must"):
        certify([0.5] * 9, k=4, labels=labels)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"labels": np.zeros(9)}, "labels must be one row of at most 4"),
        ({"metric": "ods"}, "metric is of use only to a site of images"),
        ({"predictions": "maps"}, "predictions is of use only to a site of images"),
        ({"out": "here"}, "out is of use only to a site of images"),
        ({"site": np.array(["a"])}, "site must be numbers"),
    ],
)
def test_values_in_memory_take_no_more(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=f"^{line}"):
        certify(**{"site": [0.5] * 20, "k": 4, **given})


@pytest.mark.parametrize("metric", ["f", "iou", "precision", "ods"])
def test_a_ratio_can_be_drawn_for_where_nothing_is_predicted(site: tuple[Path, Path], metric: str) -> None:
    assert len(certify(*site, 9, metric=metric, progress=False)) == 9


@pytest.mark.parametrize("part", ["images", "contents", "predictions", "index", "twice"])
def test_a_certificate_whose_sample_does_not_fit_its_site_is_refused(
    site: tuple[Path, Path], tmp_path: Path, part: str
) -> None:
    drawn = certify(*site, 4, out=tmp_path / "out", progress=False)
    if part in ("images", "contents", "predictions"):
        damaged = replace(drawn, site=replace(drawn.site, **{part: getattr(drawn.site, part)[:-1]}))
    else:
        wrong = {"index": 99} if part == "index" else {"image": drawn.sample[1].image}
        damaged = replace(drawn, sample=(replace(drawn.sample[0], **wrong), *drawn.sample[1:]))
    damaged.save(tmp_path / "out")
    with pytest.raises(InputError, match="is damaged, its sample does not fit"):
        certify(*site, out=tmp_path / "out", progress=False)
    with pytest.raises(InputError, match="is damaged, its sample does not fit"):
        certify(*site, sample=damaged, progress=False)
