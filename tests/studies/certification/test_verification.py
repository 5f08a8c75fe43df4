"""What `howfar verify` says of certificates: those that certify made agree, and no single change passes."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.errors import HowfarError, StoreError
from howfar.results.certificate_result import Certificate
from howfar.studies.certification.verify_certificate import Verification
from sites_with_maps import write_site

pytestmark = pytest.mark.usefixtures("undrawn")
COUNT = 24


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verified")
    write_site(folder, COUNT)
    write_site(folder / "second", COUNT, seed=3)
    return folder


QUESTIONS: dict[str, dict[str, Any]] = {
    "mean": {"k": 8},
    "few": {"k": 4},
    "ratio": {"k": 16, "metric": "f"},
    "label by label": {"k": 12, "until": "±0.2"},
    "groups": {"k": 8, "group": "(.)"},
    "chosen seed": {"k": 8, "seed": 5},
    "zone": {"k": 20, "zone": True, "at_least": 0.2, "wrong": 0.3},
    "two models": {"against": "second/maps"},
}


def certified(at: Path, out: Path | None, asked: str) -> Certificate:
    given = dict(QUESTIONS[asked])
    if "against" in given:
        given["against"] = at / given["against"]
    return howfar.certify(
        at / "site", at / "maps", given.pop("k", None), labels=at / "truth", threshold=0.4, out=out, progress=False, **given
    )


def verified(certificate: Certificate | Path, at: Path, asked: str = "mean") -> Verification:
    against = at / "second" / "maps" if asked == "two models" else None
    return howfar.verify(certificate, at / "maps", images=at / "site", labels=at / "truth", against=against)


@pytest.mark.parametrize("asked", QUESTIONS)
def test_what_certify_wrote_agrees(asked: str, place: Path, tmp_path: Path) -> None:
    certified(place, tmp_path, asked)
    found = verified(tmp_path, place, asked)
    unsure = {check.what: check.detail for check in found.checks if check.status != "agrees"}
    assert found.agrees
    assert unsure == ({"seed": "5 was chosen by whoever drew the sample"} if asked == "chosen seed" else {})
    alone = howfar.verify(tmp_path)
    assert alone.agrees
    assert {check.what for check in alone.checks if check.status == "not checked"} >= {"images", "predictions", "labels"}


def test_no_changed_file_passes(place: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    certificate, missed = certified(place, None, "mean"), []
    changed = Path(shutil.copytree(place, tmp_path / "changed"))
    labelled = {Path(one.image).stem for one in certificate.sample}
    for number in range(12):
        kind = ("maps", "truth", "site")[number % 3]
        files = sorted(file for file in (changed / kind).rglob("*") if file.is_file())
        files = [file for file in files if kind != "truth" or file.stem in labelled]
        file = files[rng.integers(len(files))]
        before, pixels = file.read_bytes(), np.array(Image.open(file))
        at = tuple(rng.integers(size) for size in pixels.shape)
        pixels[at] = 255 - pixels[at]
        Image.fromarray(pixels).save(file)
        if verified(certificate, changed).agrees:
            missed.append((kind, file.name, at))
        file.write_bytes(before)
    assert not missed


@pytest.mark.parametrize("asked", ["mean", "zone", "two models", "label by label"])
def test_no_changed_number_passes(asked: str, place: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    of = certified(place, tmp_path, asked)
    names = ["value", "level", "seed", "labelled", "n"] + (["low", "high"] if of.low is not None else [])
    missed = []
    for kind, name in [*(("field", name) for name in names), *(("sample", ""), ("site", "")) * 3, ("order", "")]:
        if kind == "field":
            value = getattr(of, name)
            other = replace(of, **{name: value + 1 if isinstance(value, int) else min(0.99, value + 0.01)})
        elif kind == "sample":
            place_in = int(rng.integers(of.labelled))
            one = of.sample[place_in]
            changed = replace(one, performance=(one.performance or 0.0) * 0.5 + 0.01)
            other = replace(of, sample=(*of.sample[:place_in], changed, *of.sample[place_in + 1 :]))
        elif kind == "site":
            index = int(rng.integers(COUNT))
            proxies = tuple((proxy or 0.0) * 0.9 if at == index else proxy for at, proxy in enumerate(of.site.proxies))
            other = replace(of, site=replace(of.site, proxies=proxies))
        else:
            other = replace(of, sample=(of.sample[1], of.sample[0], *of.sample[2:]))
        if verified(other, place, asked).agrees:
            missed.append((kind, name))
    assert not missed


def test_a_damaged_certificate_is_refused_and_a_better_start_of_zones_is_seen(place: Path, tmp_path: Path) -> None:
    of = certified(place, tmp_path, "zone")
    file = tmp_path / "certificate.json"
    text = file.read_text().replace('"level": 0.9', '"level": 0.8')
    file.write_text(text)
    with pytest.raises(StoreError):
        howfar.verify(file)
    assert of.zone is not None
    started = replace(of.zone, sizes=of.zone.sizes[1:], reads=of.zone.reads[1:], tests=of.zone.tests[1:])
    assert not howfar.verify(replace(of, zone=started)).agrees


def test_values_and_taken_samples_say_what_is_not_checked(place: Path) -> None:
    predicted = np.linspace(0.1, 0.9, 60)
    drawn = howfar.certify(predicted, k=8)
    found = howfar.verify(howfar.certify(predicted, k=8, labels=predicted[[one.index for one in drawn.sample]]))
    assert found.agrees
    first = certified(place, None, "mean")
    taken = howfar.certify(
        place / "site", place / "second" / "maps", labels=place / "truth", sample=first, threshold=0.4, progress=False
    )
    said = {check.what: check for check in howfar.verify(taken).checks}
    assert first.run_id in said["draw"].detail
    assert said["numbers"].status == "agrees"


def test_a_table_with_columns_of_its_own_is_read_as_certify_read_it(place: Path, tmp_path: Path) -> None:
    rows = pd.DataFrame({"file": [item.name for item in howfar.Dataset.from_folder(place / "site").items]})
    table, labels, given = tmp_path / "classes.csv", tmp_path / "labels.csv", {"columns": {"image": "file"}}
    rows.assign(cat=np.linspace(0.55, 0.95, COUNT), dog=np.linspace(0.45, 0.05, COUNT)).to_csv(table, index=False)
    rows.set_axis(["image"], axis=1).assign(label=["cat", "cat", "dog"] * (COUNT // 3)).to_csv(labels, index=False)
    howfar.certify(
        place / "site", table, 8, labels=labels, task="classification", out=tmp_path / "out", progress=False, **given
    )
    checked = {"images": place / "site", "labels": labels}
    assert {check.status for check in howfar.verify(tmp_path / "out", table, **checked, **given).checks} == {"agrees"}
    with pytest.raises(HowfarError, match="columns"):
        howfar.verify(tmp_path / "out", table, **checked)
    with pytest.raises(HowfarError, match="columns is of no use to segmentation"):
        howfar.verify(certified(place, None, "few"), **given)
