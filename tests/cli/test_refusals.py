"""Whatever a command refuses is one line on stderr, exit code 2 or 1, and leaves every file as it was."""

import shlex
from pathlib import Path

import pandas as pd
import pytest

from command_world import TINY
from howfar.cli.main import run
from howfar.demo import write_dataset
from howfar.errors import InputError
from howfar.studies.certification.certified_quantity import parse_until

LINES = {
    # Arguments and options that hold of every command.
    "compare {roads} /no/such/folder": "/no/such/folder",
    "compare {roads} {w}/broken --backbone pixels": "broken … no readable image",
    "compare {roads}": "SECONDARY",
    "compare {roads} {w}/semicolons.csv": "cells are separated by semicolons: save it as CSV with commas, and numbers with a",
    "compare {roads} {w}/windows.csv": "0001.jpg is a path of a Windows machine: write paths from the table's folder on",
    "compare {roads} {near} --config {w}/long.toml": "must be a file of defaults in TOML (Exceeds the limit",
    "compare {roads} {near} --config {w}/deep.toml": "deep.toml",
    "compare {roads} {near} --backbone efficientnet_lite": "efficientnet_lite0",
    "compare {roads} {near} --components 0": "--components must be at least 1, got 0",
    "compare {roads} {near} --components many": "--components must be a whole number, got 'many'",
    "compare {roads} {near} --projection pear": "--projection must be pair … got 'pear'",
    "compare {roads} {near} --runner abacus": "no runners named 'abacus'; known: local",
    "compare {roads} {near} --out {w}/text.csv": "--out must be a folder that can be made",
    "compare {roads} {near} --out s3://bucket/run": "--out must be a folder on this machine",
    "compare {roads} {near} --quiet --verbose": "--quiet must not be given with --verbose",
    "compare {roads} {near} --backbone pixels --backbone clip --weights folder":
        "--weights must be NAME=VALUE, got 'folder': write --weights dinov2=FOLDER",
    "compare {roads} {near} --backbone clip --weights a --weights b": "--weights must be given once for one backbone",
    "compare {roads} {near} --backbone clip --weights clip=/no/such": "/no/such is neither",
    "conpare": "conpare … compare",
    "report {w}/empty": "result.json",
    "embed {new} --backbone pixels --backbone-option size":
        "--backbone-option must be NAME=VALUE, got 'size': write --backbone-option size=448",
    "embed {new} --backbone pixels --backbone-option size=big":
        "--backbone-option size must be numbers with commas between them, got 'big': write 448 or 448,224",
    "embed {new} --backbone pixels --backbone-option prompt=cracks": "pixels takes no prompt, got 'cracks'",
    "matrix {roads} --backbone pixels": "DATASET must be at least two, got 1",
    "matrix {roads} {near} --projection primary": "--projection must be pair, joint or none in a matrix",
    # Performance.
    "evaluate {near}": "--predictions must be given, or a model",
    "evaluate {near} --predictions ''": "--predictions must not be empty, got '': leave it out, or give it a value",
    "evaluate {near} --predictions {maps}/near --threshold 0.435": "--threshold … 0.00, 0.01 … 0.99 … 0.435",
    "evaluate {near} --predictions {maps}/near --tolerance -1": "--tolerance … -1",
    "evaluate {near} --predictions {maps}/near --threshold 0.5 --tuned-on x": "--threshold and --tuned-on cannot both be given",
    "evaluate {near} --predictions {maps}/near --task depth": "--task must be one of segmentation … got 'depth'",
    "evaluate {near} --predictions {maps}/near --flipped {maps}/near": "flipped … not given already",
    "evaluate {near} --predictions {maps}/near -o x.csv": "--out must end in .parquet or .pq, got 'x.csv'",
    "evaluate {near} --predictions {maps}/near -o {w}/folder.parquet": "--out must be a file",
    "evaluate {near} --predictions {maps}/near -o {near}/images/0001.jpg/e.parquet": "--out … can be made",
    "evaluate {near} --predictions {maps}/near --model {w}/m.safetensors": "--model is of no use beside predictions",
    "evaluate {near} --predictions {maps}/near --tile": "--tile is of use only to a model",
    "evaluate {near} --model {w}/net.pt": "export another network as ONNX (torch.onnx.export), pass its maps (--predictions)",
    "evaluate {near} --predictions {w}/commas.csv --task classification": "column wet … '0,9'): write numbers with a decimal",
    "evaluate {near} --model {w}/m.safetensors --task classification": "--model is of use only to segmentation",
    "relate {w}/none --performance {near}.parquet": "none/result.json is not there … howfar compare --out",
    "relate {run} --performance {w}/filename.csv":
        "columns: filename, f1: it needs image and performance; name others by --columns, as image=filename,performance=f1",
    "relate {run} --performance {roads}.parquet": "must tell of a secondary dataset … roads",
    "relate {run} --performance {near}.parquet --bootstrap 1": "--bootstrap must be 0 (no intervals) or at least 2",
    "relate {run} --performance {near}.parquet --estimator signal": "signal … did you mean 'signals'",
    "assess {roads} {near} --out {out}": "--model and --predictions",
    "assess {roads} {near} --out {out} --predictions maps --model m.safetensors": "--model and --predictions",
    "certify {near} --predictions {maps}/near --out {out} --metric mean_g":
        "--metric must be a known one, got 'mean_g': did you mean mean_f?",
    # Choice and labels.
    "select {run} -k 2": "--dataset must be given",
    "select {run} --dataset new": "-k must be given",
    "select {run} --dataset news -k 2": "--dataset must be a secondary dataset of the run (near, far, new), got 'news'",
    "select {run} --dataset new -k 8": "-k must be at most 7 … got 8",
    "select {run} --dataset new -k 2 --strategy kcentre": "kcentre … did you mean 'kcenter'",
    "select {run} --dataset new -k 2 --out {run}/result.json": "--out must be a folder",
    "select {run} --dataset new -k 2 --predictions none": "--predictions must be a folder of maps",
    "labels import {w}/long.xml --images {new} -o {out}": "since there are 2 labels (aaaa … aaa…, b)",
    "labels export {w}/labelme.json --images {new} -o {out}": "ACTION must be import, got 'export'",
    "labels import {w}/labelme.json --images {new} -o {out}": "it is LabelMe's JSON of one image, which is not read",
    "labels import {w}/coco.json --images {new} -o {new}": "--out must be a new or empty folder",
    # Profiles, scores and rules.
    "profile {near} -o {w}/text.csv": "--out must end in .howfar",
    "profile {near} -o {out}.howfar --labelled {roads}": "need their performance",
    "profile {near} -o {out}.howfar --performance {w}/text.csv": "--performance is of no use without labelled datasets",
    "score {w}/text.howfar {near}": "text.howfar … damaged",
    "score {w}/roads.howfar {w}/absent": "nothing at",
    "score {w}/roads.howfar {near} --device cuda": "colour_moments takes no device",
    "check {w}/roads.howfar {near} --rules {w}/wrong.yaml": "wrong.yaml: key of rules … did you mean images?",
    "check {w}/roads.howfar {near}": "--rules must be given … howfar check --new writes a start",
    "check": "PROFILE must be given: howfar check PROFILE NEW --rules FILE",
    "relate x --performance a.csv b.csv": "repeated, as in --performance ONE --performance OTHER",
    "check {w}/roads.howfar {near} --rules {w}/rules.yaml --log {w}": "--log",
    "check {w}/roads.howfar {near} --rules {w}/rules.yaml --log {w}/none/log.jsonl": "--log",
    "check {w}/roads.howfar {near} --rules {w}/rules.yaml --keep --junit {w}": "--junit must be a file, not a folder",
    # Training and prediction.
    "train {roads}": "--out",
    "train {roads} -o m.pth": "--out must end in .safetensors, got 'm.pth': nothing in such a file can be executed",
    "train {roads} -o {w}/folder.safetensors": "--out must be a file, not a folder",
    "train {roads} -o {out}.safetensors --option width=0": "deepcrack's width must",
    "train {roads} -o {out}.safetensors --loss focal": "focal … bce_dice",
    "train {roads} -o {out}.safetensors --option width=64 --weights none.pth": "none.pth",
    "train {roads} -o {out}.safetensors --background /no/such": "/no/such",
    "train {roads} -o {out}.safetensors --background {roads}": "are held out too, under another name: remove the doubles",
    "train {roads} -o {out}.safetensors --way norm": "needs the model to adapt",
    "train {roads} -o {out}.safetensors --site x": "is of use only with",
    "train {roads} -o {out}.safetensors --start {model} --way finetune --site {near}":
        "must be one that needs no label where none is given",
    "train {roads} -o {out}.safetensors --start {model} --way nrm --site {near}": "did you mean 'norm'?",
    "train {roads} -o {out}.safetensors --start {model} --way norm --site {near} --epochs 3":
        "--epochs must not be given with --way",
    "predict {w}/tampered.safetensors {new} -o {out}": "is damaged: its weights are not those that it names",
    "predict {model} {new} -o {out} --batch-size 0": "--batch-size must be at least 1",
    "predict {model} {new} -o {out} --device abacus": "device must be auto, cpu",
    "predict {w}/n.onnx {new} -o {out} --size 32": "the network gives 3 channels: name the foreground's",
    "predict {w}/n.onnx {new} -o {out} --size 32 --channel 0 --output probabilities":
        "the network's output must lie within 0-1 … pass --output logits",
    "predict {w}/n.onnx {new} -o {out} --size 32 --mean 1 1": "mean",
    "adapt {roads} {near} -o {out} --shots 1,x": "--shots must be whole numbers … got '1,x': write 1,3,7",
    "adapt {roads} {near} -o {out} --shots 0": "--shots must hold a number above 0, got '0'",
    "adapt {roads} {near} -o {out} --random-seeds 2": "--random-seeds are of use only where random",
    "adapt {roads} {near} -o {out} --background-shots 3": "--background-shots are of no use without",
    "adapt {roads} {near} -o {out} --background {w}/bare --background-shots 9": "at most the 1 image",
    # Data, stores and study files.
    "data crkwh100 no/such/folder": "nothing at",
    "store check {w}/store --older-than 1": "--older-than is of no use to check: howfar store prune takes it",
    "store prune {w}/store --max-size much": "--max-size must be a size, got 'much'",
    "store prune {w}/store": "prune must be told what is to go: a feature, --older-than days, or the --max-size of the store",
    "store check {roads}": "store must hold folders of features",
    "study {w}/deep.toml": "deep.toml: study file has a key that is nested too deep",
    "study {w}/study.toml --new --dry-run": "must be given one at a time",
}  # fmt: skip
"""What is typed, and parts of the line that answers; ``…`` stands for words between."""
FAILURES = ("score {w}/text.howfar", "predict {w}/tampered")
"""What is no bad input but a damaged file: exit code 1."""
LATE = ("adapt {roads} {near} -o {out} --background {w}/bare",)
"""What shows only after some training, from which the command goes on."""
BEFORE = {"train": TINY, "adapt": (*TINY, "--epochs", "1", "--bootstrap", "20")}


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Describe every file below a folder, so that a change is seen."""
    return {str(file): (file.stat().st_mtime_ns, file.stat().st_size) for file in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("typed", LINES)
def test_a_refusal_is_one_line_and_leaves_nothing(typed, world, tmp_path, howfar, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    places = {name: world / name for name in ("roads", "near", "far", "new", "maps", "run")}
    places |= {"w": world, "model": world / "m.safetensors", "out": tmp_path / "here" / "out"}
    command, *words = shlex.split(typed.format(**places))
    before = state(world)
    options = () if {"--way", "--site"} & set(words) else BEFORE.get(command, ())
    code, out, err = howfar(command, *options, *words)
    lines = [line for line in err.splitlines() if line.startswith("howfar: ")]
    assert (code, out, len(lines)) == (1 if typed.startswith(FAILURES) else 2, "", 1), err
    assert err.splitlines()[-1] == lines[0]
    assert "Traceback" not in err
    assert len(lines[0]) < 1500
    place = 0
    for part in LINES[typed].split(" … "):
        assert part in lines[0][place:], lines[0]
        place = lines[0].index(part, place) + len(part)
    assert state(world) == before
    assert typed.startswith(LATE) or not list((tmp_path / "here").rglob("*"))


@pytest.mark.parametrize(
    ("text", "metric", "short"),
    [("IoU >= 0.3", "mean_f", "F"), ("nonsense >= 0.4", "mean_f", "F"), ("F >= 0.6", "accuracy", "accuracy")],
)
def test_labels_are_asked_for_what_is_certified(text, metric, short):
    with pytest.raises(InputError, match=rf"^until must be asked of what is certified \({metric}\), got '{text}'"):
        parse_until(text, metric, short)


def test_an_evaluation_replaces_an_evaluation_alone(tmp_path, capsys):
    roads = write_dataset(tmp_path / "roads", 2, seed=0, size=32)
    scoring = ["evaluate", str(roads), "--predictions", str(roads / "masks"), "-o"]
    others = tmp_path / "others.parquet"
    pd.DataFrame({"camera": ["a"]}).to_parquet(others)
    spoilt = tmp_path / "spoilt.parquet"
    spoilt.write_bytes(b"mine")
    for file in (others, spoilt):
        before = file.read_bytes()
        assert run([*scoring, str(file)]) == 2
        assert "must not replace what is no evaluation of howfar" in capsys.readouterr().err
        assert file.read_bytes() == before
    own = tmp_path / "own.parquet"
    assert run([*scoring, str(own)]) == 0
    first = own.read_bytes()
    for left in (first, first[: len(first) // 2], b""):  # what was cut short is replaced too
        own.write_bytes(left)
        assert run([*scoring, str(own)]) == 0
        assert len(own.read_bytes()) == len(first)
    capsys.readouterr()
    # An evaluation can be the dataset: its table names images.
    assert run(["evaluate", f"again={own}", "--predictions", str(roads / "masks"), "-o", str(own)]) == 2
    assert "must not replace the dataset's own table" in capsys.readouterr().err
    assert len(own.read_bytes()) == len(first)
