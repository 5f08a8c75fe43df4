import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import howfar
from howfar.cli.main import run
from howfar.data import parse, read_mask
from howfar.errors import MissingPathError
from howfar.integrations import fiftyone_plugin

N = 6
"""Images of the site."""
# Those of FiftyOne and what it loads.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]


@pytest.fixture(scope="module")
def fo() -> Any:
    """FiftyOne with the database that FIFTYONE_DATABASE_URI names."""
    found = pytest.importorskip("fiftyone", reason="fiftyone is not installed: pip install 'howfar[fiftyone]'")
    if not os.environ.get("FIFTYONE_DATABASE_URI"):
        pytest.skip("no MongoDB: start one, and set FIFTYONE_DATABASE_URI=mongodb://HOST:PORT")
    return found


@pytest.fixture
def dataset(fo: Any, site: Path) -> Iterator[Any]:
    """A FiftyOne dataset of the site's images, without truth."""
    made = fo.Dataset(f"site-{secrets.token_hex(4)}")
    made.add_samples([fo.Sample(filepath=str(file)) for file in sorted((site / "site" / "images").iterdir())])
    yield made
    made.delete()


@pytest.fixture
def operate(fo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run an operator of the plugin, which FiftyOne finds by a link in its folder of plugins."""
    from fiftyone.operators import execute_operator

    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "howfar").symlink_to(Path(fiftyone_plugin.__file__).parent)
    monkeypatch.setattr(fo.config, "plugins_dir", str(tmp_path / "plugins"))

    def operate(name: str, dataset: Any, **given: Any) -> dict[str, str]:
        params = {"folder": str(tmp_path / "results"), **given}
        done = execute_operator(f"@howfar/howfar/{name}", {"dataset": dataset}, params=params)
        assert done.error is None, done.error
        result: dict[str, str] = done.result
        return result

    return operate


def test_a_dataset_is_read_with_its_masks_classes_and_faults(fo, site, dataset):
    truth = sorted((site / "true").iterdir())
    for number, sample in enumerate(dataset):
        if number == 0:
            sample["ground_truth"] = fo.Segmentation(mask_path=str(truth[0]))
        if number == 1:
            sample["ground_truth"] = fo.Segmentation(mask=np.ones((48, 48), np.uint8))
        sample.tags = ["odd"] if number % 2 else []
        sample.save()
    dataset.save_view("odd", dataset.match_tags("odd"))
    read = parse(f"fiftyone:{dataset.name}")
    assert (read.name, len(read)) == (dataset.name, N)
    assert [item.name for item in read.items] == [f"{number:04}.jpg" for number in range(1, N + 1)]
    assert (read.items[0].mask, read.items[1].mask) == (truth[0], None)
    assert "not in a file" in read.skipped[0].reason
    named = parse(f"new=fiftyone:{dataset.name}:odd")
    assert (named.name, len(named)) == ("new", N // 2)

    dataset.add_sample(fo.Sample(filepath="/no/such.jpg"))
    assert parse(f"fiftyone:{dataset.name}").skipped[-1].reason == "no such file"
    with pytest.raises(MissingPathError, match="no FiftyOne dataset named nothing"):
        parse("fiftyone:nothing")
    with pytest.raises(MissingPathError, match=f"no saved view none of the FiftyOne dataset {dataset.name}: its views are odd"):
        parse(f"fiftyone:{dataset.name}:none")


def test_commands_take_a_dataset_by_its_name(site, dataset, tmp_path, capsys):
    quiet = ("--bootstrap", "0", "--permutations", "0", "--no-baselines", "--store", str(tmp_path / "store"))
    names = (str(site / "roads"), f"fiftyone:{dataset.name}")
    assert run(["compare", *names, "--backbone", "colour_moments", "--out", str(tmp_path / "run"), *quiet]) == 0
    by_folder = howfar.compare(
        str(site / "roads"),
        [str(site / "site")],
        "colour_moments",
        bootstrap=0,
        permutations=0,
        baselines=False,
        progress=False,
    )
    assert list(howfar.Comparison.load(tmp_path / "run").images["i_dist"]) == list(by_folder.images["i_dist"])


def test_assess_select_certify_and_labels_from_the_app(fo, site, dataset, operate, tmp_path):
    maps = tmp_path / "maps"
    maps.mkdir()
    for name in ("roads", "lit"):
        (maps / name).symlink_to(site / name / "masks")
    (maps / dataset.name).symlink_to(site / "maps")
    by = {"backbone": "colour_moments"}
    said = operate("assess", dataset, primary=str(site / "roads"), labelled=str(site / "lit"), predictions=str(maps), **by)
    assert "Next: " in said.get("verdict", ""), said
    table = howfar.Comparison.load(tmp_path / "results" / "assessment").images.query("dataset != 'lit'")
    assert dataset.values("howfar_distance") == list(table["i_dist_mean"])
    estimates = howfar.Relation.load(tmp_path / "results" / "assessment").images.query("dataset != 'lit'")
    assert dataset.values("howfar_estimate") == list(estimates["estimate"])
    assert dataset.values("howfar_far") == [value <= 0.05 for value in table["p_value"]]

    said = operate("select", dataset, k=2, strategy="far")
    assert "howfar selected" in said.get("verdict", ""), said
    chosen = howfar.Selection.load(tmp_path / "results" / "selected")
    view = dataset.load_saved_view("howfar selected")
    assert view.values("filepath") == list(chosen.paths)
    assert view.values("howfar_selected_rank") == [1, 2]

    said = operate("certify", dataset, k=4, predictions=str(site / "maps"))
    assert "0 of 4 drawn images labelled" in said.get("verdict", ""), said
    drawn = howfar.Certificate.load(tmp_path / "results" / "certificate").sample
    assert dataset.load_saved_view("howfar to certify").values("filepath") == [one.path for one in drawn]

    said = operate("import_labels", dataset, source=str(drawn_masks(site, drawn, tmp_path / "drawn")))
    assert "4 in the field *ground_truth*" in said.get("verdict", ""), said
    for one in drawn:
        kept = dataset[one.path]["ground_truth"].mask_path
        assert np.array_equal(read_mask(kept), read_mask(site / "true" / f"{Path(one.image).stem}.png"))
    said = operate(
        "certify", dataset, k=4, predictions=str(site / "maps"), labels=str(tmp_path / "results" / "labelled" / "masks")
    )
    assert "4 of 4 drawn images labelled" in said.get("verdict", ""), said
    dataset.reload()
    assert fiftyone_plugin.said(dataset).count("### ") == 4


def drawn_masks(site: Path, drawn: Any, folder: Path) -> Path:
    folder.mkdir()
    for one in drawn:
        name = f"{Path(one.image).stem}.png"
        (folder / name).write_bytes((site / "true" / name).read_bytes())
    return folder


def test_a_wrong_input_is_one_line_in_the_app(dataset, operate, tmp_path):
    assert "nothing at" in operate("assess", dataset, primary=str(tmp_path / "none"), predictions=str(tmp_path))["error"]
    assert "pass a run folder that howfar compare" in operate("select", dataset, k=2)["error"]
