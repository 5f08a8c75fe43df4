"""Options become checked values, signatures and documentation, and each name means one thing in all functions."""

import inspect
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

import howfar
from howfar import options_by_function
from howfar.errors import InputError
from howfar.option_checks_and_signatures import checked, declared, picked
from howfar.options_by_function import (
    AdaptOptions,
    BakeoffOptions,
    CompareOptions,
    CompareSettings,
    MatrixOptions,
    TrainKeywords,
)

FUNCTIONS = {
    "compare": CompareOptions,
    "compare_backbones": CompareOptions,
    "matrix": MatrixOptions,
    "embed": options_by_function.EmbedOptions,
    "export": options_by_function.EmbedOptions,
    "profile": options_by_function.ProfileOptions,
    "relate": options_by_function.RelateOptions,
    "select": options_by_function.SelectOptions,
    "evaluate": options_by_function.EvaluateOptions,
    "predict": options_by_function.PredictOptions,
    "train": options_by_function.TrainOptions,
    "adapt": AdaptOptions,
    "bakeoff": BakeoffOptions,
    "prompts": options_by_function.PromptOptions,
    "load_backbone": options_by_function.BackboneOptions,
}
# A network that predicts takes one square where a backbone takes two sides, and one that is trained one precision less; what is
# read of mirrored maps in one function is made of mirrored images in another; PerSAM takes steps, a training may.
TWOFOLD = {"size", "precision", "pretrained", "batch", "flipped", "steps"}


@pytest.mark.parametrize(("name", "kind"), FUNCTIONS.items())
def test_signature_and_documentation_show_every_option(name, kind):
    function = getattr(howfar, name)
    parameters, text = inspect.signature(function).parameters, inspect.getdoc(function)
    assert text is not None
    for option, (_, entry) in declared(kind).items():
        assert parameters[option].default == entry.default
        assert f"\n{option} : {parameters[option].annotation}, default {entry.default!r}\n    {entry.help}" in text
    assert not [one for one in parameters.values() if one.kind is one.VAR_KEYWORD]
    assert text.index("\nParameters\n") < text.index(f"\n{option} : ") < text.index("\nRaises\n")


def test_a_name_has_one_type_in_all_functions():
    kinds: dict[str, set[str]] = {}
    for kind in FUNCTIONS.values():
        for name, (annotation, _) in declared(kind).items():
            kinds.setdefault(name, set()).add(str(annotation))
    assert {name for name, found in kinds.items() if len(found) > 1} <= TWOFOLD


def test_help_is_one_sentence_that_begins_with_a_verb():
    for kind in FUNCTIONS.values():
        for name, (_, option) in declared(kind).items():
            assert re.match(r"[A-Z][a-z]+,? .*\.$", option.help), name
            assert ". " not in option.help, name
            assert option.help.split()[0] not in {"The", "A", "As", "Of", "Which", "What", "Whether", "How"}, name


def test_values_are_checked_and_defaults_filled_in():
    given = checked(CompareSettings, {"components": np.int64(3), "projection": "joint"})
    assert given == {
        "components": 3, "projection": "joint", "scale": "none", "seed": 0, "bootstrap": 1000, "permutations": 999,
        "neighbours": 5, "limit": None, "rivals": True, "leaks": "warn", "group": None,
    }  # fmt: skip
    assert checked(MatrixOptions, {})["bootstrap"] == 0
    assert checked(AdaptOptions, {"shots": range(2), "seeds": [4]})["shots"] == (0, 1)
    assert picked(CompareSettings, {"components": None, "limit": 3, "device": "cpu"}) == {"limit": 3}


@pytest.mark.parametrize(
    ("kind", "given", "line"),
    [
        (CompareSettings, {"components": 0}, "components must be at least 1, got 0: the"),
        (CompareSettings, {"scale": "z"}, "scale must be none or layers, got 'z': the default is"),
        (CompareSettings, {"component": 3}, "option must be a known one, got 'component': did you mean components?"),
        (AdaptOptions, {"shots": ()}, "shots must"),
        (AdaptOptions, {"strategies": "far"}, "strategies must"),
        (CompareOptions, {"bootstrap": 10**9}, "bootstrap must be at most 1000000, got 1000000000"),
        (TrainKeywords, {"rate": float("nan")}, "rate must"),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_line(kind, given, line):
    with pytest.raises(InputError, match=r"^predictions must not be empty, got '': leave it out"):
        howfar.evaluate("roads", "", model="m.onnx")
    with pytest.raises(InputError) as caught:
        checked(kind, given)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_the_bounds_of_every_option_hold_in_every_function():
    beyond = {"ge": -1, "gt": 0, "le": 1, "lt": 0}
    for kind in FUNCTIONS.values():
        for name, (_, option) in declared(kind).items():
            for rule in () if option.free else beyond.keys() & option.rule.keys():
                value = option.rule[rule] + beyond[rule]
                with pytest.raises(InputError, match=rf"^{name} must .*, got {value}"):
                    checked(kind, {name: value})


def test_an_earlier_name_is_understood_but_not_beside_the_new_one():
    assert checked(AdaptOptions, {"pool": 0.25})["pool_share"] == 0.25
    with pytest.raises(InputError, match=r"^pool must not be given beside pool_share, its new name, got 0.5"):
        checked(AdaptOptions, {"pool": 0.5, "pool_share": 0.3})
    with pytest.raises(InputError, match="option must be a known one, got 'pools'"):
        howfar.adapt("p", ["s"], out="o", pools=0.5)
    with pytest.raises(InputError, match=r"option must be a known one, got 'labeled': did you mean labelled\?"):
        howfar.select("run", "site", 3, labeled="list.txt")


def test_functions_can_still_be_sent_to_other_processes():
    assert pickle.loads(pickle.dumps(howfar.compare)) is howfar.compare


def test_declaring_options_loads_neither_pydantic_nor_numpy():
    modules = "sys, howfar.options_by_function, howfar.option_checks_and_signatures"
    code = f"import {modules}; print(sorted({{'pydantic', 'numpy', 'typer'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
