"""What a command leaves in its folder, the function leaves too; and the code that the report shows gives every number again."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
import transformers
from onnx import TensorProto, helper, numpy_helper

import howfar
from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.report.reproduction_code import NOT_RECORDED
from howfar.results import Comparison, Relation
from howfar.results.adaptation_result import Adaptation
from howfar.results.backbones_result import BackboneComparison
from howfar.results.matrix_result import Matrix
from howfar.results.segmenter_studies import Prompting
from tiny_studies import tiny_checkpoint

QUICK = ("--components", "3", "--bootstrap", "9", "--permutations", "9")
SIDE = 32


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """P and two secondaries, of which one is read by a table that leaves images out; networks of random weights."""
    root = tmp_path_factory.mktemp("again")
    for seed, (name, count) in enumerate({"roads": 12, "site": 9, "walls": 8}.items()):
        write_dataset(root / name, count, seed=seed, shift=0.4 * seed, size=48)
    rows = "".join(f"walls/images/{k:04}.jpg\n" for k in range(1, 8))
    (root / "some.csv").write_text(f"image\n{rows}")
    save_hub_model(root / "vit")
    with torch.random.fork_rng(devices=[]):
        tiny_checkpoint().save(root / "cracks.safetensors")
    save_onnx(root / "net.onnx")
    return root


def save_hub_model(folder: Path) -> None:
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.ViTModel(transformers.ViTConfig(**small, image_size=SIDE, patch_size=16))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TQDM_DISABLE", "1")
        model.save_pretrained(folder)


def save_onnx(file: Path) -> None:
    weight = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["map"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["map"], ["pooled"]),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("map", "pooled")]
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("b", 3, "h", "w"))
    graph = helper.make_graph(nodes, "net", [entry], outputs, [numpy_helper.from_array(weight, "w")])
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)


def shown(page: Path) -> str:
    """The code that a page shows."""
    (code,) = re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", page.read_text(encoding="utf-8"), re.DOTALL)
    return unescape(code)


def again(page: Path, out: Path | None = None) -> dict[str, Any]:
    """Run the code of a page, elsewhere, with a folder for its first result where one is wanted; what it made, by name."""
    code = shown(page)
    if out is not None:
        code = code.replace("\n)", f"\n    out={str(out)!r},\n)", 1)
    made: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(page.parent)
        exec(code, made)
    return made


def files(folder: Path) -> list[str]:
    """Names of all files; a shard of features has a name that is drawn."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(re.sub(r"/[0-9a-f]{32}\.(npy|parquet)", r"/*.\1", name) for name in names)


def numbers(result: Any) -> dict[str, Any]:
    """All that a result says but for the moment, and where its own files lie."""
    document = result.to_dict()
    for part in (document, *document.get("backbones", ())):
        part.pop("provenance", None)
    return document


def assert_same(one: Any, other: Any, *frames: str) -> None:
    assert numbers(one) == numbers(other)
    for name in frames:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=True)


CASES: dict[str, tuple[str, ...]] = {
    "hub model": ("--backbone", "transformers:vit", "--via", "64", "--fit", "crop", "--no-baselines"),
    "segmenter": ("--backbone", "deepcrack", "--weights", "cracks.safetensors", "--pool"),
    "onnx": ("--backbone", "onnx:net.onnx", "--backbone-option", "size=40,24", "--backbone-option", "output=map"),
    "pixels": ("--backbone", "pixels"),
    "pixels of few images": ("--backbone", "pixels", "--limit", "6", "--seed", "3", "--projection", "joint", "--no-rivals"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_comparison(case: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    assert run(["compare", "roads", "site", "chosen=some.csv", *QUICK, *CASES[case], "--out", str(tmp_path / "run")]) == 0
    first = Comparison.load(tmp_path / "run")
    # A model's display name has the path that it was given by, which the shown code makes absolute.
    second = again(tmp_path / "run" / "report.html", tmp_path / "again")["comparison"]
    second = second if "onnx" not in case and "hub" not in case else same_name(second, first)
    assert_same(first, second, "images", "primary_images")
    assert files(tmp_path / "again") == files(tmp_path / "run")
    assert first.datasets[1].n == (6 if "few" in case else 7)


def same_name(comparison: Comparison, other: Comparison) -> Comparison:
    assert comparison.backbone.name.endswith(other.backbone.name.partition(":")[2])
    return replace(comparison, backbone=replace(comparison.backbone, name=other.backbone.name))


def test_several_backbones(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    names = ("--backbone", "pixels", "--backbone", "deepcrack", "--weights", "deepcrack=cracks.safetensors", "--via", "64")
    out = tmp_path / "run"
    assert run(["compare", "roads", "site", "walls", *QUICK, *names, "--no-baselines", "--out", str(out)]) == 0
    made = again(out / "report.html", tmp_path / "again")["found"]
    assert_same(BackboneComparison.load(out), made, "agreement")
    assert files(tmp_path / "again") == files(out)
    # And each by its own report.
    alone = again(out / "deepcrack" / "report.html")["comparison"]
    assert_same(Comparison.load(out / "deepcrack"), alone, "images", "primary_images")


def test_a_matrix(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    chosen = ("--backbone", "deepcrack", "--weights", "cracks.safetensors", "--fit", "pad")
    few = ("--components", "3", "--bootstrap", "9")
    assert run(["matrix", "roads", "site", "chosen=some.csv", *chosen, *few, "--out", str(tmp_path / "run")]) == 0
    made = again(tmp_path / "run" / "report.html", tmp_path / "again")["found"]
    assert_same(Matrix.load(tmp_path / "run"), made, "pairs")
    assert files(tmp_path / "again") == files(tmp_path / "run")


@pytest.mark.parametrize("kept", ["nothing", "a choice of images"])
def test_what_is_not_recorded_is_not_made_up(kept: str, root: Path, tmp_path: Path) -> None:
    quick: dict[str, Any] = {"bootstrap": 0, "permutations": 0, "baselines": False, "progress": False, "components": 3}
    primary = howfar.Dataset.from_folder(root / "roads")
    if kept == "nothing":  # as in a folder of an earlier version
        folder = howfar.compare(primary, root / "site", "pixels", **quick).save(tmp_path)
        document = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(
            json.dumps({k: v for k, v in document.items() if k not in ("options", "sources", "seal")})
        )
        assert shown(howfar.write_report(folder)) == NOT_RECORDED
    else:
        fewer = replace(primary, items=primary.items[:8])
        found = howfar.compare(fewer, {"all": primary, "site": root / "site"}, "pixels", **quick)
        assert found.sources == {"all": str(root / "roads"), "site": str(root / "site")}
        assert "<where roads is>" in shown(howfar.write_report(found.save(tmp_path)))


@pytest.fixture
def performances(root: Path) -> list[Path]:
    """Tables of made-up performances of the two secondaries."""
    made = []
    for name, count in (("site", 9), ("walls", 8)):
        file = root / f"{name}.performance.csv"
        rows = [f"{name},{k:04}.jpg,{0.9 - 0.07 * k:.2f}\n" for k in range(1, count + 1)]
        file.write_text("dataset,image,performance\n" + "".join(rows))
        made.append(file)
    return made


def test_a_relation(root: Path, performances: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    out, copy = tmp_path / "run", tmp_path / "copy"
    assert run(["compare", "roads", "site", "walls", *QUICK, "--backbone", "colour_moments", "--out", str(out)]) == 0
    shutil.copytree(out, copy)
    options = ("--bootstrap", "9", "--tau", "0.6", "--estimator", "knn")
    given = [part for file in performances for part in ("--performance", file.name)]
    assert run(["relate", str(out), *given, *options]) == 0
    howfar.relate(copy, performances, bootstrap=9, tau=0.6, estimator="knn")
    assert files(copy) == files(out)
    assert "relation.json" in files(out)
    made = again(out / "report.html")
    first = Relation.load(out)
    assert_same(first, made["relation"], "images", "curves", "thresholds")
    assert_same(first, Relation.load(copy), "images", "curves", "thresholds")


def test_a_selection(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    out = howfar.compare(root / "roads", root / "site", "colour_moments", bootstrap=0, permutations=0, progress=False).save(
        tmp_path
    )
    assert run(["select", str(out), "--dataset", "site", "-k", "3", "--out", str(tmp_path / "command")]) == 0
    howfar.select(out, "site", 3, out=tmp_path / "function")
    assert files(tmp_path / "function") == files(tmp_path / "command")
    assert "contact_sheet.png" in files(tmp_path / "function")


def test_an_adaptation(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    tiny = ("--model", "deepcrack", "--option", "width=4", "--size", "32", "--epochs", "1")
    more = ("--shots", "0,1", "--strategy", "far", "--strategy", "random", "--holdout", "0.2")
    quick = ("--bootstrap", "20", "--device", "cpu", "--weights", "none")
    out = tmp_path / "study" / "run"
    assert run(["adapt", "roads", "site", "-o", str(out), "--blind", "walls", *tiny, *more, *quick]) == 0
    made = again(out / "report.html")["adaptation"]
    assert_same(Adaptation.load(out), made, "images", "scores", "picks", "gains", "models", "suppression")
    beside = out / "adaptation-again"
    assert files(beside) == [name for name in files(out) if not name.startswith(beside.name)]
    assert {"report.html", "figures/gains.png"} <= set(files(beside))


def test_prompts(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    random_weights: Callable[..., Any] = howfar.prompts

    def untrained(*given: Any, **options: Any) -> Any:
        return random_weights(*given, **options, pretrained=False)

    with monkeypatch.context() as patch:
        patch.setattr("howfar.paper.prompts.prompts", untrained)
        chosen = ("--kind", "text", "--text", "a crack", "--limit", "2")
        assert run(["prompts", "site", "-o", str(tmp_path / "command"), *chosen]) == 0
    made = howfar.prompts("site", "text", texts="a crack", limit=2, out=tmp_path / "function", pretrained=False, progress=False)
    assert_same(Prompting.load(tmp_path / "command"), made, "images", "scores")
    assert files(tmp_path / "function") == files(tmp_path / "command")
    assert "report.html" in files(tmp_path / "function")
