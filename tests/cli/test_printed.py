"""What commands print, write and end with: adapt, check, compare, corrupt, demo, evaluate, predict and report."""

import json
import os
import shutil
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from command_world import FAST, SIDE, TINY
from figures.believable_adaptation import make
from howfar import registry
from howfar.results import Comparison, Evaluation, Relation
from howfar.results.adaptation_result import Adaptation
from howfar.results.backbones_result import BackboneComparison


@pytest.fixture
def roads(world, tmp_path) -> Path:
    """A copy of the world's roads that a test may change."""
    return Path(shutil.copytree(world / "roads", tmp_path / "roads"))


@pytest.mark.usefixtures("without_figures")
def test_an_adaptation_prints_its_table_its_verdict_and_its_folder(world, tmp_path, howfar):
    more = ("--epochs", "1", "--bootstrap", "20", "--shots", "0,1", "--strategy", "far", "--strategy", "random")
    out = tmp_path / "study"
    code, stdout, err = howfar("adapt", world / "roads", world / "near", "-o", out, *TINY, *more, "--random-seeds", "1")
    assert code == 0, err
    found = Adaptation.load(out)
    lines = stdout.splitlines()
    assert lines[0] == found.caption()
    assert [line.split()[0] for line in lines[2:6]] == ["M", "norm", "far-1", "random-1"]
    assert found.verdict()
    assert found.verdict() in " ".join(stdout.split())
    assert lines[-2:] == [f"study: {out}", f"report: {out / 'report.html'}"]


PASS, BREACH, UNDECIDED = "images: {at_least: 2}", "images: {at_least: 999}", "failures: {at_most_share: 0.1}"


@pytest.mark.parametrize(("text", "code"), [(PASS, 0), (BREACH, 3), (UNDECIDED, 4), (f"{BREACH}\n{UNDECIDED}", 3)])
def test_the_exit_code_of_check_is_the_outcome(world, tmp_path, text, code, howfar):
    (tmp_path / "rules.yaml").write_text(text)
    command = ("check", world / "roads.howfar", world / "near", "--rules", tmp_path / "rules.yaml")
    ended, out, _ = howfar(*command, "--json")
    document = json.loads(out)
    assert ended == document["exit_code"] == code
    assert document["outcome"] == {0: "pass", 3: "breach", 4: "undecided"}[code]
    assert {decision["dataset"] for decision in document["decisions"]} == {"near"}
    ended, out, _ = howfar(*command)
    assert (ended, document["outcome"].upper() in out) == (code, True)


def test_new_rules_can_be_read(world, tmp_path, howfar):
    rules = ("--rules", tmp_path / "rules.yaml")
    assert [howfar("check", "--new", *rules)[0] for _ in range(2)] == [0, 2]
    assert howfar("check", world / "roads.howfar", world / "near", *rules)[0] in (3, 4)


def test_check_writes_files_for_other_tools_and_a_log(world, tmp_path, howfar):
    profile = Path(shutil.copy(world / "roads.howfar", tmp_path))
    (tmp_path / "rules.yaml").write_text(f"{PASS}\nalarm: {{at_least: 0.5, severity: warn}}")
    outs = {name: tmp_path / "deeper" / name for name in ("junit", "markdown", "prometheus")}
    arguments = [part for name, out in outs.items() for part in (f"--{name}", out)]
    named = f'a "b" <c>={world / "near"}'
    assert howfar("check", profile, named, "--rules", tmp_path / "rules.yaml", "--keep", *arguments)[0] == 0
    (suite, over_time) = ElementTree.fromstring(outs["junit"].read_bytes())
    assert (suite.get("name"), over_time.get("name")) == ('a "b" <c>', "over time")
    assert "PASS" in outs["markdown"].read_text()
    assert 'dataset="a \\"b\\" <c>"' in outs["prometheus"].read_text()
    assert sorted(path.name for path in (tmp_path / "deeper").iterdir()) == ["junit", "markdown", "prometheus"]
    assert len((tmp_path / "roads.howfar.log.jsonl").read_text().splitlines()) == 1
    code, out, _ = howfar("check", profile, "--since", "2020-01-01")
    assert (code, 'a "b" <c>' in out) == (0, True)


BOTH = ("--backbone", "pixels", "--backbone", "colour_moments", "--components", "5", "--bootstrap", "20", "--permutations", "0")


