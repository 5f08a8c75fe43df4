"""Corrupted labelled sets of a dataset's own images: what is written, predicted, scored, kept, and left out."""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import howfar
from howfar.data import Dataset, content_hash, read_mask
from howfar.data.prediction_maps import write_map
from howfar.demo import write_dataset
from howfar.errors import InputError, MissingPathError, UnknownNameError
from howfar.io.file_locks import locked
from howfar.perturb import labelled_named
from howfar.pipeline.prediction import predict
from howfar.results import Evaluation
from howfar.segmenters.checkpoint import Checkpoint
from howfar.studies import corruption
from howfar.studies.corruption import CorruptedSets, corrupt
from tiny_studies import tiny_checkpoint

SOME = "fade=0.5,mosaic=1,texture=0.3"
NAMES = ["roads", "roads·fade 0.5", "roads·mosaic 2×", "roads·texture 0.3"]
DARK = """
import sys
from pathlib import Path
from PIL import Image
images, out = map(Path, sys.argv[1:3])
for file in sorted(images.rglob("*.png")):
    at = out / file.relative_to(images)
    at.parent.mkdir(parents=True, exist_ok=True)
    Image.open(file).convert("L").point(lambda value: 255 - value).save(at)
    print(file.name)
if len(sys.argv) > 3:
    with open(sys.argv[3], "a") as log:
        print(images, file=log)
"""


@pytest.fixture
def roads(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "roads", 3, seed=0, size=48)


def network(learnt: tuple[str, ...] = ()) -> Checkpoint:
    return tiny_checkpoint(contents=list(learnt))


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "dark.py").write_text(DARK)
    return tmp_path / "dark.py"


def made(roads: Path, out: Path, **given: object) -> CorruptedSets:
    return corrupt(roads, out, progress=False, **{"only": SOME, **given})


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.png"))}


def test_sets_hold_what_the_perturbations_give(roads: Path, tmp_path: Path) -> None:
    sets = made(roads, tmp_path / "sets")
    assert [one.name for one in (sets.primary, *sets.datasets)] == NAMES
    assert (sets.own, sets.evaluations, sets.files) == (None, (), ())
    for number, item in enumerate(Dataset.from_folder(roads).items, 1):
        pixels, mask = np.asarray(Image.open(item.path)), read_mask(item.mask)
        for slug, name, strength in (("fade-0.5", "fade", 0.5), ("mosaic-1", "mosaic", 1.0)):
            image, foreground = labelled_named(name)(pixels, mask, strength)
            place = tmp_path / "sets" / slug
            np.testing.assert_array_equal(np.asarray(Image.open(place / f"images/{number:04d}.png")), image)
            np.testing.assert_array_equal(read_mask(place / f"masks/{number:04d}.png"), foreground)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"sets/unchanged/images/{number:04d}.png")), pixels)
    # Each set is a dataset by itself.
    listed = Dataset.from_folder(tmp_path / "sets/mosaic-1")
    assert [(item.path, item.mask) for item in listed.items] == [(item.path, item.mask) for item in sets.datasets[1].items]


def test_a_model_is_scored_at_the_threshold_of_the_images_as_they_are(roads: Path, tmp_path: Path) -> None:
    sets = made(roads, tmp_path / "sets", model=network())
    own = howfar.evaluate(roads, model=network(), progress=False)
    assert sets.own.threshold == own.scores["ods_threshold"]
    np.testing.assert_allclose(sets.own.images["performance"], own.images["performance"])
    np.testing.assert_allclose(sets.own.images["flip_agreement"], own.images["flip_agreement"])
    # The images as they are keep their own content, by which a run knows them.
    assert list(sets.own.images["content"]) == [
        content_hash(file.read_bytes()) for file in sorted((roads / "images").iterdir())
    ]
    assert [one.dataset for one in sets.evaluations] == NAMES[1:]
    assert {one.threshold for one in sets.evaluations} == {sets.own.threshold}
    elsewhere = replace(own, threshold=0.77)
    tuned = made(roads, tmp_path / "tuned", model=network(), tuned_on=elsewhere)
    assert tuned.own is not None
    assert {one.threshold for one in (tuned.own, *tuned.evaluations)} == {0.77}
    assert all("flip_agreement" in one.images and one.n == 3 for one in sets.evaluations)
    assert [Evaluation.load(file).dataset for file in sets.files] == NAMES
    predicted = predict(network(), tmp_path / "sets/mosaic-1", tmp_path / "maps", progress=False)
    again = howfar.evaluate(tmp_path / "sets/mosaic-1", predicted.folder, threshold=own.threshold or 0, progress=False)
    np.testing.assert_allclose(sets.evaluations[1].images["performance"], again.images["performance"])


