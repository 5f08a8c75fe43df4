"""What pages and sections say, kept as texts in ``snapshots/``: read a change of words with ``git diff``."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import believable_distances
import believable_identity
import believable_pool
import howfar
from categories import write_categories, write_study
from figures import believable
from figures.believable_relation import of_comparison as relation
from howfar.paper import (
    backbones_and_components_report,
    person_identity_report,
    scene_categories_report,
    segmenter_ranking_report,
    slopes_and_suppression_report,
)
from howfar.paper.slopes_and_suppression import PERFORMANCE, SUPPRESSION, PerformanceSettings, SuppressionSettings
from howfar.report.backbones_report import write_backbones_report
from howfar.report.certificate_report import write_certificate_report
from howfar.report.comparison_report import write_report
from howfar.report.matrix_report import write_matrix_report
from howfar.report.section import Context, FigurePart, Section
from howfar.results import Comparison, Relation
from howfar.results.adaptation_result import Adaptations
from howfar.results.distance_studies import Robustness, Scenes
from howfar.results.relation_result import DistanceSlice, PerformanceSlice
from howfar.studies.study_file.run_and_estimate import study
from snapshots import check, figure_text, page_text, section_text

HERE = Path(__file__).parent / "snapshots"
SYMBOLS = {"roads": "S_1", "walls": "S_4", "training & <set>": "P"}


def check_page(file: Path, name: str, base: str = "") -> None:
    check(page_text(file.read_text(encoding="utf-8")), HERE / f"{name}.md", HERE / f"{base}.md" if base else None)


def check_section(section: Section, name: str, base: str) -> None:
    """Compare a section's words, and what its figures show; of a variant what differs from the first one's."""
    figures = [f"\n\n---- {part.name}\n{figure_text(part.draw())}" for part in section.parts if isinstance(part, FigurePart)]
    check(section_text(section) + "".join(figures), HERE / f"{name}.md", None if name == base else HERE / f"{base}.md")


@pytest.mark.parametrize("name", ["comparison", "relation"])
def test_page_of_a_run_with_its_figures(name: str, request: pytest.FixtureRequest) -> None:
    check_page(request.getfixturevalue("report" if name == "comparison" else "related_report"), name)


def with_slices(six: Comparison) -> Comparison:
    def one(value: str, p: float | None, difference: float | None, energy: float | None = None) -> DistanceSlice:
        ci = None if p is None else (1.4, 1.6)
        return DistanceSlice(
            "roads-dry", "camera", value, 20, 3.1, 1.5, ci, 0.25, difference, p, p, p is None, energy, ci, p, p
        )

    return replace(six, slices=(one("A", 0.01, 0.5, 0.2), one("", 0.02, 0.4), one("B", 0.2, -0.5), one("C", None, None)))


def embeddings(comparison: Comparison) -> Comparison:
    """The result of ready-made embeddings, without trivial backbones and remarks."""
    images = comparison.images.assign(path="")
    return replace(comparison, images=images, baselines=(), leaks=(), skipped=(), notes=())


def bare(related: Relation) -> Relation:
    """A task without thresholds, whose intervals of images are unknown."""
    datasets = tuple(
        replace(
            row,
            trend=None if row.trend is None else replace(row.trend, partial=None, groups=row.trend.n),
            halves=tuple(replace(part, performance=part.performance_common, threshold=None) for part in row.halves),
            thirds=(),
        )
        for row in related.datasets
    )
    images = related.images.assign(estimate_low=np.nan, p_value=np.nan)
    settings = replace(related.settings, threshold=None, group=None)
    slices = (PerformanceSlice("roads-dry", "camera", "A", 20, 18, 12, 0.5, (0.4, 0.6), 0.55, 3, -0.2, 0.01, 0.005, False),)
    first, *rest = related.judgements
    judgements = (replace(first, sets=2, images=1030), *rest)
    return replace(related, datasets=datasets, images=images, settings=settings, slices=slices, judgements=judgements)


def projected(six: Comparison, projection: Any, permutations: int) -> Comparison:
    settings = replace(six.settings, projection=projection, permutations=permutations)
    return replace(believable.only(six, 0), settings=settings)


def without_list(related: Relation) -> Relation:
    failures = tuple(replace(one, listed=0) for one in related.failures)
    return replace(related, images=related.images.assign(listed=False), failures=failures)


RUNS: dict[str, Callable[[Comparison, Relation], tuple[Comparison, Relation | None]]] = {
    "one set of one image": lambda six, _: (believable.only(six, 5), None),
    "without yardstick": lambda six, _: (believable.without_yardstick(believable.only(six, 0, 3)), None),
    "equal distances": lambda six, _: (believable.constant(believable.only(six, 0, 3)), None),
    "embeddings": lambda six, _: (embeddings(believable.only(six, 0, 1)), None),
    "joint projection": lambda six, _: (projected(six, "joint", 9), None),
    "no projection": lambda six, _: (projected(six, "none", 0), None),
    "slices and copies": lambda six, related: (with_slices(believable.with_copies(six)), bare(related)),
    "nothing known": lambda six, _: (six, relation(six, unlabelled=[d.name for d in six.datasets])),
    "one labelled": lambda six, _: (six, relation(six, unlabelled=[d.name for d in six.datasets][1:])),
    "blank sets": lambda six, _: (six, relation(six, blank=[d.name for d in six.datasets][:2])),
    "no list": lambda six, related: (six, without_list(related)),
    "all listed": lambda six, related: (six, replace(related, images=related.images.assign(listed=True))),
}


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("name", RUNS)
def test_page_of_a_run(name: str, six: Comparison, related: Relation, tmp_path: Path) -> None:
    comparison, own = RUNS[name](six, related)
    page = write_report(comparison, tmp_path, own)
    assert "nan" not in page_text(page.read_text(encoding="utf-8")).lower().split()
    check_page(page, f"run, {name}", "comparison" if own is None else "relation")


def test_page_of_an_assessed_run(assessed_report: Path) -> None:
    check_page(assessed_report, "run, assessed", "relation")


def test_page_of_backbones(demo_folders: list[Path], tmp_path: Path) -> None:
    primary, *secondaries = demo_folders
    names = ("pixels", "colour_moments")
    options: dict[str, Any] = {"bootstrap": 50, "permutations": 0, "progress": False, "store": tmp_path / "store"}
    found = howfar.compare_backbones(primary, secondaries, names, **options)
    page = write_backbones_report(found, tmp_path / "run")
    check_page(page, "backbones")
    links = {one for one in re.findall(r'href="([^#][^"]*)"', page.read_text()) if not one.startswith("data:")}
    assert links == {"https://arxiv.org/abs/2308.03580", *(f"{folder}/report.html" for folder in found.folders().values())}


def test_page_of_a_matrix(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sets = {f"set {k}": rng.normal(0, 0.2, size=(12, 3)) + np.array([k, 0, 0]) for k in rng.permutation(4)}
    check_page(write_matrix_report(howfar.matrix(sets, progress=False, components=3), tmp_path), "matrix")


PREDICTED = np.linspace(0.1, 0.9, 60)
CERTIFICATES: dict[str, tuple[int, int, dict[str, Any]]] = {
    "some labels": (12, 16, {}),
    "before labels": (0, 16, {}),
    "too few labels": (1, 16, {}),
    "all labels": (60, 60, {}),
    "settled": (30, 40, {"until": "F >= 0.1"}),
    "settled against": (30, 40, {"until": "F >= 0.9"}),
    "open": (10, 40, {"until": "±0.05"}),
}


@pytest.mark.parametrize("name", [*CERTIFICATES, "false positives", "undefined"])
def test_page_of_a_certificate(name: str, tmp_path: Path) -> None:
    labelled, k, given = CERTIFICATES.get(name, (12, 16, {}))
    order = [one.index for one in howfar.certify(PREDICTED, k=k, **given).sample]
    certificate = howfar.certify(PREDICTED, k=k, labels=(PREDICTED**1.5)[order][:labelled], **given)
    if name == "false positives":
        certificate = replace(certificate, metric="false_positive_rate", words="share of images")
    if name == "undefined":
        none = tuple(replace(one, performance=None) for one in certificate.sample)
        certificate = replace(certificate, sample=none, value=None, low=None, high=None)
    check_page(
        write_certificate_report(certificate, tmp_path),
        f"certificate, {name}",
        "" if name == "some labels" else "certificate, some labels",
    )
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    steps, sample = {"steps.svg", "steps.png"}, {"sample.svg", "sample.png"}
    assert drawn == ({*()} if labelled < 2 else steps if name in ("false positives", "undefined") else steps | sample)


@pytest.mark.parametrize("name", ["several", "one", "near"])
def test_section_of_distances(name: str) -> None:
    rows = {"net": (1, 2, 5, 6), "other": (1, 5, 2, 6), "pixels": (1, 2, 7, 5)}
    table = believable_distances.make(**{"several": rows, "one": {"net": (4, 4, 5, 6)}, "near": {"net": (0, 4, 5, 6)}}[name])
    symbols = {"roads": "P", "north": "S_1", "south": "S_3", "birds": "S_5", "boats": "S_6"} if name != "one" else {}
    check_section(
        backbones_and_components_report.distance_section(table, Context(Path(), symbols)),
        f"distances, {name}",
        "distances, several",
    )


@pytest.fixture(scope="module")
def categories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_categories(tmp_path_factory.mktemp("categories"), 5)


@pytest.fixture(scope="module")
def scenes(categories: Path) -> Scenes:
    done: Any = study(write_study(categories, "scenes", 'primaries = ["campus", "kitchen"]\nk = 2'), progress=False)
    return done["scenes"]


@pytest.fixture(scope="module")
def robustness(tmp_path_factory: pytest.TempPathFactory) -> Robustness:
    folder = write_categories(tmp_path_factory.mktemp("perturbed"), 9)
    body = 'primary = "campus"\nk = 1\nperturbations = ["darker", "noise", "blur"]'
    done: Any = study(write_study(folder, "robustness", body), progress=False)
    return done["robustness"]


@pytest.mark.parametrize("name", ["two primaries", "many primaries", "one backbone", "undefined", "by relative"])
def test_section_of_scenes(name: str, scenes: Scenes) -> None:
    if name == "many primaries":
        scenes = replace(scenes, primaries=("campus", "kitchen") * 2)
    elif name == "one backbone":
        scenes = replace(scenes, backbones=scenes.backbones[:1], agreement=scenes.agreement.iloc[:0])
    elif name == "undefined":
        blank = dict.fromkeys(("self_distance", "relative", "relative_low", "relative_high"), float("nan"))
        scenes = replace(scenes, distances=scenes.distances.assign(**blank))
    elif name == "by relative":
        scenes = replace(scenes, distances=scenes.distances.assign(relative=scenes.distances["rank"].rsub(9).astype(float)))
    check_section(scene_categories_report.scenes_section(scenes, Context(Path())), f"scenes, {name}", "scenes, two primaries")


@pytest.mark.parametrize("name", ["three", "one"])
def test_section_of_robustness(name: str, robustness: Robustness) -> None:
    if name == "one":
        robustness = replace(
            robustness,
            perturbations={"noise": robustness.perturbations["noise"]},
            stability=robustness.stability[robustness.stability["perturbation"] == "noise"],
        )
    check_section(
        scene_categories_report.robustness_section(robustness, Context(Path())), f"robustness, {name}", "robustness, three"
    )


@pytest.mark.parametrize("name", ["two persons", "many persons"])
def test_section_of_identity(name: str, tmp_path: Path) -> None:
    names = ("a$b_{$", *(f"person{number}" for number in range(15)))
    made = (
        believable_identity.make(tmp_path, views=9)
        if name == "two persons"
        else believable_identity.make(tmp_path, persons=names, single=True)
    )
    check_section(person_identity_report.section(made, Context(Path("run"))), f"identity, {name}", f"identity, {name}")


POOLS: dict[str, dict[str, Any]] = {
    "sure": {},
    "unsure": {"noise": 0.15, "seeds": 3},
    "weights": {"weights": {"fast": 1.0, "stable": 3.0}, "blind": ("new",), "level": 0.95},
    "one wish": {"wishes": ("recall",), "level": 0.3, "tuned": False},
}


@pytest.mark.parametrize("name", POOLS)
def test_section_of_a_pool(name: str) -> None:
    section = segmenter_ranking_report.section(believable_pool.make(**POOLS[name]), Context(Path("pool")))
    check_section(section, f"pool, {name}", "pool, sure")


@pytest.fixture(scope="module")
def learnt(several: Adaptations) -> dict[str, Any]:
    """Both studies of what segmenters learnt, with what writes their sections."""
    inputs: Any = SimpleNamespace(results={"gain": several})
    suppression = SUPPRESSION.run(SuppressionSettings(of="gain", bootstrap=40), inputs)
    performance = PERFORMANCE.run(PerformanceSettings(of="gain", bootstrap=40), inputs)
    return {
        "suppression": (suppression, slopes_and_suppression_report.suppression_section),
        "performance by distance": (performance, slopes_and_suppression_report.performance_section),
    }


@pytest.mark.parametrize("variant", ["", ", one seed", ", no interval"])
@pytest.mark.parametrize("name", ["suppression", "performance by distance"])
def test_section_of_what_segmenters_learnt(name: str, variant: str, learnt: dict[str, Any], run_folder: Path) -> None:
    made, section = learnt[name]
    if variant == ", no interval":
        table = "changes" if name == "suppression" else "slopes"
        made = replace(made, **{table: getattr(made, table).assign(low=np.nan, high=np.nan, cost=np.nan)})
    made = replace(made, seeds=(1,)) if variant == ", one seed" else made
    # Figures of the study of adaptation have tests of their own.
    found = section(made, Context(run_folder / name, SYMBOLS))
    own = [part for part in found.parts if not part.name.startswith(("curves", "bars", "rows"))] if not variant else []
    check_section(replace(found, parts=own), name + variant, name + variant)
