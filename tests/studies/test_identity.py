"""The study of identity: its sets, shares, margins and draws; its numbers against a computation of their own; refusals."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.spatial.distance import cdist

import howfar
from howfar.arrays import FloatArray
from howfar.backbones import load_backbone
from howfar.backbones.preprocessing import PerturbedBackbone
from howfar.data import Dataset, Item
from howfar.data.image_groups_and_variations import FINEGPR, variations
from howfar.errors import HowfarError, InputError
from howfar.paper.person_identity import PARTS, FromReferences, VariationSets, claim, compared, described, rows
from howfar.perturb import named
from howfar.projection import joint_pca
from howfar.results.distance_studies import Identity
from people import write_people

pytestmark = pytest.mark.usefixtures("undrawn")
STUDY = """
[datasets]
people.path = "people"
[backbones.pixels]
[backbones.colour_moments]
[studies.identity]
dataset = "people"
backbones = ["pixels", "colour_moments"]
components = 4
bootstrap = 200
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two persons in three views, two weathers, two lights and three scenes, 24 images."""
    root = tmp_path_factory.mktemp("identity")
    write_people(root / "people", (1, 2), views=(1, 10, 19), weathers=(1, 4), lights=(3, 4), scenes=(1, 3, 5))
    return root


@pytest.fixture(scope="module")
def identity(people: Path) -> Identity:
    """The study of these people by the two trivial backbones, with blur and without."""
    (people / "study.toml").write_text(STUDY)
    return howfar.study(people / "study.toml", progress=False)["identity"]


NAMES = [
    f"{person:04d}_c{view:02d}_w01_l{light:02d}_p01.jpg" for person in (1, 2, 10) for view in (1, 2, 10) for light in (3, 4)
]


def images(names: list[str]) -> Dataset:
    return Dataset("people", tuple(Item(name, Path(name)) for name in names))


def test_sets_stand_by_person_and_value_in_natural_order_with_the_rows_of_their_images() -> None:
    table = described(images(NAMES[::-1]), FINEGPR, (), ())
    assert list(compared(table, (), None, 0)) == ["view", "light"]
    with pytest.raises(InputError, match="variations must have two values for some person, got 'weather'"):
        compared(table, ("weather",), None, 0)
    views = compared(table, ("view",), None, 0)["view"]
    assert views.labels().to_numpy().tolist()[:4] == [["1", "1"], ["1", "2"], ["1", "10"], ["2", "1"]]
    assert views.persons[-1] == "10"
    assert [table["image"][row] for row in views.rows[1]] == [NAMES[3], NAMES[2]]
    assert sorted(np.concatenate(views.rows)) == list(range(18))
    assert views.references.tolist() == list(range(9))
    assert views.own[1].tolist() == [True, False, True] + [False] * 6
    assert views.others[1].tolist() == [False] * 3 + [True] * 6
    assert set(described(images(NAMES), FINEGPR, (), (1, "10"))["person"]) == {"1", "10"}


def people_of(persons: str, values: str = "xyz") -> VariationSets:
    sets = np.array(list(itertools.product(persons, values)), dtype=object)
    return VariationSets(*sets.T, (np.arange(2),) * len(sets), np.arange(len(sets)))


def measured(violated: list[float], margins: list[float]) -> FromReferences:
    square = np.ones((len(violated), len(violated)))
    return FromReferences(square, square, np.array(violated), np.array(margins), np.empty(0))


def test_shares_weigh_primary_sets_by_their_pairs() -> None:
    sets = people_of("ab")  # of five, a: 2 own × 2 others; b: 1 own × 3 others
    uneven = VariationSets(sets.persons[:5], sets.values[:5], sets.rows[:5], np.arange(5))
    row = claim(measured([0.5, 0.5, 0.5, 0.0, 0.0], [-1, 3, -2, 1, np.nan]), uneven, 0, np.random.default_rng(0))[0]
    assert row["pairs"] == 3 * 4 + 2 * 3
    assert row["violated"] == pytest.approx(3 * 4 * 0.5 / 18)
    assert (row["margin"], row["least"], row["holding"]) == (0.0, -2.0, 2)
    assert np.isnan([row["low"], row["high"], row["margin_low"], row["margin_high"]]).all()


def test_draws_of_persons_keep_a_persons_primary_sets_together() -> None:
    """Of five persons one violates every pair: a draw's share is k/5, k binomial."""
    row, draws = claim(measured([1.0] * 3 + [0.0] * 12, [0.0] * 15), people_of("abcde"), 4000, np.random.default_rng(0))
    shares, counts = np.unique(draws.round(9), return_counts=True)
    assert set(shares) <= {0, 0.2, 0.4, 0.6, 0.8, 1.0}
    assert counts[0] / 4000 == pytest.approx(0.8**5, abs=0.03)
    assert row["violated"] == pytest.approx(0.2)