def test_another_run_makes_the_same_and_a_third_keeps_what_is_there(roads: Path, tmp_path: Path) -> None:
    first = made(roads, tmp_path / "one", model=network())
    made(roads, tmp_path / "two", model=network())
    assert files_below(tmp_path / "one") == files_below(tmp_path / "two")
    # A killed run has left something out, and half of another file.
    gone = [tmp_path / "one/fade-0.5/images/0002.png", tmp_path / "one/mosaic-1/masks/0001.png"]
    gone += [tmp_path / "one/mosaic-1/predictions/0003.png"]
    for file in gone:
        file.unlink()
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "one").rglob("*.png") if file != gone[1].parents[1]}
    resumed = made(roads, tmp_path / "one", model=network())
    assert files_below(tmp_path / "one") == files_below(tmp_path / "two")
    rewritten = {file for file, then in kept.items() if file.stat().st_mtime_ns != then}
    # An image whose mask is gone is written again with it.
    assert rewritten <= {tmp_path / "one/fade-0.5/masks/0002.png", tmp_path / "one/mosaic-1/images/0001.png"}
    for one, other in zip(first.evaluations, resumed.evaluations, strict=True):
        np.testing.assert_array_equal(one.images["performance"], other.images["performance"])


@pytest.mark.parametrize("written", [0, 1, 7, 20])
def test_a_run_that_is_stopped_anywhere_goes_on(roads, tmp_path, monkeypatch, written):
    left = [written]

    def stopped(path: Path, values: np.ndarray, signature: str = "") -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write_map(path, values, signature)

    with monkeypatch.context() as patched:
        patched.setattr(corruption, "write_map", stopped)
        with pytest.raises(KeyboardInterrupt):
            made(roads, tmp_path / "stopped")
    assert len(files_below(tmp_path / "stopped")) == written
    made(roads, tmp_path / "stopped")
    made(roads, tmp_path / "whole")
    assert files_below(tmp_path / "stopped") == files_below(tmp_path / "whole")


def test_another_seed_and_a_changed_image_are_made_anew(roads: Path, tmp_path: Path) -> None:
    made(roads, tmp_path / "sets", only="noise=0.1,blur=3")
    before = files_below(tmp_path / "sets")
    made(roads, tmp_path / "sets", only="noise=0.1,blur=3", seed=1)
    after = files_below(tmp_path / "sets")
    assert all(data != before[name] for name, data in after.items()), "the seed is part of what a file is known by"
    shutil.copy(roads / "images/0001.jpg", roads / "images/0002.jpg")
    shutil.copy(roads / "masks/0001.png", roads / "masks/0002.png")
    made(roads, tmp_path / "sets", only="noise=0.1,blur=3", seed=1)
    for name in ("images", "masks"):
        one, two = (np.asarray(Image.open(tmp_path / f"sets/blur-3/{name}/000{k}.png")) for k in (1, 2))
        np.testing.assert_array_equal(one, two)


def test_images_that_the_model_learnt_from_are_left_out(roads: Path, tmp_path: Path) -> None:
    learnt = content_hash((roads / "images/0002.jpg").read_bytes())
    sets = made(roads, tmp_path / "sets", model=network((learnt,)))
    assert [item.name for item in sets.primary.items] == ["0001.jpg", "0003.jpg"]
    assert all([item.name for item in one.items] == ["0001.png", "0003.png"] for one in sets.datasets)
    assert sets.notes[0].startswith("1 labelled images were left out")
    whole = tuple(content_hash(file.read_bytes()) for file in (roads / "images").iterdir())
    with pytest.raises(InputError, match="learnt from every image"):
        made(roads, tmp_path / "none", model=network(whole))


