"""The UMAP of a run: what it is made of, that it is kept and not made twice, and how pages show it."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import howfar
from explore_names import SITES
from explore_pages import served
from howfar.cli.main import run as command
from howfar.errors import InputError, MissingExtraError, StoreError
from howfar.explore.image_rows_and_positions import points_of
from howfar.results import Comparison
from howfar.results.comparison_result import ImageMap
from howfar.studies import image_umap
from howfar.studies.image_umap import check_map, keep_map

QUICK: dict[str, Any] = {"bootstrap": 0, "permutations": 0, "rivals": False, "progress": False}


class Recorded:
    """Stands for UMAP: a place is half of where it begins, so that tests know which rows came in which order."""

    made: int = 0
    given: tuple[Any, ...] = ()

    def __init__(self, **options: Any) -> None:
        self.options = options

    def fit_transform(self, rows: Any) -> Any:
        Recorded.made += 1
        Recorded.given = (self.options, rows)
        return self.options["init"] / 2


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Recorded]:
    module = ModuleType("umap")
    module.UMAP = Recorded  # type: ignore[attr-defined]  # as umap-learn has it
    monkeypatch.setitem(sys.modules, "umap", module)
    monkeypatch.setattr(image_umap, "find_spec", lambda name: name)
    Recorded.made = 0
    return Recorded


def compared(**options: Any) -> Comparison:
    rng = np.random.default_rng(0)
    sites = {"near": rng.normal(size=(9, 6)), "far": rng.normal(2, 1, size=(8, 6))}
    made: Comparison = howfar.compare(rng.normal(size=(12, 6)), sites, **{**QUICK, **options})
    return made


@pytest.mark.parametrize(("projection", "panels"), [("pair", ["near", "far"]), ("primary", [""]), ("joint", [""])])
def test_each_space_has_a_map_that_begins_at_its_components(fake, tmp_path, projection, panels):
    run = compared(projection=projection, map="umap", out=tmp_path / "run")
    found = ImageMap.of(run)
    assert found is not None
    assert (found.panelled, found.components, found.seed, found.first) == (projection == "pair", 6, 0, "umap")
    assert list(dict.fromkeys(found.places["against"])) == panels
    assert fake.made == len(panels)
    options, rows = fake.given
    assert (options["random_state"], options["n_jobs"], options["n_neighbors"]) == (0, 1, 15)
    assert rows.shape == (20 if projection == "pair" else 29, 6)
    pca, umap = sorted(points_of(run, None, found).places.planes, key=lambda plane: plane.name)
    here = points_of(run, None, found).places.panel == 0
    scale = umap.x[here][0] / pca.x[here][0]
    assert np.allclose(umap.x[here], scale * pca.x[here], atol=1e-5)
    assert np.allclose(umap.y[here], scale * pca.y[here], atol=1e-5)


def test_it_is_kept_and_the_pages_remember_what_they_open_with(fake: type[Recorded], run: Path) -> None:
    assert command(["report", str(run), "--map", "umap", "--store", str(run / "store")]) == 0
    assert fake.made == len(SITES)
    comparison = Comparison.load(run)

    def planes() -> list[str]:
        return [plane.name for plane in points_of(comparison, None, ImageMap.of(comparison)).places.planes]

    assert planes() == ["umap", "pca"]
    keep_map(comparison, "umap")
    keep_map(comparison, "pca")
    assert planes() == ["pca", "umap"]
    keep_map(comparison, None)
    keep_map(comparison, "umap")
    assert planes() == ["umap", "pca"]
    assert fake.made == len(SITES)
    comparison.save(run)
    assert ImageMap.of(comparison) is None
    assert not (run / "map.parquet").exists()


def test_a_damaged_map_is_made_anew_where_one_is_asked_for(fake: type[Recorded], run: Path) -> None:
    again = ["report", str(run), "--map", "umap", "--store", str(run / "store")]
    assert command(again) == 0
    document = run / ImageMap.DOCUMENT
    whole = document.read_bytes()
    document.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match=r"the map of its images is damaged .*: run report --map umap again"):
        ImageMap.of(Comparison.load(run))
    assert command(again) == 0
    assert ImageMap.of(Comparison.load(run)) is not None
    (run / "map.parquet").unlink()
    assert command(again) == 0
    assert (run / "map.parquet").is_file()
    document.write_bytes(whole[:9])
    assert command(["report", str(run), "--map", "pca"]) == 0
    assert ImageMap.of(Comparison.load(run)) is None


def test_a_page_says_what_its_map_is_and_switches(run: Path, browser: Any) -> None:
    comparison = Comparison.load(run)
    names = [("", name, image) for name, image in zip(comparison.images["dataset"], comparison.images["image"], strict=True)]
    names += [("", "roads", image) for image in dict.fromkeys(comparison.primary_images["image"])]
    frame = pd.DataFrame(names, columns=["against", "dataset", "image"])
    places = frame.assign(x=np.arange(float(len(frame))), y=np.arange(float(len(frame))) % 5)
    ImageMap(places, False, 6, 15, 0, comparison.provenance).made_from(comparison).save(run)
    with served(browser, run) as (page, noise, _):
        by = page.locator(".view-plane select").first
        assert by.locator("option").all_inner_texts() == ["UMAP of the components", "First two components"]
        assert "UMAP of 6 components (15 neighbours, seed 0)" in page.locator(".view-plane .small").inner_text()
        by.select_option(label="First two components")
        assert "UMAP" not in page.locator(".view-plane .small").inner_text()
        assert noise == []


def test_what_cannot_be_mapped_is_a_line(fake: type[Recorded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"map is kept in a run folder, and there is none, got 'umap'"):
        compared(map="umap")
    with pytest.raises(InputError, match=r"map must be pca or umap, got 'tsne'"):
        check_map("tsne", tmp_path)  # type: ignore[arg-type]  # what a notebook may say
    run = compared(out=tmp_path / "run")
    with pytest.raises(InputError, match=r"map needs datasets that can be read again, got 'primary, near, far'"):
        keep_map(run, "umap")
    monkeypatch.setattr(image_umap, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'howfar\[umap\]'"):
        compared(map="umap", out=tmp_path / "other")
