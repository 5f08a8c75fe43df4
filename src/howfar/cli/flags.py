"""Make command-line parameters from a Python function's options, and add the common options of all commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeVar, cast, get_args

import typer

from howfar import registry
from howfar.allowed_url_hosts import allowing
from howfar.cli.config_file import Config, flag_of
from howfar.cli.printing import Level, say, set_level
from howfar.errors import InputError
from howfar.image_reading_options import reading_pixels
from howfar.io.file_location import leaving_no_empty_folder
from howfar.option_checks_and_signatures import declared
from howfar.options import DEFAULT_BACKBONE, FOLDED, HIDDEN, Option
from howfar.progress import begin, end

if TYPE_CHECKING:
    from howfar.protocols import Runner


OUTPUT: Final = "Output and defaults"
"""The head of options that select the printed output."""
ALL: Final = "howfar.help_all"
"""Key of a context's `meta` under which `--help-all` asks for every option."""


def value(metavar: str | None, sentence: str, *flags: str, **more: Any) -> Any:
    """Describe an option of a command's own that takes a value; `more` are keywords of `typer.Option`."""
    return typer.Option(*flags, metavar=metavar, help=sentence, **more)


def switch(name: str, sentence: str, **more: Any) -> Any:
    """Describe an option of a command's own that takes no value; `more` are keywords of `typer.Option`."""
    return typer.Option(name, help=sentence, **more)


def output_flag(name: str, sentence: str, **more: Any) -> Any:
    """Describe a flag that selects the printed output, listed last in a help."""
    return switch(name, sentence, rich_help_panel=OUTPUT, **more)


def argument(metavar: str, sentence: str) -> Any:
    """Describe an argument of a command."""
    return typer.Argument(metavar=metavar, help=sentence)


def _read(context: typer.Context, name: str | None) -> str | None:
    """Load the command's defaults from the defaults file before its other options are parsed."""
    if not context.resilient_parsing:
        Config.current = replace(Config.read(name), context=context)
        context.default_map = Config.current.defaults(context.command)
    return name


def typed_options() -> dict[str, str]:
    """Map the parameter names of options set on the command line to their flags."""
    context = Config.current.context
    sources = {each: context.get_parameter_source(each.name) for each in context.command.params} if context else {}
    return {each.name: flag_of(each) for each, source in sources.items() if source and source.name == "COMMANDLINE"}


def _help_all(context: typer.Context, wanted: bool) -> None:
    """Print the help with every option."""
    if wanted:
        context.meta[ALL] = True
        for line in context.get_help().splitlines():
            say(line)
        raise typer.Exit


_QUIET = "Print results alone: no progress, no notes, no hints."
_VERBOSE = "Print every note, and which defaults came from a file."
_CONFIG = "Read defaults here; by default from howfar.toml in this folder or above it, up to the repository's root."
_EAGER: Any = {"rich_help_panel": OUTPUT, "is_eager": True}
_COMMON = {
    "quiet": (Annotated[bool, output_flag("--quiet", _QUIET)], False),
    "verbose": (Annotated[bool, output_flag("--verbose", _VERBOSE)], False),
    "config": (Annotated[str | None, value("FILE|none", _CONFIG, "--config", callback=_read, **_EAGER)], None),
    "help_all": (Annotated[bool, switch("--help-all", "Show every option and exit.", callback=_help_all, **_EAGER)], False),
}


def with_common(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the common options to a command's function, but those that it has itself, and name the command while it loads."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())
    taken = {parameter.name for parameter in own}
    added = {key: entry for key, entry in _COMMON.items() if key not in taken}

    @wraps(function)
    def call(**given: Any) -> Any:
        level = {key: given[key] for key in added if key in ("quiet", "verbose")}
        given = {key: value for key, value in given.items() if key not in added}
        if all(level.get(key) for key in ("quiet", "verbose")):
            # One of them may be a default of howfar.toml, over which the typed one wins.
            typed = {flag.removeprefix("--") for flag in typed_options().values()} & set(level)
            level |= {key: key in typed for key in level if len(typed) == 1}
        set_level(**level)
        Config.current.without([*typed_options().values()])
        if Level.verbose:
            for line in Config.current.told():
                say(line, err=True)
        begin(f"howfar {name}")
        try:
            return function(**given)
        finally:
            end()

    _sign(call, [*own, *(_named(key, kind, default) for key, (kind, default) in added.items())])
    return call


def _sign(call: Callable[..., Any], parameters: Sequence[inspect.Parameter]) -> None:
    """Give a function the signature that typer reads, of keywords alone."""
    keyword_only = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in parameters]
    call.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]  # PEP 362


