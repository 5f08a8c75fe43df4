"""Copies of images of P are listed, left out or refused, however they were altered; the best match is a plain search's."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy.spatial.distance import cdist

import howfar
from howfar.errors import InputError
from howfar.results import Comparison
from howfar.results.comparison_result import COPIES
from howfar.studies import near_duplicates
from howfar.studies.near_duplicates import ALIKE, best_match, copy_notes, usual_agreement

QUICK = {"permutations": 0, "bootstrap": 0, "progress": False, "baselines": False, "rivals": False}


@pytest.fixture(scope="module")
def places(demo_folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """P; a site of twelve own images and six copies of P's, of which one stands in it twice; a store."""
    folder = tmp_path_factory.mktemp("copies")
    site = folder / "site"
    shutil.copytree(demo_folders[1] / "images", site)
    images = sorted((demo_folders[0] / "images").iterdir())
    shutil.copy(images[0], site / "copy-0.jpg")
    shutil.copy(images[1], site / "copy-1.jpg")
    for number in (2, 3, 4, 5):
        picture = Image.open(images[number]).convert("RGB")
        across = picture.width // 40
        altered = {
            2: picture,
            3: picture.resize((picture.width // 2, picture.height // 2)),
            4: ImageOps.mirror(picture),
            5: picture.crop((across, across, picture.width - across, picture.height - across)),
        }[number]
        altered.save(site / f"copy-{number}.jpg", quality=70)
    Image.open(site / "copy-2.jpg").save(site / "copy-2-again.jpg", quality=95)
    return demo_folders[0], site, folder / "store"


@pytest.fixture(scope="module")
def found(places: tuple[Path, Path, Path]) -> Comparison:
    roads, site, store = places
    return howfar.compare(roads, site, "colour_moments", store=store, **QUICK)


def test_every_copy_is_found_and_nothing_else(places: tuple[Path, Path, Path], found: Comparison) -> None:
    images = sorted((places[0] / "images").iterdir())
    copies = found.near_duplicates[found.near_duplicates["other_dataset"] == found.primary.name]
    assert sorted(copies["image"]) == sorted([*(f"copy-{number}.jpg" for number in range(6)), "copy-2-again.jpg"])
    assert all(row.other == images[int(Path(row.image).stem.split("-")[1])].name for row in copies.itertuples())
    by_image = copies.set_index("image")
    assert by_image.loc[["copy-0.jpg", "copy-1.jpg"], "kind"].tolist() == ["equal", "equal"]
    assert (by_image.drop(["copy-0.jpg", "copy-1.jpg"])["kind"] == "near").all()
    assert by_image["mirrored"].to_dict() == {name: name == "copy-4.jpg" for name in by_image.index}
    assert list(found.near_duplicates) == list(COPIES)
    # Those within the secondary are listed once.
    own = found.near_duplicates[found.near_duplicates["other_dataset"] == "site"]
    assert [{*pair} for pair in zip(own["image"], own["other"], strict=True)] == [{"copy-2.jpg", "copy-2-again.jpg"}]
    looks = f"nearly equal to images of {found.primary.name}, which makes it look nearer: --leaks drop leaves them out"
    assert f"5 images of site are {looks}" in found.notes
    assert any("1 image of site is nearly equal to others in it" in note for note in found.notes)


def test_dropped_copies_change_the_numbers_and_are_said(places: tuple[Path, Path, Path], found: Comparison) -> None:
    roads, site, store = places
    left = howfar.compare(roads, site, "colour_moments", store=store, leaks="drop", **QUICK)
    assert left.datasets[0].n == found.datasets[0].n - 7
    assert not left.images["image"].str.startswith("copy").any()
    assert left.near_duplicates["dropped"].sum() == 7
    assert left.leaks == ()
    assert sum("of pavement" in row.reason for row in left.skipped) == 7
    assert any("7 images of site were left out as copies of pavement (2 equal, 5 nearly so)" in note for note in left.notes)
    others = tuple(item for item in howfar.Dataset.from_folder(site).items if not item.name.startswith("copy"))
    clean = howfar.compare(roads, howfar.Dataset("site", others), "colour_moments", store=store, **QUICK)
    assert left.datasets[0].relative == clean.datasets[0].relative


def test_refused_in_one_line(places: tuple[Path, Path, Path]) -> None:
    roads, site, store = places
    with pytest.raises(
        InputError, match=r"secondaries must hold no image of pavement, got '7 \(site: .*and 4 more.*drop"
    ) as error:
        howfar.compare(roads, site, "colour_moments", store=store, leaks="refuse", **QUICK)
    assert "\n" not in str(error.value)


def test_embeddings_are_compared_by_content_alone() -> None:
    rng = np.random.default_rng(0)
    p, s = rng.normal(size=(30, 5)), rng.normal(size=(20, 5))
    s[3] = p[7]
    found = howfar.compare(p, {"site": s}, **QUICK)
    assert found.near_duplicates[["image", "other", "kind"]].values.tolist() == [["row-3", "row-7", "equal"]]
    assert howfar.compare(p, {"site": s}, leaks="drop", **QUICK).datasets[0].n == 19


def test_equal_rows_of_many_sets_are_listed_with_the_first_of_each_other_set() -> None:
    a, b, c, d = np.random.default_rng(0).normal(size=(4, 6))
    sets = {"one": np.stack([b, a, b]), "two": np.stack([c, d, b, c])}
    found = howfar.compare(np.stack([a, b, b]), sets, components=2, progress=False, bootstrap=0, permutations=0)
    columns = ["dataset", "image", "other_dataset", "other"]
    assert sorted(map(tuple, found.near_duplicates[columns].values.tolist())) == [
        ("one", "row-0", "primary", "row-1"),
        ("one", "row-1", "primary", "row-0"),
        ("one", "row-2", "one", "row-0"),
        ("one", "row-2", "primary", "row-1"),
        ("two", "row-2", "one", "row-0"),
        ("two", "row-2", "primary", "row-1"),
        ("two", "row-3", "two", "row-0"),
    ]


def eye(seed: int) -> Image.Image:
    """A bright disc on black, as photographs of the eye are, with vessels of its own."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:200j, -1:1:200j]
    waves = (np.sin(rng.uniform(-9, 9) * x + rng.uniform(-9, 9) * y + rng.uniform(0, 6)) for _ in range(4))
    values = np.where(x**2 + y**2 < 0.8, 150 + 3 * x + 2 * sum(waves), 0)
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def test_images_that_are_framed_alike_are_no_copies_but_copies_of_them_are(tmp_path: Path) -> None:
    for name, seeds in (("clinic", range(16)), ("hospital", range(16, 28))):
        (tmp_path / name).mkdir()
        for seed in seeds:
            eye(seed).save(tmp_path / name / f"{seed:02d}.png")
    eye(3).resize((150, 150)).save(tmp_path / "hospital" / "copy-of-03.jpg", quality=95)
    sets = [tmp_path / "clinic", tmp_path / "hospital"]
    p, s = (howfar.embed(each, "perceptual_hash", tmp_path / "store", progress=False).to_array() for each in sets)
    assert (best_match(s, p).agreement >= ALIKE).mean() > 0.5
    found = howfar.compare(sets[0], sets[1], "colour_moments", store=tmp_path / "store", **QUICK)
    assert found.near_duplicates[["image", "other"]].to_numpy().tolist() == [["copy-of-03.jpg", "03.png"]]
    dropped = found.near_duplicates.assign(dropped=True)
    assert list(copy_notes(dropped, "clinic")) == [
        "1 image of hospital was left out as a copy of clinic (0 equal, 1 nearly so)"
    ]


def test_pictures_of_like_structure_that_lie_far_in_features_are_no_copies(places, tmp_path):
    """A picture whose hash agrees in 0.67 to 0.77 is a copy only where it is near; here its colours are other."""
    roads, _, store = places
    first = Image.open(sorted((roads / "images").iterdir())[0]).convert("RGB")
    listed = {}
    for name, tint in (("same colours", (1, 1, 1)), ("other colours", (1, 0.2, 0.05))):
        for number, angle in enumerate(np.linspace(2, 9, 8)):
            turned = np.asarray(first.rotate(float(angle), Image.Resampling.BICUBIC), dtype=float) * tint
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(turned.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
        found = howfar.compare(roads, tmp_path / name, "colour_moments", store=store, **QUICK).near_duplicates
        of_primary = found[found["other_dataset"] == roads.name]
        listed[name] = set(of_primary.loc[of_primary["found_by"] == "features", "image"])
    assert listed["same colours"]
    assert not listed["other colours"]


def signs(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1, 1], (count, 64))


@pytest.mark.parametrize("pairs_per_tile", [1, 50, 1 << 22])
def test_it_is_the_least_hamming_distance(pairs_per_tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "PAIRS_PER_TILE", pairs_per_tile)
    a, b = signs(30, 0), signs(5000, 1)
    distances = cdist(a > 0, b > 0, "hamming")
    found = best_match(a, b)
    np.testing.assert_array_equal(found.rows, distances.argmin(axis=1))
    np.testing.assert_allclose(found.agreement, 1 - distances.min(axis=1), atol=1e-12)


def framed(count: int, share: float, seed: int) -> np.ndarray:
    """Hashes of which each bit is that of one frame with a probability."""
    frame = np.random.default_rng(99).choice([-1, 1], 256)
    return np.where(np.random.default_rng(seed).random((count, 256)) < share, frame, -frame)


@pytest.mark.parametrize("same", [False, True])
def test_usual_agreement_is_that_of_all_pairs_but_the_best(same: bool) -> None:
    a = framed(12, 0.8, 0)
    b = a if same else framed(9, 0.7, 1)
    turned = np.random.default_rng(2).choice([-1, 1], (12, 256))
    shares = np.maximum(1 - cdist(a, b, "hamming"), 1 - cdist(turned, b, "hamming"))
    left = np.ones_like(shares, dtype=bool)
    if same:
        np.fill_diagonal(left, val=False)
    left[np.arange(12), np.where(left, shares, -1).argmax(axis=1)] = False
    low, middle = np.quantile(shares[left], (0.1, 0.5))
    assert usual_agreement(a, b, turned, same=same, spreads=2.0) == pytest.approx(middle + 2 * (middle - low))


def test_images_of_one_group_are_no_copies_of_each_other() -> None:
    signs = np.sign(np.random.default_rng(0).normal(size=(5, 64)))
    signs[1] = signs[3] = signs[0]
    match = best_match(signs, signs, earlier=True, groups=np.array([0, 0, 1, 1, 2]))
    assert match.agreement[1] == 0
    assert match.rows[1] == -1
    assert (match.rows[3], match.agreement[3]) == (0, 1.0)
