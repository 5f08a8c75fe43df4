"""`howfar certify` as a user runs it, in two steps: what is handed out, what labels show, what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from howfar.results.certificate_result import Certificate
from sites_with_maps import write_site

HANDED_OUT = {
    "chosen.txt", "chosen.csv", "contact_sheet.png", "coco.json", "cvat.xml", "label_studio.json", "label_studio.xml", "masks",
}  # fmt: skip
WRITTEN = {*HANDED_OUT, "certificate.json", "report.html", "figures"}
Certify = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A site of 24 images, their masks, and a model's maps."""
    folder = tmp_path_factory.mktemp("certify")
    write_site(folder)
    return Path(folder)


@pytest.fixture
def certify(tmp_path, howfar) -> Certify:
    """Run the command on the copy of the site."""
    sites = (tmp_path / "site", "--predictions", tmp_path / "maps", "--out", tmp_path / "out")
    return lambda *arguments: howfar("certify", *sites, *arguments)


@pytest.fixture
def begun(place, tmp_path, certify) -> Path:
    """A copy of the site with a sample of 8 images drawn in ``out``."""
    for name in ("site", "truth", "maps"):
        shutil.copytree(place / name, tmp_path / name)
    assert certify("-k", 8)[0] == 0
    return Path(tmp_path)


def order(at: Path) -> list[str]:
    return [one.image for one in Certificate.load(at / "out").sample]


def label(at: Path, *names: str) -> None:
    (at / "out/masks").mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(at / "truth" / f"{Path(name).stem}.png", at / "out/masks")


def refusal(answered: tuple[int, str, str]) -> str:
    """Return the one line of a run that is refused."""
    code, out, err = answered
    assert (code, out) == (2, "")
    return next(line for line in err.splitlines() if line.startswith("howfar: "))


def test_a_certificate_is_verified_and_another_map_is_named(begun, howfar):
    given = (begun / "out", "--predictions", begun / "maps", "--images", begun / "site")
    code, printed, _ = howfar("verify", *given)
    assert (code, printed.splitlines()[0]) == (0, "site: agrees with all that was checked; 7 agrees, 1 not checked")
    map_file = next((begun / "maps").iterdir())
    map_file.write_bytes(map_file.read_bytes() + b" ")
    code, printed, _ = howfar("verify", *given, "--json")
    document = json.loads(printed)
    assert (code, document["agrees"]) == (1, False)
    assert [check["what"] for check in document["checks"] if check["status"] == "differs"] == ["predictions"]


def test_the_first_run_hands_out_and_the_second_certifies(begun, certify):
    out = begun / "out"
    assert {path.name for path in out.iterdir()} == WRITTEN
    names = order(begun)
    assert [Path(line).name for line in (out / "chosen.txt").read_text().splitlines()] == names
    assert "one mask here for each image" in (out / "masks" / "README.txt").read_text()
    first = Certificate.load(out)
    assert (first.value, first.low, first.labelled, first.n, len(first.sample)) == (None, None, 0, 24, 8)
    label(begun, *names)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.name in HANDED_OUT - {"masks"}}
    code, printed, _ = certify()
    certificate = Certificate.load(out)
    assert (code, printed.splitlines()[0]) == (0, certificate.caption())
    assert certificate.low < certificate.value < certificate.high  # type: ignore[operator]
    assert (certificate.labelled, [one.labelled for one in certificate.sample]) == (8, [True] * 8)
    assert {name: (out / name).read_bytes() for name in before} == before


def test_labels_count_in_the_order_of_the_draw(begun, certify):
    names = order(begun)
    code, out, _ = certify()
    assert out.splitlines()[0] == "site: mean F at threshold 0.50, not known yet; 0 of 8 drawn images labelled, 24 in all"
    other = next(f"{number:04}.jpg" for number in range(1, 25) if f"{number:04}.jpg" not in names)
    label(begun, *names[:5], *names[6:], other)
    code, out, _ = certify()
    certificate, told = Certificate.load(begun / "out"), " ".join(out.split())
    assert code == 0
    assert [one.labelled for one in certificate.sample] == [True] * certificate.labelled + [False] * 3
    assert f"{names[5]} is next in the order of the draw and has no label, and 2 labels are after it" in told
    assert f"1 label is not of drawn images ({other}): left out" in told