Command = TypeVar("Command", bound=Callable[..., None])
Written = Mapping[str, Any]
_FORMS = (
    "A folder of images (or with images/ inside), a CSV or Parquet table, .tar shards, Parquet with image bytes, "
    "a Hugging Face dataset (a saved folder, or hf://owner/name), fiftyone:NAME, the URL of any"
)
IMAGES = f"{_FORMS}; NAME=PATH names it."
DATASET = f"{_FORMS}, embeddings (.npy, .parquet, .lance); NAME=PATH names it."
BESIDE = 48
"""Most characters of an option's allowed words that are shown beside its name."""
NEEDED = ("howfar.pipeline", "torch", "timm", "onnxruntime")
"""Modules that a cluster's workers load while the backbone is loaded here."""


def completing(words: Sequence[str], kind: str = "") -> Callable[[str], list[str]] | None:
    """Return a shell completion of these words or of a kind's registered names; None for neither: the shell completes files."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in (words or registry.names(kind)) if word.startswith(incomplete)]

    return complete if words or kind else None


def backbone_option(more: str = "") -> Any:
    """Describe the option of a command that chooses the backbone."""
    sentence = "Measure by this one of `howfar backbones`, or by timm:MODEL, transformers:MODEL or onnx:FILE."
    return value("NAME", f"{sentence}{more}", autocompletion=completing((), "backbones"))


Backbone = Annotated[str, backbone_option()]
_SEGMENTER = "Train this segmenter: unetplusplus, deepcrack, adsam or frozen."
Segmenter = Annotated[str, value("NAME", _SEGMENTER, autocompletion=completing((), "segmenters"))]
PERFORMANCE = "Read what `howfar evaluate -o` wrote, or a table image, performance."
Performance = Annotated[list[Path] | None, value("FILE", PERFORMANCE, "--performance")]
LABELLED = "Images with their masks: masks/ beside images/, a table, or any other dataset; NAME=PATH."
LabelledPrimary = Annotated[str, argument("PRIMARY", LABELLED)]
_TUNED_ON = "Take the best threshold of this evaluation (PRIMARY's)."
TunedOn = Annotated[Path | None, value("FILE", _TUNED_ON, rich_help_panel="Performance")]
Model = Annotated[Path | None, value("CKPT", "Predict by this checkpoint of `howfar train`, or an .onnx network.")]
_TO = "Send the images to this project to be labelled: labelstudio://HOST/PROJECT, cvat://HOST/PROJECT."
LabellingAddress = Annotated[str | None, value("ADDRESS", _TO, "--to")]
Json = Annotated[bool, output_flag("--json", "Print one JSON document on stdout and nothing else there.")]
_ADDRESS_HELP = "Compute on the Ray cluster that runs there; by default ray uses this machine."
_ADDRESS = Annotated[str | None, value("HOST:PORT|auto", _ADDRESS_HELP, rich_help_panel="Where it runs")]
_FOLDED_HELP = "Set size, mean, std, output, prompt, engine or precision of some backbones; repeat it."
_FOLDED = Annotated[list[str] | None, value("NAME=VALUE", _FOLDED_HELP, rich_help_panel="Network")]


class _Shape(NamedTuple):
    """Describe an option whose command-line form differs from its Python value; `shown` gives its default there."""

    kind: Any
    metavar: str | None = None
    read: Callable[[Any, Written], Any] = lambda value, _: value
    shown: Callable[[Any], Any] = lambda _: None
    help: str = ""


_UNLABELLED = "Adapt to each dataset so too, without labels: norm (the default), selftrain, or none for no such model."
_RANDOM_SEEDS = "Train the baseline and the strategy random this many more times."
_SHAPES: Mapping[str, _Shape] = {
    "weights": _Shape(list[str], "PATH", lambda given, written: local_weights(written.get("backbone"), given)),
    "only": _Shape(str, "NAME[=STRENGTH],...", help="Make only these corruptions; by default all."),
    "mean": _Shape(str, "R,G,B", lambda text, _: numbers_of("mean", text, float, "0.5,0.5,0.5")),
    "std": _Shape(str, "R,G,B", lambda text, _: numbers_of("std", text, float, "0.5,0.5,0.5")),
    "allow_urls": _Shape(str, "HOST,..."),
    "foreground": _Shape(str, "COLOUR"),
    "bands": _Shape(str, "N,..."),
    "range": _Shape(str, "LOW:HIGH|auto|dtype"),
    "frames": _Shape(str, "N/s|N/min|key"),
    "group": _Shape(str, "REGEX"),
    "memory": _Shape(str, "SIZE"),
    "way": _Shape(str, "WAY", shown=lambda default: default),
    "predictions": _Shape(str, "DIR"),
    "ensemble": _Shape(list[str], "DIR", lambda folders, _: tuple(folders)),
    "columns": _Shape(str, "ROLE=COLUMN,..."),
    "classes": _Shape(str, "NAME,...|FILE"),
    "texts": _Shape(list[str]),
    "label_names": _Shape(list[str], "NAME", lambda names, _: tuple(names)),
    "by": _Shape(list[str], "COLUMN", lambda names, _: tuple(names)),
    "without_labels": _Shape(list[str], "WAY", lambda names, _: () if names == ["none"] else tuple(names), help=_UNLABELLED),
    "shots": _Shape(str, "N,...", lambda text, _: shots_of(text), lambda shots: ",".join(map(str, shots))),
    "background_shots": _Shape(str, "N,...", lambda text, _: numbers("background_shots", text), lambda _: ""),
    "seeds": _Shape(int, None, lambda count, _: range(count), len, "Repeat everything this many times, with seeds 0, 1, …"),
    "random_seeds": _Shape(int, None, lambda more, given: range(given["seeds"], given["seeds"] + more), len, _RANDOM_SEEDS),
    "strategies": _Shape(list[str], None, lambda names, _: registry.names("strategies") if names == ["all"] else names),
    "start": _Shape(bool, None, lambda tuned, _: "tuned" if tuned else "anew", lambda _: False),
    "options": _Shape(list[str], "NAME=VALUE", lambda given, _: architecture(given)),
    "pretrained": _Shape(str, "FILE|none", lambda weights, _: False if weights == "none" else weights),
}


def command(keywords: type) -> Callable[[Command], Command]:
    """Give a command the options of `keywords`, passed in Python's form if typed or not default; keep `keywords` with it."""
    options = declared(keywords)
    plain = {name: entry for name, entry in options.items() if entry.option.flags not in (HIDDEN, FOLDED)}
    folded = [name for name, entry in options.items() if entry.option.flags == FOLDED]
    beside = {"address": _ADDRESS} if "runner" in options else {}
    beside |= {"backbone_option": _FOLDED} if folded else {}

    def decorate(function: Command) -> Command:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[:-1]
        parameters = [*own, *(_parameter(name, *entry) for name, entry in plain.items())]
        parameters += [_named(name, kind, None) for name, kind in beside.items()]
        defaults = {parameter.name: parameter.default for parameter in parameters}

        @wraps(function)
        def call(**written: Any) -> None:
            typed = typed_options()
            values = {
                name: _SHAPES[name].read(written[name], written) if name in _SHAPES else written[name]
                for name in plain
                if written[name] is not None and (written[name] != defaults[name] or name in typed)
            }
            for name, text in pairs("backbone_option", written.get("backbone_option"), "size=448"):
                if name not in folded:
                    raise InputError.of("backbone_option", f"must be one of {', '.join(folded)}", name)
                values[name] = _SHAPES[name].read(text, written) if name in ("mean", "std") else text
                if name == "size":
                    sides = numbers_of(name, text, int, "448 or 448,224")
                    values[name] = sides[0] if len(sides) == 1 else sides
            if "runner" in plain:
                values["runner"], device = placed(*(written[name] for name in ("runner", "workers", "address", "device")))
                values |= {} if device == defaults["device"] else {"device": device}
            with allowing(values.get("allow_urls", ())), reading_pixels(values), leaving_no_empty_folder():
                function(**{parameter.name: written[parameter.name] for parameter in own}, **values)

        parameters.sort(key=lambda parameter: parameter.name == "json")
        _sign(call, parameters)
        vars(call)["keywords"] = keywords
        return cast("Command", call)

    return decorate


