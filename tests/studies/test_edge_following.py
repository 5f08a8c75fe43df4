"""The study of edges, and distances by the same trained models: M of the first seed is what is looked at."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import howfar
from howfar.metrics.image_structure import edge_preference
from howfar.paper.edge_following_report import edges_rows, lead
from howfar.results.display_and_shared_records import matching
from howfar.results.segmenter_studies import Edges
from howfar.results.study_run import StudyRun
from howfar.studies.study_file.run_and_estimate import study
from tiny_studies import DATASETS, TRAINED, write_folders, written
from undrawn import no_figures

STUDY = """
[studies.drawn]
kind = "edges"
of = "gain"
dataset = "walls"
images = 3
bootstrap = 100
[studies.far]
kind = "distance"
primary = "roads"
secondaries = ["site", "walls"]
backbones = ["colours"]
of = "gain"
models = ["wide"]
components = 5
bootstrap = 0
permutations = 0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("edges"))


@pytest.fixture(scope="module")
def run(folder: Path) -> StudyRun:
    with no_figures():  # of each segmenter's own report, which other tests draw
        return study(written(folder, DATASETS + TRAINED + STUDY), progress=False)


@pytest.fixture(scope="module")
def edges(run: StudyRun) -> Edges:
    return run["drawn"]


def weights(folder: Path, model: str) -> Path:
    return folder / "mine" / "gain" / model / "models" / "seed3" / "M.safetensors"


def test_numbers_are_of_the_maps(edges: Edges, run: StudyRun, folder: Path) -> None:
    for model in edges.models:
        trained = matching(run["gain"][model.model].models, model="M").iloc[0]
        assert (model.threshold, model.held_out_ods) == (trained["threshold"], trained["held_out_ods"])
        own = matching(edges.images, model=model.model)
        for row in own.to_dict("records"):
            p = np.asarray(Image.open(folder / "mine" / "drawn" / row["map"])) / 255
            assert row["probability"] == pytest.approx(p.mean())
            assert row["foreground"] == (p > model.threshold).mean()
            expected = edge_preference(p, np.asarray(Image.open(row["path"]).convert("RGB")))
            assert row["edges"] == pytest.approx(expected) if expected is not None else np.isnan(row["edges"])
        assert model.edges.value == pytest.approx(own["edges"].mean())
        assert (model.n, model.blank) == (10, own["edges"].isna().sum())
        assert model.probability.low < own["probability"].mean() < model.probability.high


def test_it_is_read_back_and_drawn(edges: Edges, folder: Path) -> None:
    again = Edges.load(folder / "mine" / "drawn")
    assert again.to_dict() == edges.to_dict()
    pd.testing.assert_frame_equal(again.images, edges.images)
    figure = edges_rows(again, folder=folder / "mine" / "drawn")
    labels = {image.get_label() for image in figure.axes[0].get_images()}
    assert labels == {f"{row}:{image}" for row in ("photograph", "dc", "wide") for image in edges.shown}
    assert len(edges.shown) == 3
    page = (folder / "mine" / "report.html").read_text(encoding="utf-8")
    assert lead(edges) in page.replace("&#39;", "'").replace("\xa0", " ")


def test_trained_models_are_backbones(run: StudyRun, folder: Path) -> None:
    found = run["far"]
    assert found.backbones == ("colours", "wide")
    assert (found.features[1].registered, found.features[1].model, found.trivial) == ("deepcrack", "gain", ("colours",))
    backbone = howfar.load_backbone("deepcrack", weights=weights(folder, "wide"))
    rows = [howfar.embed(folder / name, backbone, progress=False).to_array() for name in ("roads", "site", "walls")]
    options = {"components": 5, "bootstrap": 0, "permutations": 0, "rivals": False}
    alone = howfar.compare(rows[0], {"site": rows[1], "walls": rows[2]}, **options)
    measured = [row.o_dist_mean for row in found.comparison["wide"].datasets]
    assert measured == pytest.approx([row.o_dist_mean for row in alone.datasets], rel=1e-5)