def test_what_is_gone_or_came_later_is_noted(begun, certify):
    assert certify("--labels", begun / "truth")[0] == 0
    assert Certificate.load(begun / "out").labelled == 8
    shutil.copy(begun / "site" / "images" / "0001.jpg", begun / "site" / "images" / "later.jpg")
    code, out, _ = certify()
    told = " ".join(out.split())
    assert code == 0
    assert "8 labels that counted before are not there now: pass the same labels again" in told
    assert "1 image of the site is no part of it (later.jpg)" in told


@pytest.mark.parametrize(("what", "said"), [("site/images", "the image"), ("maps", "the prediction of")])
def test_what_changed_since_the_draw_is_refused(what, said, begun, certify):
    file = sorted((begun / what).iterdir())[3]
    Image.fromarray(np.full((32, 32), 9, np.uint8)).save(file)
    line = refusal(certify())
    assert line.startswith(f"howfar: {said} 0004.jpg")
    assert line.endswith("draw anew in another --out")
    file.unlink()
    assert "0004.jpg was there when the sample was drawn" in refusal(certify())


def test_another_draw_is_refused(begun, certify):
    for option, value in (("-k", 9), ("--seed", 3), ("--threshold", 0.4), ("--tolerance", 2)):
        assert f"{option.lstrip('-')} must be what it was when the sample was drawn" in refusal(certify(option, value))


@pytest.mark.parametrize("where", ["labelling_files.write_for_tools", "certificate_report.write_page"])
def test_a_run_that_is_killed_goes_on(where, begun, certify, monkeypatch):
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    wanted = order(begun)
    shutil.rmtree(begun / "out")
    with monkeypatch.context() as patch:
        patch.setattr(f"howfar.report.{where}", stop)
        code, _, err = certify("-k", 8)
    assert (code, "run the same command to go on" in err) == (130, True)
    assert (begun / "out" / "certificate.json").is_file() is where.endswith("write_page")
    assert certify("-k", 8)[0] == 0
    assert order(begun) == wanted
    assert {path.name for path in (begun / "out").iterdir()} == WRITTEN


def test_what_was_typed_counts_though_it_is_the_default(begun, certify):
    label(begun, *order(begun))
    assert "95 % interval" in certify("--level", "0.95")[1]
    assert "95 % interval" in certify()[1]
    assert "90 % interval" in certify("--level", "0.9")[1]
    shutil.rmtree(begun / "out")
    assert certify("-k", 8, "--seed", "3")[0] == 0
    assert "seed must be what it was when the sample was drawn (3), got 0" in refusal(certify("--seed", "0"))


@pytest.mark.parametrize("name", ["coco.json", "chosen.csv", "labels.csv"])
def test_files_of_others_are_not_replaced(name, begun, certify):
    shutil.rmtree(begun / "out")
    (begun / "out").mkdir()
    (begun / "out" / name).write_text("image,distance\nmine")
    assert f"out must be a folder without {name}, or that of an earlier sample" in refusal(certify("-k", 8))
    assert {file.name: file.read_text() for file in (begun / "out").iterdir()} == {name: "image,distance\nmine"}


def test_an_export_over_what_was_handed_out_is_not_replaced_by_a_larger_sample(begun, certify):
    shutil.rmtree(begun / "out")
    assert certify("-k", 8, "--until", "F >= 0.9")[0] == 0
    export = begun / "out" / "coco.json"
    before = export.read_bytes()
    assert "labels must not be a file that drawing replaces" in refusal(certify("-k", 12, "--labels", export))
    assert export.read_bytes() == before
    assert certify("-k", 8, "--labels", export)[0] == 0
