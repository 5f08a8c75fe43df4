"""Every command of the table: help, options, defaults, JSON and refusals, by one test each."""

import json
import re
import shlex
import shutil
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
import typer

from command_world import FAST, TINY
from howfar import options_by_function, registry
from howfar.cli import main
from howfar.cli.exit_codes import flags_of
from howfar.cli.flags import choices_of
from howfar.cli.main import ORDER, run
from howfar.command_table import COMMANDS, COMMON
from howfar.errors import InputError
from howfar.option_checks_and_signatures import Declared, command_words, declared
from howfar.options import FOLDED, HIDDEN
from howfar.options_by_function import AssessOptions
from howfar.segmenters import segmenter_family

pytestmark = pytest.mark.usefixtures("undrawn")
ENTRIES = [entry for entries in COMMANDS.values() for entry in entries]
PARSERS = main.parser().commands
each_command = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
FUNCTIONS = {entry.name: registry.load("commands", entry.name) for entry in ENTRIES}
DECLARED = {name: function.keywords for name, function in FUNCTIONS.items() if hasattr(function, "keywords")}


@each_command
def test_help_ends_with_an_example_that_parses_and_what_to_see_also(entry, howfar):
    code, out, _ = howfar(entry.name, "--help")
    text = " ".join(out.split())
    assert code == 0
    PARSERS[entry.name].make_context(entry.name, shlex.split(entry.example))
    assert f"Example: howfar {entry.name} {entry.example} See also: " in text
    others = entry.see_also.split()
    assert set(others) <= {each.name for each in ENTRIES} - {entry.name}
    assert text.endswith(f"See also: {', '.join(f'howfar {other}' for other in others)}")


@pytest.mark.parametrize("name", DECLARED)
def test_help_all_lists_every_option_and_the_words_that_it_may_be(name, howfar):
    out, flags = howfar(name, "--help-all")[1], flags_of(PARSERS[name])
    text = " ".join(out.split())
    for option, (kind, entry) in declared(DECLARED[name]).items():
        words = choices_of(kind, entry)
        if option in flags and entry.flags not in (HIDDEN, FOLDED):
            assert flags[option] in text
            after = text.partition(f"{flags[option]} ")[2]
            listed = after.startswith(f"<{'|'.join(words)}> ") or f"One of {', '.join(words)}." in after
            assert not words or listed or option == "start", option


@each_command
def test_help_is_short_and_names_values_by_words(entry, howfar):
    short, whole = (howfar(entry.name, asked)[1] for asked in ("--help", "--help-all"))
    assert not re.search(r"^ +-.*<(list|str|int|float|path|file)\b", whole, re.MULTILINE)
    options, every = (len(re.findall(r"^  -", text, re.MULTILINE)) for text in (short, whole))
    assert options <= 10
    assert set(COMMON.get(entry.name, "").split()) <= {parameter.name for parameter in PARSERS[entry.name].params}
    left_out = re.search(rf"^(\d+) more options: howfar {entry.name} --help-all$", short, re.MULTILINE)
    assert (0 if left_out is None else int(left_out[1])) == every - options


@each_command
def test_a_command_without_its_arguments_prints_usage_and_example(entry, howfar, tmp_path, monkeypatch):
    if not any(parameter.required for parameter in PARSERS[entry.name].params):
        pytest.skip("it needs no argument")
    monkeypatch.chdir(tmp_path)
    code, out, err = howfar(entry.name)
    *usage, example, line = err.splitlines()
    assert (code, out) == (2, "")
    assert usage[0].startswith(f"Usage: howfar {entry.name} [OPTIONS]")
    assert example == f"Example: howfar {entry.name} {entry.example}"
    assert line.startswith("howfar: Missing argument ")


def test_commands_and_options_stand_under_heads(howfar):
    names = [entry.name for entry in ENTRIES]
    assert len(names) == len(set(names))
    _, out, _ = howfar("--help")
    assert "..." not in out.partition("Begin here")[2].replace("NEW...`", "")
    assert [line[:-1] for line in out.splitlines() if line.endswith(":") and line[0] not in " O"] == list(COMMANDS)
    assert re.findall(r"^  (\w+) ", out.partition("Begin here:")[2], re.MULTILINE) == names
    more = ["Distance", "Pixels", "How sure it is", "Photographs and labels", "Network", "Where it runs", "Output and defaults"]
    for asked, topics in (("--help", ["Output and defaults"]), ("--help-all", more)):
        _, out, _ = howfar("compare", asked)
        heads = [line[:-1] for line in out.splitlines() if line.endswith(":") and line[0] != " "]
        assert heads == ["Arguments", "Options", *topics, "Example", "See also"]
    every = {entry.option.topic for keyword in DECLARED.values() for entry in declared(keyword).values()}
    assert every <= set(ORDER)


