"""`howfar certify` as a user runs it, in two steps: what is handed out, what labels show, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

import howfar
from certified_site import write_site
from howfar.cli.main import run
from howfar.data import read_mask
from howfar.data.masks import to_columns
from howfar.results.certificate import Certificate
from listed_site import write_boxes, write_classes, write_true_boxes

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


def test_labels_of_all_images_give_the_exact_mean(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("site", "truth", "maps"):
        shutil.copytree(place / name, tmp_path / name)
    code, out, _ = certify(capsys, tmp_path, "-k", 24, "--labels", tmp_path / "truth", "--json")
    assert code == 0
    document = json.loads(out)
    shutil.copytree(tmp_path / "truth", tmp_path / "site" / "masks")
    wanted = howfar.evaluate(tmp_path / "site", tmp_path / "maps", threshold=0.5, progress=False).scores["mean_f"]
    assert len(document["sample"]) == 24
    assert certify(capsys, tmp_path, "-k", 40)[0] == 0  # more than there are is all of them
    assert document["value"] == document["low"] == document["high"] == pytest.approx(wanted, abs=1e-12)


def test_fewer_labels_count_in_the_order_of_the_draw(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = order(begun)
    label(begun, *names[:5], *names[6:])
    code, out, _ = certify(capsys, begun)
    assert code == 0
    certificate = Certificate.load(begun / "out")
    assert certificate.labelled == 5
    assert [one.labelled for one in certificate.sample] == [True] * 5 + [False] * 3
    assert f"{names[5]} is next in the order of the draw and has no label, and 2 labels are after it" in " ".join(out.split())


def test_labels_of_other_images_do_not_count(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = order(begun)
    other = next(f"{number:04}.jpg" for number in range(1, 25) if f"{number:04}.jpg" not in names)
    label(begun, *names)
    assert certify(capsys, begun)[0] == 0
    value = Certificate.load(begun / "out").value
    label(begun, other)
    code, out, _ = certify(capsys, begun)
    assert code == 0
    assert f"1 label is not of drawn images ({other}): left out" in " ".join(out.split())
    assert Certificate.load(begun / "out").value == value


def test_labels_that_are_gone_are_noted(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert certify(capsys, begun, "--labels", begun / "truth")[0] == 0
    assert Certificate.load(begun / "out").labelled == 8
    code, out, _ = certify(capsys, begun)
    assert code == 0
    assert "8 labels that counted before are not there now: pass the same labels again" in " ".join(out.split())


def test_no_label_is_no_error(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = certify(capsys, begun)
    assert code == 0
    assert out.splitlines()[0] == "site: mean F at threshold 0.50, not known yet; 0 of 8 drawn images labelled, 24 in all"
    (begun / "empty").mkdir()
    assert "labels must hold labels of images of site" in refusal(capsys, begun, "--labels", begun / "empty")


def test_a_wrong_mask_is_one_line(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = order(begun)[0]
    for values, reason in ((np.zeros((9, 9)), "save the mask at the image's size"), (np.eye(32), "multiply it by 255")):
        Image.fromarray(values.astype(np.uint8)).save(begun / "out" / "masks" / f"{Path(first).stem}.png")
        line = refusal(capsys, begun)
        assert line.startswith(f"howfar: the label of {first} cannot be used: ")
        assert reason in line


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


def test_a_killed_first_run_draws_the_same_again(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = order(begun)
    (begun / "out" / "certificate.json").unlink()
    (begun / "out" / "coco.json").unlink()
    assert certify(capsys, begun, "-k", 8)[0] == 0
    assert order(begun) == names
    assert (begun / "out" / "coco.json").is_file()


@pytest.mark.parametrize("where", ["labelling_files.write_for_tools", "certificate.fill_page"])
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


def test_labels_come_back_from_coco(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two labels are corrected in the file; the others stand as the model drew them."""
    names = order(begun)
    label(begun, *names[:2])
    assert certify(capsys, begun)[0] == 0
    wanted = [one.performance for one in Certificate.load(begun / "out").sample[:2]]
    shutil.rmtree(begun / "out" / "masks")
    file = begun / "out" / "coco.json"
    document = json.loads(file.read_text())
    loaded = COCO(str(file))
    assert sorted(image["file_name"] for image in loaded.imgs.values()) == sorted(names)
    numbers = {image["file_name"]: image["id"] for image in document["images"]}
    for name in names[:2]:
        runs = to_columns(read_mask(begun / "truth" / f"{Path(name).stem}.png"))
        shape = next(shape for shape in document["annotations"] if shape["image_id"] == numbers[name])
        shape["segmentation"]["counts"] = runs
    (begun / "back.json").write_text(json.dumps(document))
    code, out, _ = certify(capsys, begun, "--labels", begun / "back.json")
    assert code == 0
    certificate = Certificate.load(begun / "out")
    assert [one.performance for one in certificate.sample if one.labelled] == wanted
    assert "6 labels are the model's own foreground, unchanged" in " ".join(out.split())