def test_draws_of_primary_sets_keep_the_persons_number_of_them() -> None:
    """Two persons, one of which violates all pairs and the other none: every draw holds as many of each."""
    row, draws = claim(measured([1.0] * 3 + [0.0] * 3, [-1.0] * 3 + [1.0] * 3), people_of("ab"), 50, np.random.default_rng(0))
    assert draws == pytest.approx(np.full(50, 0.5))
    assert (row["margin_low"], row["margin_high"]) == pytest.approx((0, 0))


def test_a_change_is_measured_draw_by_draw() -> None:
    shares = np.random.default_rng(1).random(9).round(2)
    found = {
        ("pixels", name, "view"): claim(
            measured((shares + step).tolist(), [0.0] * 9), people_of("abc"), 300, np.random.default_rng(7)
        )
        for name, step in (("none", 0), ("blur", 0.1))
    }
    row = rows(found, {"view": "primary sets"})[1]
    assert [row["change"], row["change_low"], row["change_high"]] == pytest.approx([0.1, 0.1, 0.1])


FACES = r"""
[datasets]
faces = { path = "faces" }
[backbones.pixels]
[studies.faces]
kind = "identity"
dataset = "faces"
pattern = '(?P<person>[a-z]+)/(?P<picture>\d+)'
backbones = ["pixels"]
perturbations = []
"""


def expected(x: FloatArray, table: pd.DataFrame, variation: str) -> tuple[pd.DataFrame, FloatArray]:
    """Compute O^dist between all pairs of sets by a PCA of each pair's features; I^dist from the first set comes second."""
    groups = {key: rows.to_numpy() for key, rows in table.groupby(["person", variation]).groups.items()}
    first = min(groups)
    found, images = [], np.full(len(x), np.nan)
    for primary, other in itertools.permutations(sorted(groups), 2):
        pair = joint_pca(x[groups[primary]], x[groups[other]], 4)
        d = cdist(pair.secondary, pair.primary).mean(axis=1)
        found.append((*map(str, (*primary, *other)), d.mean()))
        if primary == first:
            images[groups[other]] = d
    columns = ["reference_person", "reference_value", "person", "value", "o_dist_mean"]
    return pd.DataFrame(found, columns=columns), images


@pytest.mark.parametrize(("backbone", "perturbation"), [("pixels", "none"), ("colour_moments", "none"), ("pixels", "blur")])
@pytest.mark.parametrize("variation", ["view", "scene"])
def test_distances_and_claims_are_those_of_a_pca_of_each_pair(identity, people, backbone, perturbation, variation):
    dataset = Dataset.from_folder(people / "people")
    loaded = load_backbone(backbone)
    changed = loaded if perturbation == "none" else PerturbedBackbone(loaded, named(perturbation))
    x = howfar.embed(dataset, changed, progress=False).to_array()
    names = [item.name for item in dataset.items]
    wanted, images = expected(x, variations(names), variation)
    distances = identity.named(backbone, perturbation, variation, "distances")
    merged = distances.merge(wanted, on=list(wanted)[:4], suffixes=("", "_wanted"), validate="one_to_one")
    assert len(merged) == len(wanted) == len(distances)
    np.testing.assert_allclose(merged["o_dist_mean"], merged["o_dist_mean_wanted"], rtol=1e-5)

    shares, margins = [], []
    for _, own_rows in wanted.groupby(["reference_person", "reference_value"]):
        own = own_rows["o_dist_mean"][own_rows["person"] == own_rows["reference_person"]].to_numpy()
        others = own_rows["o_dist_mean"][own_rows["person"] != own_rows["reference_person"]].to_numpy()
        shares.append([b <= a for a in own for b in others])
        margins.append(others.min() / own.max() - 1)
    claim = identity.named(backbone, perturbation, variation, "claims").iloc[0]
    assert claim["violated"] == pytest.approx(np.mean(np.concatenate(shares)))
    assert (claim["pairs"], claim["references"]) == (sum(map(len, shares)), len(shares))
    assert (claim["margin"], claim["least"]) == pytest.approx((np.median(margins), min(margins)), abs=1e-4)
    assert claim["holding"] == sum(not any(each) for each in shares)
    shown = identity.named(backbone, perturbation, variation).set_index("image")["i_dist_mean"]
    of_images = pd.Series(images, index=names).dropna()
    np.testing.assert_allclose(shown[of_images.index], of_images, rtol=1e-5)