@pytest.mark.parametrize("name", ["size", "epochs", "batch", "loss", "schedule", "rate", "decay"])
def test_the_defaults_of_a_training_are_those_of_the_segmenters(name):
    first, *others = (
        declared(options_by_function.TrainOptions)[name].option.help.rpartition("; by default ")[2].rstrip(".").split(", ")
    )
    exceptions = dict(each.split(" ", 1) for each in others)
    for family in registry.OURS["segmenters"]:
        value = getattr(segmenter_family(family).training, name)
        told = exceptions.get(family, first).replace("its own", family)
        assert told == (f"{value:g}" if isinstance(value, float) else str(value)), family


CALLED = {
    "assess": ("howfar.studies.assessment.assess_sites.assess", "{roads} {near} --predictions {maps}"),
    "compare": ("howfar.studies.compare_datasets.compare", "p s"),
    "matrix": ("howfar.studies.distance_matrix.matrix", "p s"),
    "evaluate": ("howfar.studies.evaluate_predictions.evaluate", "p --predictions m"),
    "relate": ("howfar.studies.performance.relate_and_estimate.relate", "r --performance f"),
    "select": ("howfar.studies.select_images.select", "r --dataset s -k 3"),
    "labels": ("howfar.studies.label_import.import_labels", "import f --images d -o o"),
    "certify": ("howfar.studies.certification.certify.certify", "{roads} --predictions m"),
    "train": ("howfar.training.train.train", "p -o {out}.safetensors"),
    "predict": ("howfar.pipeline.prediction.predict", "m d -o {out}"),
    "corrupt": ("howfar.studies.corruption.corrupt", "p -o o"),
    "adapt": ("howfar.studies.adaptation.adapt.adapt", "p s -o {out}"),
    "prompts": ("howfar.paper.prompts.prompts", "p -o {out}"),
    "profile": ("howfar.studies.profile_dataset.profile", "p -o {out}.howfar"),
    "check": ("howfar.studies.check.check_site.check", "f n --rules r"),
    "export": ("howfar.studies.feature_export.export", "p -o {out}.parquet"),
    "report": ("howfar.studies.run_report.write_report", "r"),
    "explore": ("howfar.report.explorer.site_of", "r"),
}
"""By command: the function that it calls, and the words that it needs."""
OWN: dict[str, tuple[str, dict[str, Any]]] = {
    "adapt": ("--background bg --blind x --blind y", {"background": "bg", "blind": ["x", "y"]}),
    "select": ("--labelled l.txt --performance p", {"labelled": Path("l.txt"), "performance": [Path("p")]}),
    "train": ("--add s:l --background b --start c", {"add": ["s:l"], "background": ["b"], "start": Path("c")}),
    "certify": ("--labels l --profile p --sample s", {"labels": Path("l"), "profile": Path("p"), "sample": Path("s")}),
    "evaluate": ("--tuned-on t", {"tuned_on": Path("t")}),
    "corrupt": ("--others o --model m", {"others": ["o"], "model": Path("m")}),
    "profile": ("--labelled s --performance p", {"labelled": ["s"], "performance": [Path("p")]}),
    "check": ("--certificate c --keep --since d", {"certificate": [Path("c")], "keep": True, "since": "d"}),
}
"""By command: options of its own, and what they are in Python."""
SPELT: dict[str, tuple[str, Any]] = {
    "weights": ("w", Path("w")),
    "mean": ("0.5,0.4,0.3", (0.5, 0.4, 0.3)),
    "std": ("0.5,0.4,0.3", (0.5, 0.4, 0.3)),
    "shots": ("0,2,4", [2, 4]),
    "background_shots": ("3,7", [3, 7]),
    "seeds": ("2", range(2)),
    "random_seeds": ("3", range(2, 5)),
    "options": ("width=4", {"width": 4}),
    "pretrained": ("none", False),
    "without_labels": ("none", ()),
    "strategies": ("all", registry.names("strategies")),
    **dict.fromkeys(("ensemble", "label_names", "by"), ("x", ("x",))),
    "texts": ("x", ["x"]),
    "backbone_option": ("size=96,128", (96, 128)),
    "window": ("64", 64),
    "bands": ("3,2,1", "3,2,1"),
    "range": ("dtype", "dtype"),
    "frames": ("2/s", "2/s"),
}
"""By option: how a value is typed that Python has in another form."""