def _parameter(name: str, kind: Any, option: Option) -> inspect.Parameter:
    """Return an option as a parameter for typer."""
    shape = _SHAPES.get(name)
    if shape is None:
        # A number or flag has its own type on the command line, anything else is text.
        plain = [part for part in (kind, *get_args(kind)) if part in (bool, int, float)]
        text = plain[0] if plain and str not in get_args(kind) else str
        shape = _Shape(text, "PATH" if Path in get_args(kind) else None, shown=lambda default: default)
    sentence = shape.help or option.help.removesuffix(".") + ("; repeat it." if shape.kind == list[str] else ".")
    default = shape.shown(option.default)
    words = () if shape.kind is bool else choices_of(kind, option)
    beside, listed = f"<{'|'.join(words)}>", ""
    if len(beside) > BESIDE:
        beside, listed = "NAME", f" One of {', '.join(words)}."
    more = {"autocompletion": completing(words), "rich_help_panel": option.topic}
    shown = value(beside if words else shape.metavar, f"{sentence}{listed}", *option.flags, **more)
    return _named(name, Annotated[shape.kind | None if default is None else shape.kind, shown], default)


def choices_of(kind: Any, option: Option) -> tuple[str, ...]:
    """Return an option's allowed words, as declared or listed by its type."""
    words = get_args(kind)
    return option.choices or (words if all(isinstance(word, str) for word in words) else ())