def test_the_share_that_is_blind_to_persons_counts_the_primarys_own_value(identity: Identity) -> None:
    """Of three views one is the primary's: 1/3 of pairs are violated for sure, and half of the rest."""
    blind = identity.claims.set_index("variation")["blind"]
    assert blind["view"].unique() == pytest.approx([2 / 3])
    assert blind["weather"].unique() == pytest.approx([3 / 4])


def test_a_second_run_reads_and_a_killed_one_goes_on(identity: Identity, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from howfar.paper import person_identity as study

    file = people / "again.toml"
    file.write_text((people / "study.toml").read_text().replace("bootstrap = 200", "bootstrap = 100"))
    measure, seen = study.from_references, list[int]()

    def killed(*given: Any) -> Any:
        seen.append(1)
        if len(seen) == 6:
            raise KeyboardInterrupt
        return measure(*given)

    monkeypatch.setattr(study, "from_references", killed)
    with pytest.raises(KeyboardInterrupt):
        howfar.study(file, progress=False)
    again = howfar.study(file, progress=False)["identity"]
    assert len(seen) == 6 + 11
    pd.testing.assert_frame_equal(again.distances, identity.distances)
    assert not (people / "again" / "identity" / PARTS).exists()


def write_faces(root: Path, count: int) -> Path:
    rng = np.random.default_rng(0)
    for person in "abcdef"[:count]:
        (root / "faces" / person).mkdir(parents=True)
        face = rng.integers(0, 200, (16, 16, 3))
        for picture in (1, 2, 3):
            noisy = face + rng.integers(0, 40, face.shape)
            Image.fromarray(noisy.astype(np.uint8)).save(root / "faces" / person / f"{picture}.png")
    (root / "study.toml").write_text(FACES)
    return root / "study.toml"


def test_sets_of_one_image_have_distances_and_no_relative_ones(tmp_path: Path) -> None:
    result = howfar.study(write_faces(tmp_path, 6), progress=False)["faces"]
    claim = result.claims.iloc[0]
    assert (claim["pairs"], claim["violated"], claim["holding"]) == (18 * 2 * 15, 0.0, 18)
    assert claim["margin"] > 0
    assert (claim["low"], claim["high"], claim["interval_over"]) == (0.0, 0.0, "persons")
    assert result.distances["relative"].isna().all()
    pixels = howfar.embed(Dataset.from_folder(tmp_path / "faces"), "pixels", progress=False).to_array()
    np.testing.assert_allclose(result.distances["o_dist_mean"].iloc[0], np.linalg.norm(pixels[0] - pixels[1]), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ('pattern = "(?P<person>[0-9]+)_c(?P<view>[0-9]+)"', "pattern must match the name of every image"),
        ("pattern = '(?P<who>[0-9]+)_c(?P<view>[0-9]+).*'", "pattern must have person, and another for what varies"),
        ("pattern = '(?P<person>[0-9]+)_.*'", "pattern must have person, and another for what varies"),
        ('variations = ["weathr"]', "variations must be among those of the images, got 'weathr': did you mean weather?"),
        ("persons = [1, 3]", "persons must be persons of people, got '3': the persons are 1, 2"),
        ("persons = [1]", "persons must be at least two"),
        ('perturbations = ["blurr"]', "perturbations: no perturbations named 'blurr'"),
        ('perturbations = ["blur", "blur"]', "perturbations must not repeat one"),
        ('columns = ["person", "view"]', "columns must be of a dataset that is a CSV or Parquet table"),
        ("references = 0", "studies.identity.references must"),
    ],
)
def test_what_is_wrong_is_one_line_before_any_work(people: Path, tmp_path: Path, change: str, line: str) -> None:
    text = (people / "study.toml").read_text().replace('"people"\n[', f'"{people / "people"}"\n[')
    (tmp_path / "study.toml").write_text(f"{text}{change}\n")
    with pytest.raises(HowfarError) as caught:
        howfar.study(tmp_path / "study.toml", progress=False)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "study").rglob("*.npy"))