def spelling(name: str, entry: Declared, parameter: Any) -> tuple[list[str], Any]:
    """Return words that set an option to another value than its default, and that value in Python."""
    flag, (kind, option) = parameter.opts[-1], entry
    if name == "start":
        return [flag], "tuned"
    if parameter.is_flag:
        return ([parameter.secondary_opts[-1]], False) if option.default is True else ([flag], True)
    if name in SPELT:
        return [flag, SPELT[name][0]], SPELT[name][1]
    words = choices_of(kind, option)
    text = words[-1] if words else {int: "3", float: "0.3"}.get(_number(kind), "x")
    return [flag, text], _number(kind)(text)


def _number(kind: Any) -> Any:
    parts = (kind, *get_args(kind))
    return next((part for part in (int, float) if part in parts and str not in parts), str)


@pytest.mark.parametrize("name", CALLED)
def test_options_reach_the_function_and_defaults_are_its_own(name, world, tmp_path, howfar, monkeypatch):
    """No option is passed on that was not typed, and every one that was."""
    seen: dict[str, Any] = {}

    def study(*_: Any, **given: Any) -> Any:
        seen.clear()
        seen.update(given)
        raise KeyboardInterrupt

    target, needed = CALLED[name]
    monkeypatch.setattr(target, study)
    monkeypatch.chdir(tmp_path)
    places = {"roads": world / "roads", "near": world / "near", "maps": world / "maps", "out": tmp_path / "out"}
    command = [name, *(word.format(**places) for word in needed.split())]
    options = {each: entry for each, entry in declared(DECLARED[name]).items() if entry.option.flags not in (HIDDEN, FOLDED)}
    assert howfar(*command)[0] == 130
    assert seen.keys() & (options.keys() - {"runner", "out", "predictions"}) == set()
    parameters = {parameter.name: parameter for parameter in PARSERS[name].params}
    typed = {each: spelling(each, entry, parameters[each]) for each, entry in options.items() if each not in ("runner", "log")}
    own, values = OWN.get(name, ("", {}))
    code, _, err = howfar(*command, *own.split(), *(word for words, _ in typed.values() for word in words))
    assert code == 130, err
    wanted = values | {each: value for each, (_, value) in typed.items()}
    assert {each: seen.get(each) for each in wanted} == wanted


def test_every_parameter_is_called_by_its_flag_in_error_lines():
    for name, parser in PARSERS.items():
        for parameter in parser.params:
            line = InputError.of(parameter.name, "must be another", 7, "change it").line(flags_of(parser))
            called = line.partition(" must be another")[0]
            wanted = called in parameter.opts if parameter.param_type_name == "option" else called[0].isupper()
            assert wanted, (name, called)
        outs = [parameter.opts for parameter in parser.params if "--out" in parameter.opts]
        assert outs in ([], [["--out", "-o"]]), name


@each_command
def test_an_unknown_option_names_the_nearest(entry, howfar):
    code, out, err = howfar(entry.name, *shlex.split(entry.example), "--confug")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.match("howfar: No such option: --confug.*--config", err)


def test_the_keys_of_a_study_file_are_no_flags(tmp_path, howfar):
    (tmp_path / "study.toml").write_text("out = 3\n[datasets]\nroads = { path = 'roads' }\n")
    code, _, err = howfar("study", tmp_path / "study.toml")
    assert (code, "--out" in err) == (2, False)


JSON: dict[str, tuple[str, str, str]] = {
    "explain": ("ODS", "", "terms"),
    "compare": ("{roads} {near} FAST --out {out}", "result.json", "primary backbone seed settings datasets skipped"),
    "matrix": ("{roads} {near} --backbone pixels --out {out}", "matrix.json", "backbone datasets pairs settings notes"),
    "embed": ("{roads} --backbone pixels", "", "backbone store datasets skipped notes"),
    "backbones": ("", "", "name length licence weights input"),
    "evaluate": ("{near} --predictions {maps}/near -o {out}.parquet", "", "dataset metric threshold scores skipped"),
    "relate": ("{out} --performance {near}.parquet --performance {far}.parquet --bootstrap 0", "relation.json",
               "primary metric settings datasets pooled pooled_verdict judgements choices estimator estimates failures gates "
               "slices notes provenance"),
    "certify": ("{near} --predictions {maps}/near -k 4 --out {out}", "certificate.json", "sample value low high labelled"),
    "corrupt": ("{near} -o {out} --only invert", "", "folder threshold datasets notes skipped"),
    "select": ("{run} --dataset new -k 2 --out {out}", "selection.json",
               "primary dataset strategy nested seed n labelled picks why task label_names notes provenance"),
    "labels": ("import {world}/coco.json --images {new} -o {out}", "import.json", "dataset tool names images"),
    "strategies": ("", "", "strategies summary"),
    "profile": ("{roads} --backbone pixels -o {out}.howfar", "", "settings performance"),
    "score": ("{world}/roads.howfar {new}/images/0001.jpg", "",
              "dataset image i_dist i_dist_mean relative knn mahalanobis percentile p_value predicted predicted_low "
              "predicted_high estimator flag reason"),
    "check": ("{world}/roads.howfar {new} --rules {world}/rules.yaml", "", "outcome exit_code decisions"),
    "watch": ("{new} --profile {world}/roads.howfar --rules {world}/rules.yaml --out {out} --once", "",
              "new waiting to_label check"),
    "train": ("{near} -o {out}.safetensors TINY --epochs 1", "", "segmenter options settings"),
    "predict": ("{world}/m.safetensors {new} -o {out}", "", "folder written kept skipped notes"),
    "adapt": ("{near} {far} -o {out} TINY --shots 1 --epochs 1 --bootstrap 20", "adaptation.json", "primary settings"),
    "study": ("{world}/study.toml --out {out}", "study.json", "title studies datasets"),
    "data": ("", "", "name images sizes"),
    "store": ("size {world}/store", "", "store features"),
    "export": ("{near} --backbone pixels -o {out}.parquet", "", "path images length skipped notes"),
}  # fmt: skip
"""By command: what is typed, the file of the run folder that holds the same, and keys of the document."""
IDS = ("run", "parents", "runs_of", "seal")
"""What a document in a run folder has beside."""
OWN_JSON = ("assess", "verify", "prompts", "bench")
"""Commands that take long to run: their own tests read their documents."""


