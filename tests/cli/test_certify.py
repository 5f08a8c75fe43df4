"""`howfar certify` as a user runs it, in two steps: what is handed out, what labels show, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from certified_site import write_site
from howfar.cli.main import run
from howfar.results.certificate_result import Certificate

HANDED_OUT = {
    "chosen.txt", "chosen.csv", "contact_sheet.png", "coco.json", "cvat.xml", "label_studio.json", "label_studio.xml", "masks",
}  # fmt: skip
WRITTEN = {*HANDED_OUT, "certificate.json", "report.html", "figures"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of 24 images, their masks, and a model's maps."""
    folder = tmp_path_factory.mktemp("certify")
    write_site(folder)
    return folder


@pytest.fixture
def begun(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A copy of the site with a sample of 8 images drawn in ``out``."""
    for name in ("site", "truth", "maps"):
        shutil.copytree(place / name, tmp_path / name)
    assert certify(capsys, tmp_path, "-k", 8)[0] == 0
    return tmp_path


def certify(capsys: pytest.CaptureFixture[str], at: Path, *arguments: str | Path | int) -> tuple[int, str, str]:
    capsys.readouterr()
    given = [at / "site", "--predictions", at / "maps", "--out", at / "out", *arguments]
    code = run(["certify", *map(str, given)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def order(at: Path) -> list[str]:
    return [one.image for one in Certificate.load(at / "out").sample]


def label(at: Path, *names: str, folder: str = "out/masks") -> None:
    (at / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(at / "truth" / f"{Path(name).stem}.png", at / folder)


def refusal(capsys: pytest.CaptureFixture[str], at: Path, *arguments: str | Path | int) -> str:
    """Return the one line of a run that is refused."""
    code, out, err = certify(capsys, at, *arguments)
    assert (code, out) == (2, "")
    return next(line for line in err.splitlines() if line.startswith("howfar: "))


def test_the_first_run_hands_out_and_the_second_certifies(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = begun / "out"
    assert {path.name for path in out.iterdir()} == WRITTEN
    names = order(begun)
    listed = (out / "chosen.txt").read_text().splitlines()
    assert [Path(line).name for line in listed] == names
    assert "one mask here for each image" in (out / "masks" / "README.txt").read_text()
    first = Certificate.load(out)
    assert (first.value, first.low, first.labelled, first.n, len(first.sample)) == (None, None, 0, 24, 8)
    label(begun, *names)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.name in HANDED_OUT - {"masks"}}
    code, printed, _ = certify(capsys, begun)
    assert code == 0
    certificate = Certificate.load(out)
    assert printed.splitlines()[0] == certificate.caption()
    assert certificate.low < certificate.value < certificate.high  # type: ignore[operator]
    assert (certificate.labelled, [one.labelled for one in certificate.sample]) == (8, [True] * 8)
    assert {name: (out / name).read_bytes() for name in before} == before


def test_labels_count_in_the_order_of_the_draw(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = order(begun)
    code, out, _ = certify(capsys, begun)
    assert out.splitlines()[0] == "site: mean F at threshold 0.50, not known yet; 0 of 8 drawn images labelled, 24 in all"
    other = next(f"{number:04}.jpg" for number in range(1, 25) if f"{number:04}.jpg" not in names)
    label(begun, *names[:5], *names[6:], other)
    code, out, _ = certify(capsys, begun)
    certificate, told = Certificate.load(begun / "out"), " ".join(out.split())
    assert code == 0
    assert [one.labelled for one in certificate.sample] == [True] * certificate.labelled + [False] * 3
    assert f"{names[5]} is next in the order of the draw and has no label, and 2 labels are after it" in told
    assert f"1 label is not of drawn images ({other}): left out" in told


def test_labels_that_are_gone_are_noted(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert certify(capsys, begun, "--labels", begun / "truth")[0] == 0
    assert Certificate.load(begun / "out").labelled == 8
    code, out, _ = certify(capsys, begun)
    assert code == 0
    assert "8 labels that counted before are not there now: pass the same labels again" in " ".join(out.split())


@pytest.mark.parametrize(("what", "said"), [("site/images", "the image"), ("maps", "the prediction of")])
def test_what_changed_since_the_draw_is_refused(what: str, said: str, begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = sorted((begun / what).iterdir())[3]
    Image.fromarray(np.full((32, 32), 9, np.uint8)).save(file)
    line = refusal(capsys, begun)
    assert line.startswith(f"howfar: {said} 0004.jpg")
    assert line.endswith("draw anew in another --out")
    file.unlink()
    assert "0004.jpg was there when the sample was drawn" in refusal(capsys, begun)


def test_a_later_image_is_no_part_of_it(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(begun / "site" / "images" / "0001.jpg", begun / "site" / "images" / "later.jpg")
    code, out, _ = certify(capsys, begun)
    assert code == 0
    assert "1 image of the site is no part of it (later.jpg)" in " ".join(out.split())


@pytest.mark.parametrize("option", [("-k", 9), ("--seed", 3), ("--threshold", 0.4), ("--tolerance", 2)])
def test_another_draw_is_refused(option: tuple[str, float], begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, begun, *option)
    assert f"{option[0].lstrip('-')} must be what it was when the sample was drawn" in line


@pytest.mark.parametrize("where", ["labelling_files.write_for_tools", "certificate_report.fill_page"])
def test_a_run_that_is_killed_goes_on(
    where: str, begun: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [one.image for one in Certificate.load(begun / "out").sample]
    shutil.rmtree(begun / "out")
    with monkeypatch.context() as patch:

        def stop(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(f"howfar.report.{where}", stop)
        code, _, err = certify(capsys, begun, "-k", 8)
    assert code == 130
    assert "run the same command to go on" in err
    assert (begun / "out" / "certificate.json").is_file() is where.endswith("fill_page")
    assert certify(capsys, begun, "-k", 8)[0] == 0
    assert order(begun) == wanted
    assert {path.name for path in (begun / "out").iterdir()} == WRITTEN


def test_what_was_typed_counts_though_it_is_the_default(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label(begun, *order(begun))
    assert "95 % interval" in certify(capsys, begun, "--level", "0.95")[1]
    assert "95 % interval" in certify(capsys, begun)[1]
    assert "90 % interval" in certify(capsys, begun, "--level", "0.9")[1]
    shutil.rmtree(begun / "out")
    assert certify(capsys, begun, "-k", 8, "--seed", "3")[0] == 0
    code, _, err = certify(capsys, begun, "--seed", "0")
    assert code == 2
    assert "seed must be what it was when the sample was drawn (3), got 0" in err


@pytest.mark.parametrize("name", ["coco.json", "chosen.csv", "labels.csv"])
def test_files_of_others_are_not_replaced(name: str, begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(begun / "out")
    (begun / "out").mkdir()
    (begun / "out" / name).write_text("image,distance\nmine")
    told = refusal(capsys, begun, "-k", 8)
    assert f"out must be a folder without {name}, or that of an earlier sample" in told
    assert {file.name: file.read_text() for file in (begun / "out").iterdir()} == {name: "image,distance\nmine"}


def test_an_export_over_what_was_handed_out_is_not_replaced_by_a_larger_sample(
    begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(begun / "out")
    assert certify(capsys, begun, "-k", 8, "--until", "F >= 0.9")[0] == 0
    export = begun / "out" / "coco.json"
    before = export.read_bytes()
    assert "labels must not be a file that drawing replaces" in refusal(capsys, begun, "-k", 12, "--labels", export)
    assert export.read_bytes() == before
    assert certify(capsys, begun, "-k", 8, "--labels", export)[0] == 0
