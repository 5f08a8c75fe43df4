"""Search by a text: the tower beside CLIP's images, and the order that it gives a run's images, as transformers itself does."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import howfar
from howfar.backbones import Options
from howfar.backbones.published_vision_models import text_tower
from howfar.demo import write_dataset
from howfar.errors import InputError, MissingPathError
from howfar.report.explorer import site_of

Folder = Callable[..., Path]


@pytest.fixture(scope="module")
def run(hub_model: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    for seed, name in enumerate(("roads", "site")):
        write_dataset(folder / name, 6, seed=seed, size=40)
    options = {"weights": hub_model("clip"), "engine": "torch", "baselines": False, "bootstrap": 0, "permutations": 0}
    compared = howfar.compare(
        folder / "roads", [folder / "site"], backbone="clip", store=folder / "store", progress=False, **options
    )
    return compared.save(folder / "run")


def plain(folder: Path, text: str) -> np.ndarray:
    """A text's embedding by transformers' own whole model, without padding."""
    network = transformers.CLIPModel.from_pretrained(folder).eval()
    tokens = transformers.CLIPTokenizer.from_pretrained(folder)([text], return_tensors="pt")
    with torch.no_grad():
        return network.get_text_features(**tokens).pooler_output[0].numpy()


def test_the_tower_agrees_with_plain_transformers(hub_model: Folder) -> None:
    folder = hub_model("clip")
    embedding = text_tower(Options(weights=folder), "clip")
    np.testing.assert_allclose(embedding("wet road"), plain(folder, "wet road"), rtol=1e-4, atol=1e-5)
    assert not np.allclose(embedding("wet road"), embedding("dry wall"))


def test_images_are_ranked_by_the_cosine_of_stored_features(run: Path, hub_model: Folder) -> None:
    site = site_of(run, store=run.parent / "store")
    answer = site.get("/search/wet%20road")
    found = np.frombuffer(answer.body, "<f4")
    vector = plain(hub_model("clip"), "wet road")
    expected = []
    backbone = howfar.load_backbone("clip", weights=hub_model("clip"), engine="torch")
    for name in ("site", "roads"):
        rows = howfar.embed(run.parent / name, backbone, progress=False, store=run.parent / "store").rows.rows(0, 6)
        expected.append(rows @ vector / np.linalg.norm(rows, axis=1) / np.linalg.norm(vector))
    assert len(found) == 12
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-4, atol=1e-5)
    assert site.get("/search/%20").status == 409


def test_what_is_missing_is_a_sentence(run: Path, tmp_path: Path, hub_model: Folder) -> None:
    answer = site_of(run, store=tmp_path / "empty").get("/search/road")
    assert answer.status == 409
    assert b"howfar explore RUN --store DIR" in answer.body
    shutil.copytree(hub_model("clip"), tmp_path / "clip", ignore=shutil.ignore_patterns("vocab.json", "merges.txt"))
    with pytest.raises(MissingPathError, match=r"lacks tokenizer\.json"):
        text_tower(Options(weights=tmp_path / "clip"), "clip")
    with pytest.raises(InputError, match="must be a folder, as a search by text needs the tokenizer"):
        text_tower(Options(weights=hub_model("clip") / "model.safetensors"), "clip")
