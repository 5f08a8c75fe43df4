"""Predictions on disk to an Evaluation: scores, the row of each image, and what is said where something is wrong."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from howfar.data import Dataset, content_hash, read_mask
from howfar.errors import InputError, MissingPathError, StoreError
from howfar.metrics import segmentation, signals, soft_dice
from howfar.results import Evaluation
from howfar.studies.evaluation.evaluate import evaluate

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


def assert_survives(found: Evaluation, file: Path) -> None:
    """Saved and loaded it is the same, to the bit."""
    again = Evaluation.load(found.save(file))
    assert again.to_dict() == found.to_dict()
    pd.testing.assert_frame_equal(again.images, found.images, check_exact=True)
    for field in dataclasses.fields(Evaluation):
        if field.name != "images":
            assert getattr(again, field.name) == getattr(found, field.name), field.name


# Scores and rows


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


def test_f_by_hand(tmp_path: Path) -> None:
    truth = np.zeros((4, 4), np.uint8)
    truth[0] = 255
    prediction = np.zeros((4, 4), np.uint8)
    prediction[0, :2], prediction[3, 0] = 204, 102
    save(tmp_path / "set/images", "1.png", truth)
    save(tmp_path / "set/masks", "1.png", truth)
    save(tmp_path / "maps", "1.png", prediction)
    found = run(tmp_path / "set", tmp_path / "maps", threshold=0.3)
    assert found.scores["f"] == 2 * 2 / (2 * 2 + 1 + 2)
    assert found.scores["ods"] == 2 * 2 / (2 * 2 + 0 + 2)
    assert found.scores["ods_threshold"] == 0.4
    assert found.images["predicted_foreground"].tolist() == [3 / 16]
    assert found.images["foreground"].tolist() == [4 / 16]
    assert found.metric == "F at threshold 0.30 (given)"


def test_rows_tell_where_they_come_from_in_the_datasets_order(roads: Path, maps: Path) -> None:
    found = run(f"site={roads}", maps).images
    assert found["dataset"].tolist() == ["site"] * 6
    assert found["image"].tolist() == [f"{k}.jpg" for k in range(6)]
    assert found["path"].tolist() == [str(roads / f"images/{k}.jpg") for k in range(6)]
    assert found["prediction"].tolist() == [str(maps / f"{k}.png") for k in range(6)]
    assert found["content"].tolist() == [content_hash((roads / f"images/{k}.jpg").read_bytes()) for k in range(6)]


def test_signals_need_no_mask(roads: Path, maps: Path) -> None:
    found = run(roads, maps, threshold=0.37).images
    for seed in range(6):
        histogram = np.bincount(draw(seed)[0].ravel(), minlength=256)
        assert found["histogram"][seed].tolist() == histogram.tolist()
        wanted = signals(histogram, 0.37)
        assert found.loc[seed, list(wanted)].to_dict() == wanted
    assert not {"flip_agreement", "ensemble_agreement"} & set(found)


def test_flipped_maps_are_flipped_back(roads: Path, maps: Path) -> None:
    for seed in range(6):
        p, _ = draw(seed)
        save(maps.parent / "flipped", f"{seed}.png", np.roll(p, 1, axis=0)[:, ::-1])
    found = run(roads, maps, flipped=maps.parent / "flipped").images
    wanted = [soft_dice(p, np.roll(p, 1, axis=0)) for p, _ in map(draw, range(6))]
    assert found["flip_agreement"].tolist() == wanted
    assert max(wanted) < 0.9


def test_an_ensemble_is_compared_pair_by_pair_the_predictions_among_them(roads: Path, maps: Path) -> None:
    for seed in range(6):
        p, truth = draw(seed)
        save(maps.parent / "b", f"{seed}.png", 255 - p)
        save(maps.parent / "c", f"{seed}.png", truth.astype(np.uint8) * 200)
    found = run(roads, maps, ensemble=[maps.parent / "b", maps.parent / "c"]).images["ensemble_agreement"]
    p, truth = draw(2)
    three = [p, 255 - p, truth.astype(np.uint8) * 200]
    pairs = [soft_dice(three[i], three[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert found[2] == pytest.approx(np.mean(pairs), abs=1e-15)
    alone = run(roads, maps, ensemble=maps.parent / "b").images["ensemble_agreement"]
    assert alone[2] == pairs[0]


def test_finer_maps_are_counted_as_they_are(roads: Path, maps: Path) -> None:
    """0.2899 lies below the threshold 0.29; the nearest 8-bit value, 74 / 255 = 0.2902, would not."""
    for seed in range(6):
        _, truth = draw(seed)
        (maps / f"{seed}.png").unlink()
        np.save(maps / f"{seed}.npy", np.where(truth, 0.2901, 0.2899))
    found = run(roads, maps, threshold=0.29)
    assert found.scores["f"] == 1
    assert found.images["predicted_foreground"].tolist() == found.images["foreground"].tolist()
    assert found.images["prediction"][0].endswith("0.npy")


def test_a_table_of_images_and_masks(roads: Path, maps: Path) -> None:
    rows = [f"roads/images/{k}.jpg,roads/masks/{k}.png\n" for k in range(6)]
    (roads.parent / "list.csv").write_text("image,mask\n" + "".join(rows))
    assert run(roads.parent / "list.csv", maps).scores == run(roads, maps).scores


def test_a_result_survives_its_file(roads: Path, maps: Path, tmp_path: Path) -> None:
    for seed in range(6):
        save(tmp_path / "flipped", f"{seed}.png", draw(seed)[0][:, ::-1])
    save(roads / "masks", "0.png", np.zeros((SIDE, SIDE), np.uint8))
    (roads / "masks/1.png").unlink()
    (maps / "2.png").unlink()
    found = run(roads, maps, flipped=tmp_path / "flipped", partial=True, tolerance=1.5)
    assert (found.n, found.scored, len(found.skipped)) == (5, 3, 1)
    assert_survives(found, tmp_path / "e.parquet")


def test_a_result_without_masks_survives_its_file(roads: Path, maps: Path, tmp_path: Path) -> None:
    assert_survives(run(roads / "images", maps), tmp_path / "e.parquet")
    for mask in (roads / "masks").iterdir():
        mask.unlink()
    found = run(roads, maps)
    assert_survives(found, tmp_path / "e.parquet")
    assert found.images[list(COUNTS)].isna().all(axis=None)


# Thresholds


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
    assert run(roads, maps, tuned_on=p, tolerance=2).notes == (
        "the threshold was tuned with a tolerance of 0 px, and this is 2 px",
    )


def test_a_threshold_tuned_on_the_same_images_is_told(roads: Path, maps: Path) -> None:
    itself = run(roads, maps)
    assert run(roads, maps, tuned_on=itself).notes == (
        "the threshold was tuned on these very images: F at it is no estimate for unseen ones",
    )
    some = dataclasses.replace(itself, images=itself.images.iloc[:2])
    assert run(roads, maps, tuned_on=some).notes[0].startswith("the threshold was tuned on 2 of these images")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 0.435}, "threshold must be one of 0.00, 0.01 … 0.99, got 0.435: round it to hundredths"),
        ({"threshold": 1}, "threshold must be one of 0.00, 0.01 … 0.99, got 1"),
        ({"threshold": float("nan")}, "threshold must be one of"),
        ({"threshold": "0.5"}, "threshold must be a number, got '0.5'"),
        ({"threshold": 0.5, "tuned_on": "e.parquet"}, "threshold and tuned_on cannot both be given"),
        ({"tuned_on": 0.5}, "tuned_on must be an Evaluation or its file, got 'float'"),
        ({"tolerance": -1}, "tolerance must be a finite number of pixels of at least 0, got -1"),
        ({"task": "depth"}, "task must be one of segmentation, multiclass, classification, detection, got 'depth'"),
        ({"truth": "boxes.json"}, "truth is of no use to segmentation, got 'boxes.json': leave it out"),
    ],
)
def test_options_that_break_a_rule(roads: Path, maps: Path, options: dict[str, Any], words: str) -> None:
    assert line(roads, maps, **options).startswith(words)


def test_an_evaluation_without_a_threshold_tunes_nothing(roads: Path, maps: Path) -> None:
    blind = run(Dataset("blind", tuple(dataclasses.replace(i, mask=None) for i in Dataset.from_folder(roads).items)), maps)
    assert line(roads, maps, tuned_on=blind).startswith("tuned_on must be an evaluation of maps against masks with foreground")
    with pytest.raises(MissingPathError, match=re.escape("none.parquet is not there")):
        run(roads, maps, tuned_on="none.parquet")
    with pytest.raises(StoreError, match="was not written by howfar evaluate"):
        run(roads, maps, tuned_on=roads / "images/0.jpg")


# Masks that are missing, empty or grey


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
    assert_survives(found, tmp_path / "e.parquet")


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


def test_a_dataset_without_masks_has_signals_alone(roads: Path, maps: Path) -> None:
    (roads / "masks").rename(roads / "hidden")
    found = run(roads, maps)
    assert found.scored == 0
    assert set(found.scores.values()) == {None}
    assert found.images["entropy"].notna().all()
    assert found.notes == ("no image has a mask: there are only signals that need no labels, and no scores",)


def test_grey_masks_are_told(roads: Path, maps: Path) -> None:
    _, truth = draw(0)
    soft = truth.astype(np.uint8) * 200
    soft[0, 0], soft[1, 1] = 90, 127
    save(roads / "masks", "0.png", soft)
    assert run(roads, maps).notes == ("1 mask holds grey levels: what is above 127 counts as foreground",)
    grey = np.zeros((SIDE, SIDE + 1), np.uint8)
    grey[0] = np.arange(SIDE + 1) * 255 // SIDE
    save(roads / "masks", "1.png", grey)
    assert run(roads, maps).notes == ("2 masks hold grey levels: what is above 127 counts as foreground",)


# Maps


def test_lossy_maps_are_told(roads: Path, maps: Path) -> None:
    (maps / "0.png").unlink()
    save(maps, "0.jpg", draw(0)[0])
    assert run(roads, maps).notes == ("1 map is in a lossy format (JPEG or like it), which alters probabilities: save PNG",)


def test_maps_of_nothing_but_0_and_1_are_told(roads: Path) -> None:
    found = run(roads, roads / "masks")
    assert found.notes == (
        "the maps hold nothing but 0 and 1: all thresholds give the same, and signals of confidence say nothing",
    )
    assert (found.scores["ods"], found.scores["ods_threshold"], found.scores["ap"]) == (1, 0, 1)


def test_one_map_of_nothing_but_0_and_1_is_nothing_to_tell(roads: Path, maps: Path) -> None:
    save(maps, "0.png", np.zeros((SIDE, SIDE), np.uint8))
    assert run(roads, maps).notes == ()


def test_maps_of_no_image_and_doubled_ones_are_told(roads: Path, maps: Path) -> None:
    save(maps, "9.png", draw(0)[0])
    assert run(roads, maps).notes == (f"1 map matches no image (9.png below {maps})",)
    for name in ("10.png", "11.png", "12.png"):
        save(maps, name, draw(0)[0])
    save(maps, "0.bmp", draw(1)[0])
    assert run(roads, maps).notes == (
        f"4 maps match no image (9.png, 10.png, 11.png … below {maps})",
        f"1 image has more than one map below {maps} (0.jpg): the PNG is taken, else the first by name",
    )


def test_images_that_share_a_map_are_told(roads: Path, maps: Path) -> None:
    save(roads / "images", "0.png", draw(0)[0])
    assert run(roads, maps).notes == ("2 images have one map, since their names differ only in the ending (0.jpg, 0.png)",)


# Faults


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


def test_with_partial_what_lacks_a_map_is_left_out_and_listed(roads: Path, maps: Path) -> None:
    wanted = run(Dataset("rest", Dataset.from_folder(roads).items[1:]), maps)
    (maps / "0.png").unlink()
    found = run(roads, maps, partial=True)
    assert found.scores == wanted.scores
    assert [(one.dataset, one.path, one.reason) for one in found.skipped] == [
        ("roads", str(roads / "images/0.jpg"), f"no prediction (no map 0.* below {maps})")
    ]
    assert found.images["image"].tolist() == [f"{k}.jpg" for k in range(1, 6)]


def test_every_fault_of_reading_has_its_reason(roads: Path, maps: Path) -> None:
    save(maps, "0.png", np.zeros((SIDE, SIDE + 8), np.uint8))
    (maps / "1.png").write_bytes((maps / "1.png").read_bytes()[:200])
    save(maps, "2.png", np.dstack([draw(2)[0], *[255 - draw(2)[0]] * 2]))
    save(roads / "masks", "4.png", draw(4)[1].astype(np.uint8))
    (roads / "masks/5.png").write_text("not a picture")
    save(roads / "images", "6.png", draw(6)[0])
    save(maps, "6.png", draw(6)[0])
    reasons = {Path(one.path).name: one.reason for one in run(roads, maps, partial=True).skipped}
    assert reasons == {
        "0.jpg": f"the prediction {maps}/0.png is 40×32 pixels and its mask 32×32 pixels: save it at that size "
        "(resize the probabilities, not a thresholded map)",
        "1.jpg": f"the prediction {maps}/1.png: truncated image file",
        "2.jpg": f"the prediction {maps}/2.png: a colour picture, not a probability map: save one grey value for each pixel, "
        "p × 255",
        "4.jpg": f"the mask {roads}/masks/4.png: a mask of 0 and 1: foreground is above 127, so multiply it by 255, "
        "or pass --foreground 1",
        "5.jpg": f"the mask {roads}/masks/5.png: not an image that Pillow can read",
    }
    assert line(roads, maps) == (
        f"5 of 7 images of roads cannot be scored; the first is 0.jpg: {reasons['0.jpg']}: "
        "mend them, or pass partial=True to score only the other 2"
    )


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


def test_a_map_of_another_size_than_an_image_without_mask(roads: Path, maps: Path) -> None:
    (roads / "masks").rename(roads / "hidden")
    save(maps, "0.png", np.zeros((SIDE, SIDE + 8), np.uint8))
    assert f"the prediction {maps}/0.png is 40×32 pixels and its image 32×32 pixels" in line(roads, maps)


def test_a_mask_of_another_size_than_image_and_map(roads: Path, maps: Path) -> None:
    save(roads / "masks", "0.png", np.zeros((16, 16), np.uint8))
    told = f"the mask {roads}/masks/0.png is 16×16 pixels and its image and prediction 32×32 pixels"
    assert f"{told}: save the mask at the image's size" in line(roads, maps)


def test_maps_and_masks_may_share_another_size_than_the_image(roads: Path, maps: Path) -> None:
    save(roads / "images", "0.jpg", np.zeros((64, 64, 3), np.uint8))
    assert run(roads, maps).scored == 6


def test_an_image_that_cannot_be_read_is_a_fault(roads: Path, maps: Path) -> None:
    (roads / "images/0.jpg").write_bytes(b"")
    assert f"the first is 0.jpg: the image {roads}/images/0.jpg: empty file (0 bytes)" in line(roads, maps)


def test_where_nothing_can_be_scored_partial_does_not_help(roads: Path, maps: Path) -> None:
    for mask in (roads / "masks").iterdir():
        mask.write_text("broken")
    for partial in (False, True):
        told = line(roads, maps, partial=partial)
        assert told.startswith("6 of 6 images of roads cannot be scored; the first is 0.jpg: the mask")
        assert told.endswith(": mend them")


def test_flipped_and_ensemble_follow_the_same_rules(roads: Path, maps: Path) -> None:
    for seed in range(6):
        save(maps.parent / "other", f"{seed}.png", draw(seed)[0])
    (maps.parent / "other/3.png").unlink()
    save(maps.parent / "other", "5.png", np.zeros((8, 8), np.uint8))
    save(maps.parent / "other", "7.png", np.zeros((8, 8), np.uint8))
    other = maps.parent / "other"
    for options, word in (({"flipped": other}, "flipped"), ({"ensemble": [other]}, "ensemble")):
        assert f"the first is 3.jpg: no {word} prediction (no map 3.* below {other})" in line(roads, maps, **options)
        found = run(roads, maps, partial=True, **options)
        assert [Path(one.path).name for one in found.skipped] == ["3.jpg", "5.jpg"]
        assert f"the {word} prediction {other}/5.png is 8×8 pixels and the prediction 37×32 pixels" in found.skipped[1].reason
        assert found.notes == (f"1 map matches no image (7.png below {other})",)


def test_the_same_folder_twice_is_refused(roads: Path, maps: Path) -> None:
    assert line(roads, maps, flipped=maps).startswith("flipped must be a folder that is not given already")
    assert line(roads, maps, ensemble=[maps / "../maps"]).startswith("ensemble must be a folder that is not given already")
    assert line(roads, maps, ensemble=[roads / "masks", roads / "masks"]).startswith("ensemble must be a folder")


def test_predictions_that_match_nothing(roads: Path, maps: Path, tmp_path: Path) -> None:
    save(tmp_path / "far", "crack_0.png", draw(0)[0])
    assert line(roads, tmp_path / "far", partial=True) == (
        f"no map of {tmp_path}/far matches an image of roads: their paths must be the same but for the ending; "
        "the first image is 0.jpg, the first map crack_0.png: name them after the images"
    )
    with pytest.raises(MissingPathError, match="no folder of predictions at"):
        run(roads, tmp_path / "none")
    assert line(roads, roads / "images").startswith(
        "6 of 6 images of roads cannot be scored; the first is 0.jpg: the prediction"
    )


def test_what_the_listing_left_out_is_listed_too(roads: Path, maps: Path) -> None:
    (roads / "images/raw.heic").write_text("raw")
    assert [Path(one.path).name for one in run(roads, maps).skipped] == ["raw.heic"]


def test_embeddings_have_no_predictions(maps: Path) -> None:
    assert line(np.eye(3), maps) == "dataset must hold images, got 'embeddings: array': pass the folder of the images"


def test_a_bar_runs_to_its_end_on_stderr(
    roads: Path, maps: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A test of notebooks may have loaded it, beside which short bars do not stay.
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    evaluate(roads, maps)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "6/6" in captured.err
    assert "image/s" in captured.err
    run(roads, maps)
    assert capsys.readouterr().err == ""


# Real pictures, and the demo's


def test_masks_as_predictions_of_themselves(research_images: Path, tmp_path: Path) -> None:
    cracks = research_images / "cfd"
    for tolerance in (0, 2):
        found = run(cracks, cracks / "masks", tolerance=tolerance)
        assert (found.n, found.scored) == (118, 118)
        assert {found.scores[name] for name in ("ods", "ois", "ois_aggregate", "ap", "f", "mean_f", "iou")} == {1.0}
    assert found.images["foreground"].tolist() == [read_mask(p).mean() for p in sorted((cracks / "masks").iterdir())]
    assert_survives(found, tmp_path / "e.parquet")


def test_blank_real_images(research_images: Path) -> None:
    blank = research_images / "cfd_noncrack"
    found = run(blank, blank / "masks")
    assert (found.n, found.scored, found.scores["false_positive_share"]) == (8, 0, 0)
    assert found.notes[0] == "every mask (8) is empty: no F; 0 % of their pixels are predicted as foreground at threshold 0.50"


def test_the_demo(demo_folders: list[Path], tmp_path: Path) -> None:
    """Dark pixels as cracks: better than nothing, worse than the truth, and shifted back one pixel as good with tolerance."""
    folder = demo_folders[0]
    for file in (folder / "masks").iterdir():
        mask = np.asarray(Image.open(file))
        save(tmp_path / "near", file.name, np.roll(mask, 1, axis=1))
    strict, lenient = (run(folder, tmp_path / "near", tolerance=tolerance) for tolerance in (0, 1.5))
    assert 0.1 < strict.scores["ods"] < 0.9
    assert lenient.scores["ods"] > 0.98
    assert (strict.images["performance"] <= lenient.images["performance"]).all()
