"""The same images as files, in a tar, in Parquet, as a saved dataset and behind a URL, through the commands that read them."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from howfar.figures.contact_sheets import thumbnail
from packed import files_below, tar_bytes, write_parquet, write_saved

HOWFAR = str(Path(sys.executable).parent / "howfar")
WORK = ("--backbone", "colour_moments", "--no-baselines")


def howfar(*arguments: str | Path, store: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HOWFAR_STORE": str(store)}
    done = subprocess.run(
        [HOWFAR, *map(str, arguments)], capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def forms(demo_folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """P and one secondary, each in every form."""
    root = tmp_path_factory.mktemp("forms")
    made = {}
    for name, folder in zip(("roads", "site"), demo_folders, strict=False):
        images = files_below(folder)
        masks = {f"{file.stem}.mask.png": file.read_bytes() for file in (folder / "masks").iterdir()}
        (root / f"{name}.tar").write_bytes(tar_bytes([*images.items(), *masks.items()]))
        made |= {
            f"{name}/folder": folder,
            f"{name}/tar": root / f"{name}.tar",
            f"{name}/parquet": write_parquet(root / f"{name}.parquet", images),
            f"{name}/saved": write_saved(root / "saved" / name, images),
        }
    return made


def compared(primary: str | Path, secondary: str | Path, store: Path, *more: str | Path) -> tuple[dict[str, object], str]:
    done = howfar("compare", f"roads={primary}", f"site={secondary}", *WORK, "--json", *more, store=store)
    return json.loads(done.stdout), done.stderr


def test_every_form_gives_the_same_rows_and_embeds_nothing_twice(forms: dict[str, Path], tmp_path: Path) -> None:
    first, _ = compared(forms["roads/folder"], forms["site/folder"], tmp_path / "store")
    for form in ("tar", "parquet", "saved"):
        found, progress = compared(forms[f"roads/{form}"], forms[f"site/{form}"], tmp_path / "store")
        assert found["datasets"] == first["datasets"]
        assert found["primary"] == first["primary"]
        assert found["skipped"] == first["skipped"] == []
        assert "from store=36" in progress


def test_on_s3(forms: dict[str, Path], bucket: str, tmp_path: Path) -> None:
    system, root = fsspec.url_to_fs(bucket)
    system.pipe({f"{root}/roads/images/{name}": data for name, data in files_below(forms["roads/folder"]).items()})
    system.pipe(f"{root}/site.tar", forms["site/tar"].read_bytes())
    first, _ = compared(forms["roads/folder"], forms["site/folder"], tmp_path / "store")
    found, progress = compared(f"{bucket}/roads", f"{bucket}/site.tar", tmp_path / "store", "--out", tmp_path / "run")
    assert found["datasets"] == first["datasets"]
    assert "from store=36" in progress
    images = pd.read_parquet(tmp_path / "run" / "images.parquet")
    assert images["path"].iloc[0] == f"{bucket}/site.tar/0001.jpg"
    assert all(thumbnail(path).pixels is not None for path in images["path"])


@pytest.mark.parametrize("form", ["tar", "parquet"])
def test_the_run_shows_its_pictures_and_selects_from_them(form: str, forms: dict[str, Path], tmp_path: Path) -> None:
    run, store = tmp_path / "run", tmp_path / "store"
    compared(forms[f"roads/{form}"], forms[f"site/{form}"], store, "--out", run)
    page = (run / "report.html").read_text()
    assert page.count("data:image/jpeg;base64") >= 10
    assert ">not found<" not in page
    assert ">unreadable<" not in page
    done = howfar("select", run, "--dataset", "site", "-k", "3", "--out", tmp_path / "chosen", store=store)
    chosen = (tmp_path / "chosen" / "chosen.txt").read_text().splitlines()
    assert all(thumbnail(path).pixels is not None for path in chosen)
    assert f"3 images lie within a tar, Parquet or Arrow file, a raster, volume or clip ({chosen[0]})" in " ".join(
        done.stdout.split()
    )
    assert len(json.loads((tmp_path / "chosen" / "coco.json").read_text())["images"]) == 3
    again = howfar(
        "compare", f"roads={forms[f'roads/{form}']}", tmp_path / "chosen" / "chosen.csv", *WORK, "--json", store=store
    )
    assert json.loads(again.stdout)["datasets"][0]["n"] == 3
    assert "from store=27" in again.stderr


@pytest.mark.skipif(find_spec("ray") is None, reason="needs howfar[ray]")
def test_on_a_cluster_from_s3_into_a_store_on_s3(forms: dict[str, Path], bucket: str, tmp_path: Path) -> None:
    system, root = fsspec.url_to_fs(bucket)
    system.pipe(f"{root}/site.tar", forms["site/tar"].read_bytes())
    system.pipe(f"{root}/roads.parquet", forms["roads/parquet"].read_bytes())
    work = ("--store", f"{bucket}/store", "--backbone", "colour_moments", "--json")
    done = howfar(
        "embed", f"{bucket}/roads.parquet", f"{bucket}/site.tar", *work, "--runner", "ray", "--workers", "2", store=tmp_path
    )
    assert [one["n"] for one in json.loads(done.stdout)["datasets"]] == [24, 12]
    # The first compare adds the images' hashes to what was embedded, the second finds both.
    compared(forms["roads/folder"], forms["site/folder"], tmp_path, "--store", f"{bucket}/store")
    found, progress = compared(forms["roads/folder"], forms["site/folder"], tmp_path, "--store", f"{bucket}/store")
    assert "from store=36" in progress
    assert found["skipped"] == []
