from __future__ import annotations

import subprocess
import sys

import pytest

from howfar import registry
from howfar.segmenters import segmenter_family


@pytest.mark.parametrize("name", ["adsam", "deepcrack", "frozen", "unetplusplus"])
def test_a_recipe_goes_by_its_registered_name(name: str) -> None:
    assert name in registry.names("segmenters")
    assert segmenter_family(name).name == name


def test_reading_recipes_loads_no_network_library() -> None:
    heavy = ("torch", "transformers", "segmentation_models_pytorch", "torchvision")
    code = (
        "import sys; from howfar.segmenters import segmenter_family; "
        "[segmenter_family(name).options() for name in ('adsam', 'deepcrack', 'frozen', 'unetplusplus')]; "
        f"print(*[name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
