import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

import howfar
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.results import Comparison


def rows(seed: int, n: int, q: int = 40, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, size=(n, q)) * np.linspace(3, 0.3, q)


@pytest.fixture(scope="module")
def found() -> Comparison:
    secondaries = {"same": rows(1, 60), "near": rows(2, 50, shift=0.2), "far": rows(3, 40, shift=2.0)}
    return howfar.compare(rows(0, 80), secondaries, components=10, bootstrap=300, permutations=199)


def test_numbers_are_those_of_an_independent_computation(found: Comparison) -> None:
    p, s = rows(0, 80), rows(3, 40, shift=2.0)
    scores = PCA(10, svd_solver="full").fit_transform(np.concatenate([p, s]))
    low_p, low_s = scores[:80], scores[80:]
    between, within_p, within_s = (cdist(a, b) for a, b in ((low_s, low_p), (low_p, low_p), (low_s, low_s)))
    far = found.datasets[2]
    own = within_p.sum() / (80 * 79)
    assert far.o_dist == pytest.approx(between.sum(axis=1).mean())
    assert far.o_dist_mean == pytest.approx(between.mean())
    assert far.self_distance == pytest.approx(own)
    assert far.relative == pytest.approx(between.mean() / own)
    assert far.energy == pytest.approx(2 * between.mean() - within_p.mean() - within_s.mean())
    images = found.images[found.images.dataset == "far"]
    np.testing.assert_allclose(images.i_dist, between.sum(axis=1))
    np.testing.assert_allclose(images.i_dist_mean, between.mean(axis=1))
    scaled = (between.sum(axis=1) - between.sum(axis=1).min()) / np.ptp(between.sum(axis=1))
    np.testing.assert_allclose(images.i_dist_scaled, scaled, atol=1e-12)
    np.testing.assert_allclose(images.knn, np.sort(between, axis=1)[:, :5].mean(axis=1))
    loo = within_p.sum(axis=1) / 79
    percentile = [100 * ((loo < x).mean() + (loo == x).mean() / 2) for x in between.mean(axis=1)]
    np.testing.assert_allclose(images.percentile, percentile)
    p_values = [(1 + (loo >= x).sum()) / 81 for x in between.mean(axis=1)]
    np.testing.assert_allclose(images.p_value, p_values)
    assert far.beyond == pytest.approx(np.mean(np.array(p_values) <= 0.05))


def test_of_a_space_that_is_too_long_the_first_two_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("howfar.pipeline.pair_measurement.KEPT", 6)
    options = {"projection": "none", "permutations": 0, "bootstrap": 0}
    for q, kept in ((6, 6), (7, 2)):
        p, s = rows(0, 8, q=q), rows(1, 5, q=q)
        found = howfar.compare(p, {"s": s}, **options)
        assert found.datasets[0].components == q
        columns = [name for name in found.images if name.startswith("pc")]
        assert columns == [f"pc{number}" for number in range(1, kept + 1)]
        wanted = PCA(kept, svd_solver="full").fit_transform(np.concatenate([p, s]))[8:]
        np.testing.assert_allclose(np.abs(found.images[columns]), np.abs(wanted), atol=1e-9)


def test_order_of_distances_and_verdicts(found: Comparison) -> None:
    same, near, far = found.datasets
    assert same.p_value > 0.05
    assert far.p_value == pytest.approx(3 / 200)
    assert same.energy < near.energy < far.energy
    assert sum(dataset.o_dist_scaled for dataset in found.datasets) == pytest.approx(1.0)
    # Corrected over the run.
    least = min(dataset.p_value_raw for dataset in found.datasets)
    assert min(dataset.p_value for dataset in found.datasets) == pytest.approx(min(1.0, 3 * least))
    for dataset in found.datasets:
        low, high = dataset.relative_ci
        assert low < dataset.relative < high
        low, high = dataset.energy_ci
        assert low <= dataset.energy <= high


def test_a_dataset_s_numbers_do_not_depend_on_its_companions(found: Comparison) -> None:
    alone = howfar.compare(rows(0, 80), {"far": rows(3, 40, shift=2.0)}, components=10, bootstrap=300, permutations=199)
    one, other = alone.datasets[0], found.datasets[2]
    assert (one.o_dist_mean, one.relative_ci, one.energy_ci, one.p_value_raw) == (
        other.o_dist_mean,
        other.relative_ci,
        other.energy_ci,
        other.p_value_raw,
    )


def test_the_primary_mode_s_test_treats_both_sets_alike() -> None:
    """Fitted on P alone, P's rows spread more than S's in its own directions; the permutation test must not see that."""
    p_values = []
    for seed in range(40):
        x = np.random.default_rng(seed).normal(size=(60, 200))
        found = howfar.compare(x[:30], {"half": x[30:]}, projection="primary", bootstrap=0, permutations=99)
        p_values.append(found.datasets[0].p_value)
    assert sum(p < 0.05 for p in p_values) <= 6


