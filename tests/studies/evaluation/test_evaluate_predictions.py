"""Predictions on disk to an Evaluation: scores, the row of each image, and what is said where something is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import howfar
from howfar.data import Dataset, content_hash
from howfar.errors import InputError
from howfar.metrics import segmentation
from howfar.results import Evaluation
from howfar.studies.evaluate_predictions import evaluate
from snapshots import check

COUNTS = ("predicted", "hits_predicted", "hits_true")
SIDE = 32


def save(folder: Path, name: str, values: np.ndarray) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(folder / name)


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A probability map of 8 bits and a mask that it half knows."""
    rng = np.random.default_rng(seed)
    truth = rng.random((SIDE, SIDE + seed)) < 0.2
    p = 0.55 * truth + 0.45 * rng.random(truth.shape)
    return (p * 255).astype(np.uint8), truth


@pytest.fixture
def roads(tmp_path: Path) -> Path:
    """Six images of unequal sizes, with masks and maps: roads/{images,masks}, maps/."""
    for seed in range(6):
        p, truth = draw(seed)
        save(tmp_path / "roads/images", f"{seed}.jpg", np.dstack([p, p, 255 - p]))
        save(tmp_path / "roads/masks", f"{seed}.png", truth.astype(np.uint8) * 255)
        save(tmp_path / "maps", f"{seed}.png", p)
    return tmp_path / "roads"


@pytest.fixture
def maps(roads: Path) -> Path:
    return roads.parent / "maps"


def run(dataset: Any, predictions: Any, **options: Any) -> Evaluation:
    return evaluate(dataset, predictions, progress=False, **options)


