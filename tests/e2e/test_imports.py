"""What must stay out of a plain import, and out of `howfar --help`, for them to be quick."""

import os
import subprocess
import sys
from pathlib import Path

HEAVY = ("torch", "timm", "matplotlib", "pandas", "pyarrow", "scipy", "pydantic", "jinja2", "PIL", "sklearn")
UNNEEDED = (
    *("torch", "torchvision", "timm", "onnxruntime", "transformers", "numba", "sklearn", "scipy.stats", "scipy.special"),
    *("matplotlib", "jinja2", "pyarrow.dataset", "howfar.report", "howfar.explore", "asyncio"),
)


def loaded(code: str) -> list[str]:
    script = f"import sys\n{code}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


def test_import_and_help_load_nothing_heavy() -> None:
    assert loaded("import howfar") == []
    assert loaded("from howfar.cli.main import run; run(['--help'])") == []


def test_the_lower_layers_load_neither_torch_nor_scikit_learn_and_listing_backbones_no_torch() -> None:
    layers = ("projection", "distances", "significance", "metrics", "relation", "selection", "data", "demo", "store", "runners")
    code = "import " + ", ".join(f"howfar.{layer}" for layer in layers)
    assert not {"torch", "timm", "sklearn"} & set(loaded(code))
    assert not {"torch", "timm"} & set(loaded("from howfar.cli.main import run; run(['backbones', '--json'])"))


def unneeded(arguments: list[str], names: tuple[str, ...]) -> list[str]:
    """Which of these modules a command loads in a process of its own."""
    code = f"import sys\nfrom howfar.cli.main import run\nassert run({arguments!r}) == 0\n"
    script = f"{code}print(*[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


def test_runs_whose_features_are_stored_load_no_network(tmp_path: Path) -> None:
    from howfar.cli.main import run
    from howfar.demo import write_dataset

    folders = [str(write_dataset(tmp_path / name, 3, seed=seed, size=48)) for seed, name in enumerate("ab")]
    profile = str(tmp_path / "a.howfar")
    assert run(["compare", *folders, "--json"]) == 0
    assert run(["profile", folders[0], "-o", profile]) == 0
    assert unneeded(["compare", *folders, "--json"], UNNEEDED) == []
    image = str(next((tmp_path / "b" / "images").iterdir()))
    store = os.environ["HOWFAR_STORE"]
    assert unneeded(["score", profile, image, "--store", store], (*UNNEEDED, "pandas", "rich")) == []