def test_several_backbones_print_a_table_and_how_they_agree(world, tmp_path, howfar):
    out = tmp_path / "out"
    code, printed, _ = howfar("compare", world / "roads", world / "near", world / "far", *BOTH, "--out", out)
    assert (code, "pixels and colour_moments: Spearman" in printed) == (0, True)
    assert str(out / "report.html") in printed.replace("\n", "")
    found = BackboneComparison.load(out)
    assert found.backbones == ("pixels", "colour_moments")
    assert all(cell in printed for cell in found.table()[1][0])
    (out / "report.html").unlink()
    assert howfar("report", out)[0] == 0
    assert (out / "report.html").is_file()
    assert (out / "pixels" / "report.html").is_file()


def test_of_several_results_in_a_folder_the_newest_is_drawn(world, tmp_path, howfar):
    out = tmp_path / "out"
    sets = (world / "roads", world / "near", "--out", out)
    assert howfar("compare", *sets, *BOTH)[0] == 0
    os.utime(out / "backbones.json", ns=(0, 0))
    assert howfar("compare", *sets, *FAST)[0] == 0
    for _ in range(2):
        assert "Do backbones agree" not in (out / "report.html").read_text()
        assert howfar("report", out)[0] == 0


def test_the_report_of_an_adaptation_is_recognised_by_its_file(tmp_path, howfar, monkeypatch):
    ours = registry.OURS["adaptation_figures"]
    monkeypatch.setitem(registry.OURS, "adaptation_figures", {"adaptation_gains": ours["adaptation_gains"]})
    options = {"seeds": (0,), "shots": (1,), "random_seeds": (), "background_shots": (), "blind": {}, "files": False}
    make(tmp_path, sizes={"roads": 5, "walls": 4}, **options).save(tmp_path)
    code, out, _ = howfar("report", tmp_path)
    assert (code, out.split()) == (0, [str(tmp_path / "report.html")])
    assert "What did labelling a few images gain?" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "figures" / "gains.png").is_file()
    # The summary holds what a reader sees at once.
    code, out, _ = howfar("report", tmp_path, "--summary")
    assert (code, out.split()) == (0, [str(tmp_path / "report.html"), str(tmp_path / "summary.html")])
    whole, text = ((tmp_path / name).read_text(encoding="utf-8") for name in ("report.html", "summary.html"))
    assert "What did labelling a few images gain?" in text
    for beyond in ('<section id="made"', "<nav", "<script>"):
        assert beyond in whole
        assert beyond not in text
    (tmp_path / "adaptation.json").write_text("{")
    code, out, err = howfar("report", tmp_path)
    assert (code, out, "run adapt again" in err) == (1, "", True)


def test_the_demo_tells_the_whole_story(tmp_path, monkeypatch, howfar):
    from howfar import demo

    monkeypatch.setattr(demo, "write_demo", partial(demo.write_demo, n_primary=8, n_secondary=3))
    monkeypatch.setattr("howfar.studies.performance.relate_and_estimate.draw", lambda _, folder, **__: folder / "report.html")
    out = tmp_path / "demo"
    code, printed, err = howfar("demo", "--out", out)
    assert code == 0, err
    names = [dataset.name for dataset in Comparison.load(out / "run").datasets]
    assert names == ["lighting", "texture", "wide_cracks", "clutter", "fabric"]
    assert all(name in printed for name in names)
    related, lines = Relation.load(out / "run"), printed.splitlines()
    # Fabric has no masks, so that its performance is estimated alone.
    assert {dataset.name: dataset.scored for dataset in related.datasets} == dict.fromkeys(names[:-1], 3)
    assert len(lines) <= 22
    labelled = [each for each in related.estimates if each.measured is not None]
    (told,) = [line for line in lines if line.startswith("F without labels: ")]
    held = sum(each.held for each in labelled)
    assert told.startswith(f"F without labels: {held} of 4 intervals contain the measured mean F")
    assert all((each.dataset in told) is not each.held for each in labelled)
    ahead = lines[lines.index("What next") + 1 :]
    assert ahead[0] == f"open the report: {out / 'run' / 'report.html'}"
    assert f"howfar score {out / 'pavement.howfar'} {out / 'data/fabric/images/0001.jpg'}" in ahead[2]
    assert [line.partition(":")[0] for line in ahead[3:]] == ["your own images", "your own model"]
    assert (out / "pavement.howfar").is_file()