@pytest.mark.parametrize(
    "name", [each.name for each in ENTRIES if "json" in flags_of(PARSERS[each.name]) and each.name not in OWN_JSON]
)
def test_json_is_one_document_on_stdout(name, world, tmp_path, howfar):
    typed, file, keys = JSON[name]
    places = {place: world / place for place in ("roads", "near", "far", "new", "maps", "run")}
    line = (
        typed.replace("FAST", " ".join(FAST)).replace("TINY", " ".join(TINY)).format(**places, world=world, out=tmp_path / "o")
    )
    if name == "relate":
        shutil.copytree(world / "run", tmp_path / "o")
    code, out, err = howfar(name, *line.split(), "--json")
    assert code == 0, err
    assert out.count("\n") == 1
    assert all(not text.startswith(("{", "[")) for text in err.splitlines())
    document = json.loads(out)
    assert set(keys.split()) <= set(document if isinstance(document, dict) else document[0])
    if file:
        saved = json.loads((tmp_path / "o" / file).read_text(encoding="utf-8"))
        assert {key: document.get(key) for key in saved if key not in IDS} == {
            key: value for key, value in saved.items() if key not in IDS
        }


def test_options_are_written_as_they_are_read(monkeypatch):
    given = {"limit": 30, "baselines": False, "tiled": True, "tau": 0.4, "group": "(.+)-[0-9]+", "store": "s"}
    read: dict[str, object] = {}

    def study(*_: object, **options: object) -> None:
        read.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("howfar.studies.assessment.assess_sites.assess", study)
    assert run(["assess", ".", "site", "--model", "m.onnx", *command_words(AssessOptions, given)]) == 130
    assert given.items() <= read.items()
    several = {"task": "detection", "classes": ("road", "car"), "columns": {"image": "file", "x0": "left"}, "iou": 0.7}
    words = " ".join(command_words(AssessOptions, several))
    assert words == "--columns image=file,x0=left --classes road,car --iou 0.7 --task detection"


@pytest.fixture
def installed(monkeypatch) -> list[str]:
    """A package with a command that greets, and one that cannot be loaded; which groups were looked up."""

    def greet(name: str) -> None:
        """Greet NAME."""
        typer.echo(f"good day, {name}")

    module = ModuleType("elsewhere")
    vars(module)["greet"] = greet
    points = [EntryPoint("greet", "elsewhere:greet", "howfar.commands"), EntryPoint("lost", "gone:lost", "howfar.commands")]
    asked: list[str] = []
    monkeypatch.setitem(sys.modules, "elsewhere", module)
    monkeypatch.setattr(registry, "entry_points", lambda group: asked.append(group) or points)
    monkeypatch.setattr(main.app, "registered_commands", list(main.app.registered_commands))
    return asked


def test_a_command_of_another_package_runs_and_is_listed_after_ours(installed, capsys):
    assert run(["greet", "Ada"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "good day, Ada\n"
    assert captured.err == "howfar: the command lost cannot be loaded (ModuleNotFoundError: No module named 'gone')\n"
    for _ in range(2):
        assert run(["--help"]) == 0
        listed = capsys.readouterr().out
        assert 0 < listed.index("  report ") < listed.index("  greet ")
        assert listed.count("Greet NAME") == 1
