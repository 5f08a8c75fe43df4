"""A damaged certificate says which labels are kept, and the way on that it names leads back to it; too few labels say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import howfar
from certified_site import write_site
from howfar.errors import StoreError
from howfar.results.certificate import Certificate
from listed_site import ListedSet, write_boxes, write_classes, write_true_boxes


def test_masks_outlive_a_damaged_certificate(tmp_path: Path) -> None:
    site, truth, maps = write_site(tmp_path, 12)

    def certify() -> Certificate:
        return howfar.certify(site, maps, 4, out=tmp_path / "out", progress=False)

    drawn = certify()
    file = tmp_path / "out" / "certificate.json"
    whole = file.read_text()
    file.write_text(whole[:-20])
    with pytest.raises(StoreError, match=r"damaged .*: no labels are in its folder; move certificate\.json away"):
        certify()
    masks = tmp_path / "out" / "masks"
    masks.mkdir(exist_ok=True)
    for one in drawn.sample[:3]:
        (masks / f"{Path(one.image).stem}.png").write_bytes((truth / f"{Path(one.image).stem}.png").read_bytes())
    with pytest.raises(StoreError) as caught:
        certify()
    assert f"the labels in {masks} (3 files) are kept; move certificate.json away and run the same command" in str(caught.value)
    assert "\n" not in str(caught.value)
    file.rename(file.with_suffix(".bad"))
    again = certify()
    assert [one.image for one in again.sample] == [one.image for one in drawn.sample]
    assert again.labelled == 3


def listed(site: ListedSet, k: int, **given: Any) -> Certificate:
    task = "classification" if site.dataset.suffix == ".csv" else "detection"
    return howfar.certify(site.dataset, site.predictions, k, task=task, progress=False, **given)


def test_classes_outlive_a_damaged_certificate(tmp_path: Path) -> None:
    site = write_classes(tmp_path / "site", 20)
    drawn = listed(site, 4, out=tmp_path / "out")
    sheet = tmp_path / "out" / "labels.csv"
    sheet.write_text("image,label\n" + "".join(f"{one.image},{site.truth[one.image]}\n" for one in drawn.sample[:2]))
    (tmp_path / "out" / "certificate.json").write_text("{")
    with pytest.raises(StoreError, match=rf"the labels in {sheet} are kept"):
        listed(site, 4, out=tmp_path / "out")
    (tmp_path / "out" / "certificate.json").unlink()
    assert listed(site, 4, out=tmp_path / "out").labelled == 2


def test_one_label_is_too_few_and_no_lack_of_foreground(tmp_path: Path) -> None:
    classes = write_classes(tmp_path / "a", 20)
    name = listed(classes, 8).sample[0].image
    sheet = tmp_path / "l.csv"
    sheet.write_text(f"image,label\n{name},{classes.truth[name]}\n")
    found = listed(classes, 8, labels=sheet)
    assert found.value is None
    assert "not known from 1 label yet: label more images; 1 of 8 drawn images labelled" in found.caption()
    boxes = write_boxes(tmp_path / "b", 20)
    name = listed(boxes, 8).sample[0].image
    one = listed(boxes, 8, labels=write_true_boxes(tmp_path / "t.json", {name: boxes.truth[name]}))
    none = listed(boxes, 8, labels=write_true_boxes(tmp_path / "t.json", {name: []}))
    assert "not known from 1 label yet" in one.caption()
    assert "undefined on the labelled images, none of which holds an object" in none.caption()