def _named(name: str, kind: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def placed(runner: str, workers: int | None, address: str | None, device: str) -> tuple[Runner, str]:
    """Make the runner and choose the backbone's device; with Ray's GPUs it stays on the CPU until workers move it."""
    from howfar.runners import RayRunner, make_runner

    tasks_on = device
    if runner == "ray" and device == "auto":
        import torch

        tasks_on = "cuda" if torch.cuda.is_available() else "cpu"
    executor = make_runner(runner, workers, address, tasks_on)
    if isinstance(executor, RayRunner):
        executor.begin(NEEDED)
    return executor, "cpu" if getattr(executor, "gpus", 0) else device


def numbers_of(option: str, text: str, kind: type, example: str) -> tuple[Any, ...]:
    """Parse comma-separated numbers of a kind; raise `InputError` for anything else."""
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError as error:
        rule = "must be numbers with commas between them"
        raise InputError.of(option, rule, text, f"write {example}") from error


def local_weights(backbone: str | list[str] | None, given: list[str]) -> Path | dict[str, str]:
    """Parse a backbone's local weights, optionally as NAME=PATH, or several backbones' weights by name."""
    names = set(backbone) if isinstance(backbone, list) else {backbone or DEFAULT_BACKBONE}
    if len(names) > 1:
        return dict(pairs("weights", given, "dinov2=FOLDER"))
    if len(given) > 1:
        raise InputError.of("weights", "must be given once for one backbone", ", ".join(given))
    return Path(given[0].removeprefix(f"{names.pop()}="))


def pairs(option: str, given: list[str] | None, example: str) -> list[tuple[str, str]]:
    """Split the texts of a repeated NAME=VALUE option; raise `InputError` for another form."""
    for text in given or ():
        if "=" not in text:
            raise InputError.of(option, "must be NAME=VALUE", text, f"write --{option.replace('_', '-')} {example}")
    return [(name, value) for name, _, value in (text.partition("=") for text in given or ())]


def architecture(given: list[str] | None) -> dict[str, int | str]:
    """Parse a segmenter's NAME=VALUE options, with whole numbers as numbers."""
    return {name: int(value) if value.isdecimal() else value for name, value in pairs("option", given, "encoder=b3")}


def shots_of(text: str) -> list[int]:
    """Parse the numbers of added images, without the baseline's 0; raise `InputError` if none is left."""
    shots = [count for count in numbers("shots", text) if count]
    if not shots:
        raise InputError.of("shots", "must hold a number above 0", text, "write 0,1,3,7")
    return shots


def numbers(option: str, text: str) -> list[int]:
    """Parse comma-separated whole numbers such as ``0,1,3``; raise `InputError` for anything else."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise InputError.of(option, "must be whole numbers with commas between them", text, "write 1,3,7")
    return [int(part) for part in parts]


def handing_over(to: str | None) -> Callable[[Path], None]:
    """Return a function that sends a folder's images to a labelling project; contact its server now, before any computation."""
    if to is None:
        return lambda folder: None
    from howfar.integrations.labelling_servers import connect

    host = connect(to)

    def send(folder: Path) -> None:
        with closing(host.client):
            say(host.send(folder.absolute()), err=True)

    return send