def line(dataset: Any, predictions: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        run(dataset, predictions, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("tolerance", [0, 2])
def test_scores_are_those_of_the_metric(roads: Path, maps: Path, tolerance: int) -> None:
    drawn = [draw(seed) for seed in range(6)]
    wanted = segmentation.score([p for p, _ in drawn], [truth for _, truth in drawn], tolerance)
    found = run(roads, maps, tolerance=tolerance)
    at = wanted.at(wanted.ods_threshold)
    assert found.scores == {
        **{name: getattr(wanted, name) for name in ("ods", "ods_threshold", "ois", "ois_aggregate", "ap")},
        **{name: getattr(at, name) for name in ("f", "mean_f", "precision", "recall", "iou")},
        "false_positive_share": None,
    }
    assert found.scores["f"] == found.scores["ods"]
    assert (found.n, found.scored, found.tolerance, found.threshold) == (6, 6, tolerance, wanted.ods_threshold)
    assert found.metric == f"F at threshold {wanted.ods_threshold:.2f} (best for this set)"
    columns = {
        "performance": at.per_image_f,
        "best": wanted.per_image_best,
        "best_threshold": wanted.per_image_best_threshold,
        "precision": at.per_image_precision,
        "recall": at.per_image_recall,
        "iou": at.per_image_iou,
        "true": wanted.counts.true,
        "pixels": wanted.counts.pixels,
    }
    for name, values in columns.items():
        assert found.images[name].tolist() == values.tolist(), name
    for name in COUNTS:
        assert np.array_equal(np.stack(found.images[name]), getattr(wanted.counts, name)), name


def test_a_threshold_tuned_on_another_set(roads: Path, maps: Path, tmp_path: Path) -> None:
    for seed in range(6, 9):
        p, truth = draw(seed)
        save(tmp_path / "p/images", f"{seed}.png", p)
        save(tmp_path / "p/masks", f"{seed}.png", truth.astype(np.uint8) * 255)
        save(tmp_path / "p_maps", f"{seed}.png", (p * 0.8).astype(np.uint8))
    p = run(tmp_path / "p", tmp_path / "p_maps")
    found = run(roads, maps, tuned_on=p)
    assert found.threshold == p.scores["ods_threshold"] != found.scores["ods_threshold"]
    assert found.metric == f"F at threshold {p.threshold:.2f} (tuned on p)"
    assert found.scores["f"] < found.scores["ods"]
    assert found.notes == ()
    assert run(roads, maps, tuned_on=p.save(tmp_path / "p.parquet")).to_dict()["scores"] == found.to_dict()["scores"]
    told = {
        "a tolerance of 0 px, and this is 2 px": {"tolerance": 2, "tuned_on": p},
        "on these very images": {"tuned_on": found},
    }
    for note, options in told.items():
        assert note in run(roads, maps, **options).notes[0]
    (roads / "masks").rename(tmp_path / "hidden")
    assert line(roads, maps, tuned_on=run(roads, maps)).startswith(
        "tuned_on must be an evaluation of maps against masks with foreground"
    )


def test_empty_masks_have_no_f_and_are_told(roads: Path, maps: Path) -> None:
    for seed in (0, 1):
        save(roads / "masks", f"{seed}.png", np.zeros(draw(seed)[1].shape, np.uint8))
    found = run(roads, maps, threshold=0.5)
    assert found.images["performance"].isna().tolist() == [True, True, False, False, False, False]
    assert found.images["foreground"].tolist()[:2] == [0, 0]
    assert (found.n, found.scored) == (6, 4)
    pixels = np.concatenate([draw(seed)[0].ravel() for seed in (0, 1)])
    share = (pixels > 127).mean()
    assert found.scores["false_positive_share"] == share
    percent = f"{100 * share:.2g}"
    assert found.notes == (
        f"2 images have an empty mask: no F; {percent} % of their pixels are predicted as foreground at threshold 0.50",
    )
    alone = run(Dataset("four", Dataset.from_folder(roads).items[2:]), maps, threshold=0.5)
    assert found.scores["mean_f"] == alone.scores["mean_f"]
    assert found.scores["f"] < alone.scores["f"]  # what is predicted in an empty image is false


def test_where_every_mask_is_empty_nothing_is_defined_but_the_false_positives(roads: Path, maps: Path, tmp_path: Path) -> None:
    for seed in range(6):
        save(roads / "masks", f"{seed}.png", np.zeros(draw(seed)[1].shape, np.uint8))
    found = run(roads, maps)
    assert {name for name, value in found.scores.items() if value is not None} == {"false_positive_share"}
    assert (found.n, found.scored, found.threshold) == (6, 0, 0.5)
    assert found.metric == "F at threshold 0.50 (no foreground to tune on)"
    assert found.notes[0].startswith("every mask (6) is empty: no F; ")


def test_images_without_masks_are_kept_for_their_signals(roads: Path, maps: Path) -> None:
    whole = run(Dataset("rest", Dataset.from_folder(roads).items[1:]), maps)
    (roads / "masks/0.png").unlink()
    found = run(roads, maps)
    assert found.scores == whole.scores
    assert (found.n, found.scored) == (6, 5)
    first = found.images.iloc[0]
    assert first[["performance", "best", "precision", "foreground", "true"]].isna().all()
    assert all(first[name] is None for name in COUNTS)
    assert first["average_confidence"] > 0.5
    assert first["predicted_foreground"] > 0
    assert found.notes == ("1 image has no mask: kept for the signals that need no labels, without performance",)


def test_what_is_odd_about_files_is_noted(roads: Path, maps: Path) -> None:
    soft = draw(0)[1].astype(np.uint8) * 200
    soft[0, 0], soft[1, 1] = 90, 127
    save(roads / "masks", "0.png", soft)
    save(roads / "images", "0.png", draw(0)[0])
    (roads / "images/raw.heic").write_text("raw")
    for name in ("9.png", "10.png", "11.png", "12.png", "1.jpg"):
        save(maps, name, draw(1)[0])
    (maps / "1.png").unlink()
    save(maps, "2.bmp", draw(1)[0])
    found = run(f"site={roads}", maps)
    assert set(found.notes) == {
        "2 masks hold grey levels: what is above 127 counts as foreground",
        f"2 images have one map below {maps} (0.jpg, 0.png): their names differ only in the ending",
        f"4 maps match no image (9.png, 10.png, 11.png … below {maps})",
        f"1 image has more than one map below {maps} (2.jpg): the PNG is taken, else the first by name",
        "1 map is in a lossy format (JPEG or like it), which alters probabilities: save PNG",
    }
    assert "than one map" in str(howfar.certify(roads, maps, k=2, out=maps.parent / "out", partial=True, progress=False).notes)
    assert [Path(one.path).name for one in found.skipped] == ["raw.heic"]
    rows = found.images[found.images["image"] == "3.jpg"].iloc[0]
    places = (str(roads / "images/3.jpg"), str(maps / "3.png"), content_hash((roads / "images/3.jpg").read_bytes()))
    assert ("site", *places) == tuple(rows[["dataset", "path", "prediction", "content"]])


def test_a_missing_map_stops_before_anything_is_read(roads: Path, maps: Path) -> None:
    (maps / "2.png").unlink()
    for mask in (roads / "masks").iterdir():
        mask.write_text("broken")  # would be told of, were it read
    assert line(roads, maps) == (
        f"1 of 6 images of roads has no prediction; the first is 2.jpg: no prediction (no map 2.* below {maps}): "
        "predict it, or pass partial=True to score only the other 5"
    )
    (maps / "4.png").unlink()
    assert line(roads, maps).startswith("2 of 6 images of roads have no prediction; the first is 2.jpg")
    assert line(roads, maps).endswith("predict them, or pass partial=True to score only the other 4")


def test_every_fault_of_reading_has_its_reason(roads: Path, maps: Path) -> None:
    save(maps, "0.png", np.zeros((SIDE, SIDE + 8), np.uint8))
    (maps / "1.png").write_bytes((maps / "1.png").read_bytes()[:200])
    save(maps, "2.png", np.dstack([draw(2)[0], *[255 - draw(2)[0]] * 2]))
    save(roads / "masks", "4.png", draw(4)[1].astype(np.uint8))
    (roads / "masks/5.png").write_text("not a picture")
    for k in (6, 7, 8, 9):
        save(roads / "images", f"{k}.png", draw(6)[0])
        save(maps, f"{k}.png", draw(6)[0])
    save(maps, "7.png", np.zeros((8, 8), np.uint8))
    save(roads / "masks", "8.png", np.zeros((16, 16), np.uint8))
    (roads / "images/9.png").write_bytes(b"")
    reasons = {Path(one.path).name: one.reason for one in run(roads, maps, partial=True).skipped}
    told = "\n".join(f"{name}: {reason}" for name, reason in reasons.items())
    check(told.replace(str(roads.parent), "…"), Path(__file__).parent / "snapshots" / "faults of reading.md")
    assert line(roads, maps) == (
        f"8 of 10 images of roads cannot be scored; the first is 0.jpg: {reasons['0.jpg']}: "
        "mend them, or pass partial=True to score only the other 2"
    )
    save(roads / "images", "3.jpg", np.zeros((64, 64, 3), np.uint8))  # maps and masks may share another size than the image
    assert run(roads, maps, partial=True).scored == 1
    for mask in (roads / "masks").iterdir():
        mask.write_text("broken")
    (roads / "images/6.png").unlink()
    for partial in (False, True):
        assert line(roads, maps, partial=partial).endswith(": mend them")


def test_a_nearly_empty_map_is_scored_and_a_whole_set_of_zeros_and_ones_is_not(roads: Path, maps: Path) -> None:
    save(maps, "3.png", draw(3)[1].astype(np.uint8))
    found = run(roads, maps)
    assert found.scored == 6
    assert "1 map holds no value above 1 of 255, and is taken for nearly empty" in found.notes
    for k in range(6):
        save(maps, f"{k}.png", draw(k)[1].astype(np.uint8))
    assert line(roads, maps) == (
        f"no map below {maps} holds a value above 1 of 255 (255 of 65535), as {maps}/0.png: p is value / 255 (value / 65535), "
        "so scale them up, or save p itself as float .npy arrays"
    )
