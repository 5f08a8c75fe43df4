"""Chosen images of another dataset that a training adds to the primary's: what is learnt, what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import howfar
from howfar.data import Dataset, content_hash
from howfar.demo import write_dataset
from howfar.errors import HowfarError
from howfar.results import Selection
from howfar.segmenters.checkpoint import Checkpoint
from howfar.training import train as module

TINY: dict[str, Any] = {
    "options": {"width": 4}, "pretrained": False, "size": 32, "batch": 4, "epochs": 1, "device": "cpu", "progress": False,
}  # fmt: skip


def train(primary: Path, folder: Path, **given: Any) -> Checkpoint:
    return howfar.train(primary, "deepcrack", state=folder, **{**TINY, **given})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images with masks, of which the last has lost its mask."""
    folder = write_dataset(tmp_path_factory.mktemp("added") / "site", 6, seed=5, shift=0.4, size=64)
    next((folder / "masks").glob("0006.*")).unlink()
    return folder


@pytest.fixture(scope="module")
def chosen(roads: Path, site: Path) -> tuple[Selection, Path]:
    """Two images that `howfar.select` chose of the site, and the list that it wrote."""
    quiet: dict[str, Any] = {"bootstrap": 0, "permutations": 0, "baselines": False, "progress": False}
    run = howfar.compare(roads, [site], "colour_moments", components=3, store=site.parent / "store", **quiet)
    out = site.parent / "chosen"
    return howfar.select(run, "site", 2, "random", labelled=["0006.jpg"], out=out), out / "chosen.csv"


def test_a_selection_is_learnt_from_and_never_held_out(
    roads: Path, site: Path, chosen: tuple[Selection, Path], tmp_path: Path
) -> None:
    selection, file = chosen
    ways: list[Any] = [[f"{site}:{file}"], f"new={site}:{file}", [(site, file)], [(Dataset.from_folder(site), selection)]]
    made = [train(roads, tmp_path, add=add, holdout=0.5).card for add in ways]
    assert len({card.weights for card in made}) == 1
    names = [pick.image for pick in selection.picks]
    assert [card.data["extra"] for card in made] == [
        [f"{name}/{image}" for image in names] for name in ("site", "new", "site", "site")
    ]
    hashes = [content_hash((site / "images" / name).read_bytes()) for name in names]
    assert made[0].data["contents"][-2:] == hashes
    assert (made[0].data["images"], len(made[0].data["held_out"])) == (4 + 2, 4)
    assert not set(hashes) & set(made[0].data["held_out"])
    assert made[0].weights != train(roads, tmp_path, holdout=0.5).card.weights


def test_two_lists_add_to_background(roads: Path, site: Path, tmp_path: Path) -> None:
    (tmp_path / "first.txt").write_text("0002.jpg\n\n0001.jpg\n")
    (tmp_path / "second.csv").write_text(f"image\n{site}/images/0003.jpg\n")
    (tmp_path / "bare").mkdir()
    shutil.copy(site / "images" / "0006.jpg", tmp_path / "bare" / "a.jpg")
    lists = [f"{site}:{tmp_path}/first.txt", f"{site}:{tmp_path}/second.csv"]
    made = train(roads, tmp_path / "s", add=lists, background=[tmp_path / "bare"])
    assert made.card.data["extra"] == ["site/0002.jpg", "site/0001.jpg", "site/0003.jpg", "bare/a.jpg"]
    own = made.card.data["images"] - 4
    assert repr(made).endswith(f"trained on {own} images of {roads.name} and 4 added")


LISTS = {
    "bare": "image\n0001.jpg\n0006.jpg\n",
    "twice": "image\n0001.jpg\n{site}/images/0001.jpg\n",
    "empty": "image\n",
    "column": "picture\n0001.jpg\n",
    "stranger": "image\n/elsewhere/images/0001.jpg\n",
    "good": "image\n0001.jpg\n",
    "blank": "",
}


@pytest.mark.parametrize(
    ("add", "words"),
    [
        ("{site}:{tmp}/bare.csv", "add must name images of site that have a mask, got '0006.jpg': 1 of 2 have none; label it"),
        ("{site}:{tmp}/twice.csv", "add must name each image once, got '{site}/images/0001.jpg': {tmp}/twice.csv has it twice"),
        ("{site}:{tmp}/empty.csv", "add must have a list that names an image, got '{tmp}/empty.csv': choose images with"),
        ("{site}:{tmp}/blank.csv", "has no column image; its columns: none"),
        ("{site}:{tmp}/column.csv", "has no column image; its columns: picture: name the column of image paths image"),
        ("{site}:{tmp}/stranger.csv", "got '/elsewhere/images/0001.jpg': pass the dataset that {tmp}/stranger.csv was chosen"),
        (
            "{site}:{tmp}/none.csv",
            "none.csv': no file lies behind a colon that has a dataset before it; write SITE:chosen.csv",
        ),
        ("{site}", "add must be SITE:LIST, a dataset and the list that howfar select wrote of it, got '{site}'"),
        (":{tmp}/good.csv", "add must be SITE:LIST"),
        ("/no/such:{tmp}/good.csv", "nothing at /no/such"),
        ("{tmp}/e.npy:{tmp}/good.csv", "add must name images with masks, not embeddings, got 'e'"),
        (["{site}:{tmp}/good.csv", "x={site}:{tmp}/good.csv"], "got 'x/0001.jpg': it is site/0001.jpg; take one of them out"),
        ("{roads}:{tmp}/good.csv", "add must name images that are not learnt from without it, got 'roads/0001.jpg'"),
    ],
)
def test_what_is_refused_is_one_line_before_any_training(
    add: Any, words: str, roads: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: dict[str, Path] = {"site": site, "tmp": tmp_path, "roads": roads}
    for name, text in LISTS.items():
        (tmp_path / f"{name}.csv").write_text(text.format(**places))
    np.save(tmp_path / "e.npy", np.zeros((4, 3), np.float32))
    monkeypatch.setattr(module, "fit", lambda *_, **__: pytest.fail("trained"))
    filled = [entry.format(**places) for entry in ([add] if isinstance(add, str) else add)]
    with pytest.raises(HowfarError) as caught:
        train(roads, tmp_path / "s", add=filled)
    assert words.format(**places) in str(caught.value)
    assert "\n" not in str(caught.value)


Train = Callable[..., Checkpoint]


def test_a_card_knows_what_the_weights_it_began_with_learnt_from(undisturbed: Train, trained: Train) -> None:
    first = undisturbed()
    tuned = trained(start=first, epochs=1, seed=3)
    assert set(tuned.card.data["contents"]) != set(first.card.data["contents"])
    assert tuned.card.learnt == set(first.card.data["contents"]) | set(tuned.card.data["contents"])
    assert tuned.card.all_learnt_known