def test_a_command_predicts_without_a_shell(roads: Path, script: Path, tmp_path: Path) -> None:
    log = tmp_path / "a log; not $HOME.txt"
    command = f"{sys.executable} {script} {{images}} {{out}} '{log}'"
    sets = made(roads, tmp_path / "sets", predict_command=command)
    assert sets.own is not None
    assert [one.n for one in sets.evaluations] == [3, 3, 3]
    assert len(log.read_text().splitlines()) == 8
    # What was said of the mirrored images was said by the command: of a pixel-wise one it agrees up to rounding.
    np.testing.assert_allclose(sets.evaluations[0].images["flip_agreement"], 1.0, atol=1e-6)
    inside = 255 - np.asarray(Image.open(tmp_path / "sets/fade-0.5/images/0001.png").convert("L"))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "sets/fade-0.5/predictions/0001.png")), inside)
    made(roads, tmp_path / "sets", predict_command=command)
    assert len(log.read_text().splitlines()) == 8, "finished folders are kept"
    (tmp_path / "sets/fade-0.5/predictions.json").write_text("{}")
    made(roads, tmp_path / "sets", predict_command=command)
    assert len(log.read_text().splitlines()) == 9, "an unfinished one is predicted again"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("{python} {script} {{images}}", r"^predict_command must say where \{out\} goes, got "),
        ("{python} 'x {{images}} {{out}}", r"^predict_command must be a command line \(No closing quotation\)"),
        ("no-such-program {{images}} {{out}}", r"^predict_command must be able to start \(No such file or directory\)"),
        (
            "{python} -c 'import sys; sys.exit(\"out of memory\")' {{images}} {{out}}",
            r"^predict_command must exit with 0 on \S+images \(out of memory\), got 1: try it by hand$",
        ),
        ("{python} -c pass {{images}} {{out}}", r"^the command wrote no map into "),
    ],
)
def test_a_command_that_fails_is_one_line(roads: Path, script: Path, tmp_path: Path, command: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        made(roads, tmp_path / "sets", predict_command=command.format(python=sys.executable, script=script))
    assert "\n" not in str(caught.value)


def test_a_command_that_was_killed_runs_again(roads: Path, script: Path, tmp_path: Path) -> None:
    healthy = script.read_text()
    script.write_text(healthy.replace("    print(file.name)", "    sys.exit('killed')"))
    command = f"{sys.executable} {script} {{images}} {{out}}"
    with pytest.raises(InputError, match="killed"):
        made(roads, tmp_path / "sets", only="invert", predict_command=command)
    assert len(list((tmp_path / "sets/unchanged/predictions").iterdir())) == 1
    script.write_text(healthy)
    sets = made(roads, tmp_path / "sets", only="invert", predict_command=command)
    assert [one.n for one in sets.evaluations] == [3]
    with pytest.raises(InputError, match=r"^out must hold no maps that howfar predict did not write"):
        made(roads, tmp_path / "sets", only="invert", model=network())


def test_the_others_files_are_never_overwritten(roads: Path, tmp_path: Path) -> None:
    place = tmp_path / "sets/fade-0.5/images"
    place.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(place / "0001.png")
    with pytest.raises(InputError, match=r"^out must hold no images that howfar corrupt did not write, got "):
        made(roads, tmp_path / "sets")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"only": "fad"}, UnknownNameError, "did you mean 'fade'"),
        ({"only": "fade=x"}, InputError, "^only must be NAME or NAME=STRENGTH, got 'fade=x': write fade=0.4$"),
        ({"only": "fade=2"}, InputError, "^strength of fade must be from 0 to 1, got 2.0$"),
        ({"only": "fade=0"}, InputError, "^only must have a strength that is not 0"),
        ({"only": "gamma=nan"}, InputError, "^strength of gamma must be from -4 to 4"),
        ({"model": "no.safetensors"}, MissingPathError, "^no checkpoint at no.safetensors"),
        ({"size": 64}, InputError, "^size is of use only to a model, got 64: pass a model, or leave it out$"),
        ({"model": "x", "predict_command": "y"}, InputError, "^predict_command is of no use beside a model"),
    ],
)
def test_bad_input_is_one_line(roads, tmp_path, given, error, message):
    with pytest.raises(error, match=message):
        made(roads, tmp_path / "sets", **given)


def test_a_dataset_without_masks_is_refused(roads: Path, tmp_path: Path) -> None:
    shutil.rmtree(roads / "masks")
    with pytest.raises(InputError, match=r"^primary must have masks, got 'roads without any': put them in masks/"):
        made(roads, tmp_path / "sets")
    with pytest.raises(InputError, match=r"^primary must be images, not embeddings"):
        corrupt(np.zeros((4, 4)), tmp_path / "sets")


def test_a_second_run_with_the_same_folder_waits(roads: Path, tmp_path: Path) -> None:
    out = tmp_path / "sets"
    out.mkdir()
    with ThreadPoolExecutor(1) as pool:
        with locked(out):
            second = pool.submit(made, roads, out, only="fade=0.5")
            with pytest.raises(TimeoutError):
                second.result(0.5)
            assert not any(out.iterdir())
        assert len(second.result(20).datasets) == 1
