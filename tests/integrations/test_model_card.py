"""Results of runs in a Hugging Face model card, read back by huggingface_hub."""

import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelCard

import howfar
from assessed_sites import assessment
from howfar.cli.main import run
from howfar.integrations.model_card import write_card
from howfar.significance.bootstrap import average, image_weights
from sites_with_maps import write_site

EXISTING = """---
license: mit
tags:
- roads
model-index:
- name: crackle
  results:
  - task:
      type: image-segmentation
    dataset:
      name: Other
      type: other
    metrics:
    - type: iou
      value: 0.5
---

# Crackle

Trained by hand.
"""


@pytest.fixture(scope="module")
def assessed(demo_folders, tmp_path_factory) -> Path:
    """An assessment's folder with a profile that knows a gate, and the evaluation of the site that is labelled."""
    folder = tmp_path_factory.mktemp("card") / "run"
    assessment().save(folder)
    images = [image.name for image in sorted((demo_folders[1] / "images").iterdir())]
    table = pd.DataFrame({"image": images, "performance": np.linspace(0.5, 0.9, len(images))})
    known: dict[str, Any] = {"labelled": demo_folders[1], "performance": table}
    made = howfar.profile(demo_folders[0], "colour_moments", **known, store=folder / "store", progress=False)
    made.save(folder / "profile.howfar")
    site, masks, maps = write_site(folder.parent, 12)
    masks.rename(site / "masks")
    howfar.evaluate(site, predictions=maps, progress=False).save(folder / "performance" / "site.parquet")
    return folder


def results(file: Path) -> dict[tuple[str, str], Any]:
    return {(entry.dataset_name, entry.metric_type): entry for entry in ModelCard.load(file).data.eval_results}


def test_an_assessment_s_results_gate_and_digest(assessed, tmp_path, capsys):
    file = tmp_path / "README.md"
    assert run(["card", str(assessed), "-o", str(file), "--name", "crackle"]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    card, found = ModelCard.load(file), results(file)
    # A doubted estimate, and a site without one, are no results.
    assert list(found) == [("site", "F"), ("masonry", "F, estimated")]
    estimated = found["masonry", "F, estimated"]
    assert (estimated.metric_value, estimated.task_type) == (0.58, "image-segmentation")
    assert estimated.metric_args == {
        "howfar": "howfar assess", "how": "estimated without labels by boosted", "level": 0.9, "low": 0.49, "high": 0.67,
    }  # fmt: skip
    values = howfar.Evaluation.load(assessed / "performance" / "site.parquet").images["performance"]
    mean = average(values, image_weights(12, 1000, [0]))
    measured = found["site", "F"].metric_args
    assert (measured["how"], measured["level"], measured["low"]) == ("measured on 80 images", 0.95, round(mean.low, 4))
    digest = sha256((assessed / "profile.howfar").read_bytes()).hexdigest()
    assert card.data.howfar["profile"] == f"sha256:{digest}"
    gate = howfar.Profile.load(assessed).judge.gate
    assert card.data.howfar["gate"]["distance"] == [None, round(gate.limits("distance")[1], 4)]
    assert (card.data.model_name, card.data.pipeline_tag, card.data.tags) == ("crackle", "image-segmentation", ["howfar"])
    assert "- masonry: F, estimated 0.580 [0.490, 0.670\\] (90 %), estimated without labels by boosted" in card.text
    assert "- highway: farther than any labelled dataset" in card.text
    assert digest in card.text


def test_in_a_card_that_is_there_all_else_stays_and_the_same_run_is_written_once(assessed, tmp_path):
    file = tmp_path / "README.md"
    file.write_text(EXISTING)
    write_card(assessed, file)
    once = file.read_text()
    assert list(results(file)) == [("Other", "iou"), ("site", "F"), ("masonry", "F, estimated")]
    data = ModelCard.load(file).data
    assert (data.license, data.model_name, data.tags) == ("mit", "crackle", ["roads", "howfar"])
    assert "# Crackle\n\nTrained by hand.\n" in once
    write_card(assessed, file)
    assert file.read_text() == once


def test_a_certificate_joins_an_assessment(assessed, tmp_path):
    site, masks, maps = write_site(tmp_path)
    command = ["certify", str(site), "--predictions", str(maps), "-k", "12", "--out", str(tmp_path / "cert"), "--quiet"]
    assert run(command) == 0
    file = write_card(assessed, tmp_path / "README.md")
    before = file.read_bytes()
    with pytest.raises(ValueError, match=r"run must hold a certified value, got .site: .*not known yet"):
        write_card(tmp_path / "cert", file)
    assert file.read_bytes() == before
    shutil.copytree(masks, tmp_path / "cert" / "masks", dirs_exist_ok=True)
    assert run(command) == 0
    certificate = howfar.Certificate.load(tmp_path / "cert")
    write_card(tmp_path / "cert", file)
    entry = results(file)["site", certificate.words]
    assert entry.metric_value == round(certificate.value, 4)
    assert (entry.metric_args["low"], entry.metric_args["high"]) == (round(certificate.low, 4), round(certificate.high, 4))
    assert entry.metric_args["how"] == "certified by the labels of 12 randomly drawn images of 24"
    assert len(results(file)) == 3
    assert ModelCard.load(file).text.count("<!-- end of howfar -->") == 2


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            "{empty}",
            "holds no assessment.json and no certificate.json: pass a folder that howfar assess or howfar certify wrote",
        ),
        ("{run} -o {empty}/card.txt", "--out must end in .md"),
        ("{run} -o {broken}", "--out must be a model card ("),
        ("{run} -o {list}", "--out must be a model card ("),
    ],
)
def test_refused_in_one_line_and_the_card_is_as_it_was(words, line, assessed, tmp_path, capsys):
    places = {"run": assessed, "empty": tmp_path / "empty", "broken": tmp_path / "broken.md", "list": tmp_path / "list.md"}
    places["empty"].mkdir()
    places["broken"].write_text("---\nmodel-index: 3\n---\n")
    places["list"].write_text("---\n- a\n---\n")
    before = {file: file.read_bytes() for file in tmp_path.glob("*.md")}
    assert run(["card", *words.format(**places).split()]) == 2
    shown = capsys.readouterr().err.strip()
    assert line in shown
    assert "\n" not in shown
    assert {file: file.read_bytes() for file in tmp_path.glob("*.md")} == before
    assert not list(places["empty"].iterdir())
