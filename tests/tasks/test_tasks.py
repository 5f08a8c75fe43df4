"""What a task declares, which options it refuses, and F at the size of a network's square."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import howfar
from howfar import registry
from howfar.data.binary_masks import read_mask, resize_mask
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.tasks.tasks_and_own_options import TASKS, own_options

EVERY = sorted({option for task in TASKS.values() for option in task.options})


def test_every_metric_of_a_task_has_a_task():
    assert set(TASKS) == set(registry.OURS["metrics"])


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_a_task_certifies_a_mean_by_default_and_names_its_measures(task):
    made = task.of({"tolerance": 0.0})
    assert made.measure(None).kind == "mean"
    assert all(made.measure(name).kind == "mean" for name in task.means.replace(" or ", ", ").split(", "))
    with pytest.raises(InputError, match="metric must be a known one, got 'depth'"):
        made.measure("depth")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("option", EVERY)
def test_an_option_of_other_tasks_is_refused(task, option):
    given = {"task": task, option: "x"}
    if option in TASKS[task].options:
        assert own_options(given) == {option: "x"}
    else:
        with pytest.raises(InputError, match=f"^{option} is of no use to {task}"):
            own_options(given)


SIDE = 32


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Pictures of 72 pixels, and the maps of a network that gives back masks of 32 pixels without error."""
    root = tmp_path_factory.mktemp("sized")
    roads = write_dataset(root / "roads", 4, seed=0, size=72)
    (root / "maps").mkdir()
    for mask in sorted((roads / "masks").iterdir()):
        small = Image.fromarray(resize_mask(read_mask(mask), SIDE, SIDE).astype(np.uint8) * np.uint8(255))
        small.resize((72, 72), Image.Resampling.BILINEAR).save(root / "maps" / mask.name)
    return roads, root / "maps"


def test_the_numbers_are_those_of_resized_files(sites: tuple[Path, Path], tmp_path: Path) -> None:
    for folder, files in (("masks", sites[0] / "masks"), ("maps", sites[1])):
        (tmp_path / folder).mkdir()
        for file in sorted(files.iterdir()):
            with Image.open(file) as opened:
                resized = np.asarray(opened.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
            mask = resize_mask(read_mask(file), SIDE, SIDE).astype(np.uint8) * np.uint8(255)
            Image.fromarray(mask if folder == "masks" else resized).save(tmp_path / folder / file.name)
    (tmp_path / "images").mkdir()
    for file in sorted((sites[0] / "images").iterdir()):
        Image.open(file).resize((SIDE, SIDE)).save(tmp_path / "images" / file.name)
    expected = howfar.evaluate(tmp_path, tmp_path / "maps", progress=False)
    found = howfar.evaluate(*sites, score_size=SIDE, progress=False)
    assert found.scores == expected.scores
    assert found.images["performance"].tolist() == expected.images["performance"].tolist()
