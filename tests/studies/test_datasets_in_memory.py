"""Images in memory give the numbers, reports and choices that the same images in files give."""

import gc
import re
import weakref
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.cli.main import run
from howfar.data import exists
from howfar.errors import HowfarError
from howfar.figures.contact_sheets import thumbnail

QUICK: dict[str, Any] = {"bootstrap": 9, "permutations": 9, "components": 3, "progress": False}
BY: Any = "colour_moments"


def pixels(seed: int, count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Pictures with a light that differs by the seed."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(90 + 20 * seed, 30, (count, 24, 32, 3)), 0, 255).astype(np.uint8)


def write(folder: Path, pictures: np.ndarray[Any, Any], masks: bool = False) -> Path:
    for number, picture in enumerate(pictures):
        for place, made in (("images", picture), ("masks", np.uint8(255) * (picture[:, :, 0] > 120))):
            if place == "images" or masks:
                (folder / place).mkdir(parents=True, exist_ok=True)
                Image.fromarray(made).save(folder / place / f"{number}.png")
    return folder


class Segmented:
    """A map-style dataset of (image, mask), which knows how many of its images are held at a time."""

    def __init__(self, pictures: np.ndarray[Any, Any]) -> None:
        self._pictures, self._alive, self.most = pictures, list[weakref.ref[Any]](), 0

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        picture = Image.fromarray(self._pictures[number])
        self._alive = [*(held for held in self._alive if held() is not None), weakref.ref(picture)]
        self.most = max(self.most, len(self._alive))
        return picture, self._pictures[number][:, :, 0] > 120


P, S = pixels(0, 12), pixels(1, 9)


def test_a_comparison_is_that_of_the_files(tmp_path: Path) -> None:
    kept = howfar.compare(write(tmp_path / "p", P), {"site": write(tmp_path / "s", S)}, BY, store=tmp_path / "store", **QUICK)
    held = howfar.compare(P, {"site": Segmented(S)}, BY, store=tmp_path / "store", **QUICK)
    columns = ["i_dist", "knn", "percentile", "p_value", "pc1"]
    pd.testing.assert_frame_equal(held.images[columns], kept.images[columns], check_exact=True)
    assert (held.primary.name, held.primary.n) == ("primary", 12)
    assert held.images["image"].tolist() == [str(number) for number in range(9)]
    assert held.sources == {}


def test_the_images_of_a_lazy_dataset_are_not_held(tmp_path: Path) -> None:
    many = Segmented(pixels(2, 60))
    howfar.compare(P, many, BY, store=tmp_path, workers=2, batch_size=8, **QUICK)
    assert many.most <= 4


def shown(page: Path) -> str:
    """The code that a page shows."""
    (code,) = re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", page.read_text(encoding="utf-8"), re.DOTALL)
    return unescape(code)


def test_a_report_shows_the_images_and_does_not_say_where_they_are(tmp_path: Path) -> None:
    out = tmp_path / "run"
    found = howfar.compare(P.copy(), {"site": S.copy()}, BY, store=tmp_path / "store", out=out, **QUICK)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "was in memory" not in page
    assert "'primary=<where primary is>'" in shown(out / "report.html")
    path = str(found.images["path"][0])
    gc.collect()
    assert thumbnail(path).pixels is not None  # as long as the result lives
    del found
    gc.collect()
    assert not exists(path)
    assert thumbnail(path).reason == "was in memory"
    assert run(["report", str(out)]) == 0  # as another process would: the numbers, without the pictures
    assert "was in memory" in (out / "report.html").read_text(encoding="utf-8")
    assert run(["explore", str(out), "--help"]) == 0


def test_scores_of_pictures(tmp_path: Path) -> None:
    profile = howfar.profile(P, BY, store=tmp_path, progress=False)
    by_file = profile.score(write(tmp_path / "s", S))
    for given in (S, list(S), Segmented(S), [Image.fromarray(picture) for picture in S]):
        scores = profile.score(given)
        assert [score.i_dist for score in scores.images] == [score.i_dist for score in by_file.images]
        assert [(score.dataset, score.image) for score in scores.images][:2] == [("new", "0"), ("new", "1")]
    assert [score.i_dist for score in profile.score(Image.fromarray(S[3])).images] == [by_file.images[3].i_dist]
    scorer = profile.scorer()
    for picture in (S[3], Image.fromarray(S[3]), S[3].transpose(2, 0, 1)):
        assert scorer.one(picture) == profile.score(picture).images[0]
    mixed = profile.score([tmp_path / "s" / "images" / "0.png", S[1], S[2], P])
    assert [score.dataset for score in mixed.images] == ["s", "new", "new", *["new"] * 12]


def test_what_needs_files_or_another_process_says_so(tmp_path: Path) -> None:
    for call in (
        lambda: howfar.compare(P, S, BY, runner="ray", store=tmp_path, **QUICK),
        lambda: howfar.certify(Segmented(S), tmp_path, 3, progress=False),
        lambda: howfar.import_labels(tmp_path, images=Segmented(S), out=tmp_path / "out"),
    ):
        with pytest.raises(HowfarError, match=r"images in (the )?memory"):
            call()


@pytest.mark.usefixtures("without_figures")
def test_sites_in_memory_are_assessed_and_no_command_says_where_they_are(tmp_path: Path) -> None:
    given = {"primary": P, "a": S, "b": pixels(2, 8), "new": pixels(3, 8)}
    for name, pictures in given.items():
        (write(tmp_path / "files" / name, pictures, masks=True) / "masks").rename(tmp_path / "files" / name / "maps")
        (tmp_path / "maps").mkdir(exist_ok=True)
        (tmp_path / "files" / name / "maps").rename(tmp_path / "maps" / name)
    assessed = howfar.assess(
        Segmented(P),
        {"a": Segmented(S), "b": Segmented(pixels(2, 8)), "new": pixels(3, 8)},
        tmp_path / "run",
        predictions=tmp_path / "maps",
        backbone=BY,
        baselines=False,
        progress=False,
        store=tmp_path / "store",
    )
    assert [(site.dataset, site.measured) for site in assessed.sites] == [("a", 1.0), ("b", 1.0), ("new", None)]
    commands = [site.next.command for site in assessed.sites if site.next.command]
    assert all("python://" not in command for command in commands)
    assert any("=FOLDER" in command for command in commands), commands