def test_a_report_is_drawn_again(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = begun / "out" / "report.html"
    text = page.read_text()
    page.unlink()
    assert run(["report", str(begun / "out")]) == 0
    assert page.read_text() == text


def test_a_classifier_in_two_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = write_classes(tmp_path / "site", 20)
    command = ["certify", str(site.dataset), "--predictions", str(site.predictions), "--out", str(tmp_path / "out")]
    assert run([*command, "--task", "classification", "-k", "8"]) == 0
    told = capsys.readouterr().out
    assert "accuracy, not known yet; 0 of 8 drawn images labelled, 20 in all" in told
    assert f"fill in: {tmp_path / 'out/labels.csv'}" in told
    rows = [line.split(",") for line in (tmp_path / "out/labels.csv").read_text().splitlines()[1:]]
    filled = [",".join([name, site.truth[name], predicted]) for name, _, predicted in rows]
    (tmp_path / "out/labels.csv").write_text("\n".join(["image,label,predicted", *filled]) + "\n")
    assert run([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["task"], document["metric"], document["labelled"]) == ("classification", "accuracy", 8)
    assert document["low"] < document["value"] < document["high"]


def test_a_detector_asks_for_boxes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = write_boxes(tmp_path / "site", 20)
    truth = write_true_boxes(tmp_path / "truth.json", site.truth)
    command = ["certify", str(site.dataset), "--predictions", str(site.predictions), "--out", str(tmp_path / "out")]
    assert run([*command, "--task", "detection", "-k", "8", "--metric", "f1", "--min-score", "0.5"]) == 0
    told = capsys.readouterr().out
    assert "F1 at IoU 0.5 of the summed boxes, not known yet" in told
    assert f"boxes go to: {tmp_path / 'out/labels.json'}" in told
    assert run([*command, "--labels", str(truth), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["task"], document["metric"], document["min_score"], document["labelled"]) == ("detection", "f1", 0.5, 8)
    assert run([*command, "--min-score", "0.4"]) == 2
    assert "--min-score must be what it was when the sample was drawn (0.5)" in capsys.readouterr().err


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
def test_files_of_others_are_not_replaced(name: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("site", "maps"):
        shutil.copytree(place / part, tmp_path / part)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("image,distance\nmine")
    code, _, err = certify(capsys, tmp_path, "-k", 8)
    assert code == 2
    assert f"out must be a folder without {name}, or that of an earlier sample" in err
    assert (tmp_path / "out" / name).read_text() == "image,distance\nmine"
    assert not (tmp_path / "out" / "certificate.json").exists()


def test_an_export_over_what_was_handed_out_is_not_replaced_by_a_larger_sample(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("site", "maps"):
        shutil.copytree(place / part, tmp_path / part)
    assert certify(capsys, tmp_path, "-k", 8, "--until", "F >= 0.9")[0] == 0
    export = tmp_path / "out" / "coco.json"
    before = export.read_bytes()
    code, _, err = certify(capsys, tmp_path, "-k", 12, "--labels", export)
    assert code == 2
    assert "labels must not be a file that drawing replaces" in err
    assert export.read_bytes() == before
    assert certify(capsys, tmp_path, "-k", 8, "--labels", export)[0] == 0