def test_single_images_are_measured_and_said_to_be_few() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = howfar.compare(rows(0, 1), {"one": rows(1, 1)}, permutations=9, bootstrap=9)
    (one,) = found.datasets
    assert one.relative is None
    assert one.relative_ci is None
    assert one.o_dist_mean == pytest.approx(np.linalg.norm(rows(0, 1) - rows(1, 1)))
    assert any("single image" in note for note in found.notes)
    assert any("only 1 of the 25 components exist for one" in note for note in found.notes)
    assert "–" in repr(found)


def test_limit_draws_at_random_with_the_seed_and_keeps_the_order() -> None:
    p, s = rows(0, 30), rows(1, 50)

    def drawn(seed: int) -> list[str]:
        found = howfar.compare(p, {"s": s}, limit=20, seed=seed, permutations=0, bootstrap=0)
        assert (found.primary.n, found.datasets[0].n, found.settings.limit) == (20, 20, 20)
        return list(found.images.image)

    first = drawn(0)
    assert first == drawn(0)
    assert first != drawn(1)
    places = [int(name.partition("-")[2]) for name in first]
    assert places != list(range(places[0], places[0] + 20))
    assert places == sorted(places)


def test_what_the_settings_do_to_the_numbers_is_said() -> None:
    found = howfar.compare(
        rows(0, 30), {"few": rows(1, 12), "many": rows(2, 40)}, neighbours=31, permutations=9, bootstrap=0, projection="primary"
    )
    assert any("31 neighbours were asked for" in note for note in found.notes)
    assert any("in the pair projection" in note for note in found.notes)
    assert not any("moves its relative distance" in note for note in found.notes)
    paired = howfar.compare(rows(0, 30), {"few": rows(1, 12), "many": rows(2, 40)}, permutations=9, bootstrap=0)
    assert any("limit=12 (--limit 12) measures all at one size" in note for note in paired.notes)
    assert not any("in the pair projection" in note or "neighbours" in note for note in paired.notes)


def test_bad_datasets_are_one_line(demo_folders: list[Path]) -> None:
    with pytest.raises(InputError, match="at least one dataset"):
        howfar.compare(rows(0, 5), [])
    with pytest.raises(InputError, match=r"names of their own.*NAME=PATH"):
        howfar.compare(demo_folders[0], [demo_folders[1], demo_folders[1]], progress=False)
    with pytest.raises(InputError, match="all images or all embeddings"):
        howfar.compare(demo_folders[0], {"s": rows(1, 5)}, progress=False)
    with pytest.raises(InputError, match="same features"):
        howfar.compare(rows(0, 5), {"s": rows(1, 5, q=7)})


FLAT = "the features of primary do not differ"
ROUNDED = f"{FLAT} by more than rounding: it has no self-distance to be relative to, and other distances may be rounding too"


def notes(p: np.ndarray, s: np.ndarray) -> list[str]:
    found = howfar.compare(p, {"s": s}, bootstrap=0, permutations=0, progress=False)
    return [note for note in found.notes if "components" not in note]


def normal_rows(seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, size=(30, 5))


@pytest.mark.parametrize(
    ("p", "s", "expected"),
    [
        *((normal_rows(0) + offset, normal_rows(1, 1.0) + offset, []) for offset in (0.0, 1e6, 1e9)),
        (normal_rows(0) + 1e14, normal_rows(1, 1.0) + 1e14, [ROUNDED]),
        (
            np.ones((30, 5)),
            normal_rows(1),
            ["primary holds 29 exact copies of its own embeddings", f"{FLAT}: it has no self-distance to be relative to"],
        ),
        (
            normal_rows(0),
            np.concatenate([normal_rows(0)[:2], normal_rows(1)]),
            ["primary holds embeddings of s too (2): they make those sets look nearer"],
        ),
    ],
)
def test_offsets_constants_and_shared_rows(p: np.ndarray, s: np.ndarray, expected: list[str]) -> None:
    assert notes(p, s) == expected


def test_an_absurd_cell_is_named() -> None:
    s = normal_rows(1)
    s[3, 2] = 1e10
    (note,) = notes(normal_rows(0), s)
    assert note.startswith("row-3 of s is ")
    assert "by column 2: the dataset's mean and interval tell of that cell alone" in note


QUICK = {"backbone": "colour_moments", "baselines": False, "bootstrap": 0, "permutations": 0, "progress": False}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A dataset with a folder images/, and one whose images lie in its folder itself."""
    roads, plain = (write_dataset(tmp_path / name, 4, seed=seed, size=32) for seed, name in enumerate(("roads", "made")))
    shutil.copytree(plain / "images", tmp_path / "plain")
    return roads, tmp_path / "plain"


@pytest.mark.parametrize("below", ["", "run", "run/deep"])
def test_the_folder_of_images_is_refused(folders: tuple[Path, Path], below: str) -> None:
    roads, plain = folders
    with pytest.raises(InputError, match=r"^out must not lie among the images of plain, of which"):
        howfar.compare(roads, plain, out=plain / below, **QUICK)
    several = {**QUICK, "backbones": ["colour_moments", "pixels"]}
    del several["backbone"]
    with pytest.raises(InputError, match=r"^out must not lie among the images of plain, of which"):
        howfar.compare_backbones(roads, plain, out=plain / below, **several)
    assert sorted(file.name for file in plain.rglob("*") if file.is_file()) == ["0001.jpg", "0002.jpg", "0003.jpg", "0004.jpg"]
