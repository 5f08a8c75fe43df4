"""Every task declares what commands ask of it, and refuses the options of the other tasks."""

from __future__ import annotations

import pytest

from howfar import registry
from howfar.errors import InputError
from howfar.tasks.by_name import TASKS, own_options

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