def test_an_evaluation_prints_scores_notes_and_the_file(world, tmp_path, howfar):
    maps, file = Path(shutil.copytree(world / "maps/roads", tmp_path / "maps")), tmp_path / "new/e.parquet"
    shutil.copy(next(maps.iterdir()), maps / "9.png")
    code, out, err = howfar("evaluate", world / "roads", "--predictions", maps, "-o", file)
    assert code == 0, err
    found, lines = Evaluation.load(file), out.splitlines()
    assert lines[0] == found.caption()
    assert lines[0].startswith("roads: 8 images, 8 scored; per image: F at threshold ")
    shown = dict(line.split() for line in lines[2:13])
    assert set(shown) == set(found.scores)
    assert shown["ods"] == f"{found.scores['ods']:.4g}"
    assert lines[13:] == [f"note: 1 map matches no image (9.png below {maps})", f"per image: {file}"]
    assert "\r" not in err


def test_partial_lists_what_is_left_out(roads, world, tmp_path, howfar):
    for k in range(4, 27):
        Image.new("L", (SIDE, SIDE)).save(roads / f"images/x{k}.png")
    maps, file = world / "maps/roads", tmp_path / "roads.parquet"
    command = ("evaluate", roads, "--predictions", maps)
    code, out, err = howfar(*command)
    assert (code, out) == (2, "")
    assert err == (
        f"howfar: 23 of 31 images of roads have no prediction; the first is x4.png: no prediction (no map x4.* below {maps}): "
        "predict them, or pass --partial to score only the other 8\n"
    )
    assert howfar(*command, "--partial")[1].endswith("23 images have no prediction: left out (--json lists them)\n")
    assert f"23 images have no prediction: left out (names in {file})" in howfar(*command, "--partial", "-o", file)[1]
    assert len(Evaluation.load(file).skipped) == 23
    skipped = [line for line in howfar(*command, "--partial", "--verbose")[1].splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 23
    assert skipped[0] == f"skipped: {roads}/images/x4.png: no prediction (no map x4.* below {maps})"
    quiet = howfar(*command, "--partial", "--quiet")[1]
    assert not any(word in quiet for word in ("left out", "skipped"))


def test_a_checkpoint_takes_the_place_of_predictions(world, tmp_path, howfar):
    import howfar as package

    roads, model = world / "roads", tmp_path / "m.safetensors"
    training = {"options": {"width": 4}, "size": 32, "epochs": 1, "batch": 4, "pretrained": False, "progress": False}
    package.train(roads, "deepcrack", model, **training)
    code, out, err = howfar("evaluate", roads, "--model", model, "--learnt", "-o", tmp_path / "e.parquet", "--json")
    assert code == 0, err
    maps = package.predict(model, roads, tmp_path / "maps", progress=False).folder
    mirrored = package.predict(model, roads, tmp_path / "mirrored", flipped=True, progress=False).folder
    wanted = package.evaluate(roads, maps, flipped=mirrored, progress=False)
    assert json.loads(out)["scores"] == dict(wanted.scores)
    images = Evaluation.load(tmp_path / "e.parquet").images
    assert images["flip_agreement"].tolist() == wanted.images["flip_agreement"].tolist()
    assert (images["prediction"] == "").all()
    shown = howfar("evaluate", roads, "--model", model)[1].splitlines()
    assert shown[0].startswith("roads: 1 images, 1 scored")
    assert "note: 7 images that the model learnt from were left out: the option learnt (--learnt) scores them too" in shown
    assert sum("left out" in line for line in shown) == 1
    shown = howfar("evaluate", roads, "--model", model, "--verbose")[1].splitlines()
    assert sum(line.startswith("skipped: ") and line.endswith(": the model learnt from it") for line in shown) == 7


def test_a_prediction_says_how_many_maps_lie_where_and_what_was_skipped(roads, world, tmp_path, howfar):
    maps, model = tmp_path / "new" / "maps", world / "m.safetensors"
    code, out, err = howfar("predict", model, roads, "-o", maps)
    assert (code, out) == (0, f"8 maps written: {maps}\n"), err
    assert sorted(file.name for file in maps.iterdir()) == [f"{k:04}.png" for k in range(1, 9)]
    (maps / "0002.png").unlink()
    assert howfar("predict", model, roads, "-o", maps)[:2] == (0, f"1 map written, 7 were there already: {maps}\n")
    for k in range(9, 32):
        (roads / f"images/{k:04d}.jpg").write_text("text")
    code, out, _ = howfar("predict", model, roads, "-o", tmp_path / "more")
    lines = out.splitlines()
    assert (code, lines[0], len(lines)) == (0, f"8 maps written: {tmp_path / 'more'}", 22)
    assert lines[1].startswith(f"skipped: {roads / 'images/0009.jpg'}: not an image")
    assert lines[-1] == "skipped: 3 more; --json lists all"
    assert np.asarray(Image.open(tmp_path / "more/0001.png")).shape == (SIDE, SIDE)
