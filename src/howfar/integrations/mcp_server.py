"""Serve ten howfar commands as tools of the Model Context Protocol (MCP) to AI assistants; they write to one folder only."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, redirect_stdout
from pathlib import Path
from sys import stderr
from threading import Lock
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs

import howfar
from howfar import glossary
from howfar.errors import HowfarError, InputError, MissingPathError, UnknownNameError, needing, one_line, rule_broken
from howfar.explore.page_server_and_picks import serving
from howfar.formatting_and_escaping import format_interval, format_number, format_p
from howfar.io.file_location import ready_folder, was_url
from howfar.option_checks_and_signatures import nearest
from howfar.options import DEFAULT_BACKBONE
from howfar.report import certificate_report
from howfar.report import comparison_sentences as sentences
from howfar.report.explorer import site_of
from howfar.results.assessment_result import Assessment
from howfar.results.certificate_result import Certificate
from howfar.results.checksums_and_overwrite_guard import every_result

STORE: Final = "store"
"""Folder of the features, below the server's folder."""
SHOWN: Final = 20
"""Images, or runs, that one answer lists."""
INSTRUCTIONS: Final = (
    "howfar says how far new images are from those a vision model was trained on, whether it will fail on them, and which to "
    "label. Each answer begins with its verdict. Repeat a number only together with the interval and the caveat beside it. "
    "An estimate that cannot be trusted is no result: do what its line ends with."
)
Data = Annotated[str, Field(description="A folder of images (or with images/ and masks/), a table, or NAME=PATH.")]
Datasets = Annotated[list[str], Field(min_length=1, description="Datasets: folders of images, tables, or NAME=PATH.")]
Run = Annotated[str, Field(description="The run's folder, below the server's folder: 'site-a'.")]
File = Annotated[str, Field(description="What `howfar profile` wrote, or the run folder of an assessment.")]
Maps = Annotated[str | None, Field(description="The model's predictions: a folder of maps, or a table or JSON file.")]
Network = Annotated[str | None, Field(description="The model itself: a checkpoint of `howfar train`, or an .onnx network.")]
Task = Annotated[str, Field(description="segmentation, multiclass, classification or detection.")]
Rules = Annotated[dict[str, Any] | str, Field(description='A rules file, or its content: {"performance": {"at_least": 0.6}}.')]
READS_ONLY: Final = ("explain", "score", "list_runs")


class Tools:
    """Hold the tools of one folder; each public method is one, and its docstring tells the assistant what it does."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(ready_folder("folder", folder) or folder).resolve()
        self.pages = ExitStack()
        names = [name for name in vars(Tools) if not name.startswith("_")]
        self.adapters: dict[str, Any] = {name: TypeAdapter(getattr(self, name)) for name in names}
        self._lock = Lock()

    def __call__(self, name: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
        """Call a tool by name with checked arguments, one at a time; return its text, or one line and True for an error."""
        try:
            if name not in self.adapters:
                raise UnknownNameError(f"no tool named {name!r}: {nearest(name, self.adapters, 'tools')}")
            # Whatever a library prints must not end up in the protocol's own stream.
            with self._lock, redirect_stdout(stderr):
                return self.adapters[name].validate_python(ArgsKwargs((), dict(arguments))), False
        except ValidationError as error:
            return str(self._refused(name, error.errors()[0])), True
        except HowfarError as error:
            return one_line(error, 2000), True
        except Exception as error:  # of a library: the assistant is told, and the server goes on
            return f"{name} failed: {one_line(f'{type(error).__name__}: {error}', 600)}", True

    def _refused(self, name: str, error: Mapping[str, Any]) -> InputError:
        argument = str(error["loc"][0]) if error["loc"] else name
        if error["type"].startswith("missing"):
            return InputError.of(argument, f"must be given to {name}")
        if error["type"].startswith("unexpected"):
            known = self.adapters[name].json_schema()["properties"]
            return InputError.of("argument", f"of {name} must be a known one", argument, nearest(argument, known, "arguments"))
        return InputError.of(argument, rule_broken(error), error["input"])

    def assess(
        self,
        primary: Data,
        sites: Datasets,
        run: Run,
        predictions: Maps = None,
        model: Network = None,
        task: Task = "segmentation",
        backbone: str = DEFAULT_BACKBONE,
    ) -> str:
        """Estimate what a model will score on new sites, with an interval, reasons and the next step.

        `primary` is what the model was trained on, with masks or labels. Pass predictions or the model. Labelled sites improve
        the estimates.
        """
        out = self._place("run", run)
        given: dict[str, Any] = {"model": model, "predictions": predictions, "backbone": backbone, "task": task}
        found = howfar.assess(primary, sites, out, **given, store=self._folder / STORE, progress=False)
        answers = [site.said() for site in found.ordered()]
        return _text(*answers, found.first, *_notes(found.notes), f"Report: {out / 'report.html'}")

    def compare(self, primary: Data, secondaries: Datasets, run: Run, backbone: str = DEFAULT_BACKBONE) -> str:
        """Measure how far datasets of images are from the primary one, what the model was trained on."""
        out = self._place("run", run)
        found = howfar.compare(primary, secondaries, backbone, out=out, store=self._folder / STORE, progress=False)
        lines = []
        for dataset in found.datasets:
            low, high = dataset.relative_ci or (None, None)
            interval = f"{format_interval(dataset.relative, low, high)} with its 95 % interval, of {dataset.n:,} images"
            lines.append(
                f"{sentences.plain(found.primary, dataset).removesuffix('.')} ({interval}; distance alone is no harm)."
            )
        return _text(sentences.lead(found), *lines, *_notes(found.footer()), f"Report: {out / 'report.html'}")

    def explain(self, term: str) -> str:
        """Explain a word of howfar's answers, such as relative, gate, τ or conformal p-value."""
        found = glossary.explain(term)
        return _text(f"{found.name}: {found.text}", found.formula, f"Page: {found.page}")

    def certify_draw(
        self, site: Data, run: Run, predictions: str, k: int = 16, profile: str | None = None, task: Task = "segmentation"
    ) -> str:
        """Draw k random images of a site for a person to label, so that certify_take can say what the model scores there.

        An assistant must not label them by the model's own predictions. Drawing again with the same run gives the same images.
        """
        out = self._place("run", run)
        found = howfar.certify(site, predictions, k, profile=profile, out=out, task=task, progress=False)
        return self._certified(found, out)

    def certify_take(self, run: Run, predictions: str, labels: str | None = None) -> str:
        """Take the labels of the images that certify_draw drew, and say what the model scores on the site, whatever the shift.

        `labels` are masks, a table image, label, or an export of a labelling tool; by default what lies in the run's folder.
        """
        out = self._place("run", run)
        if not (out / Certificate.DOCUMENT).is_file():
            raise MissingPathError(f"nothing is drawn in {out}: call certify_draw first")
        drawn = Certificate.load(out)
        return self._certified(howfar.certify(drawn.site.source, predictions, labels=labels, out=out, progress=False), out)

    def _certified(self, found: Certificate, out: Path) -> str:
        waiting = [one for one in found.sample if not one.labelled]
        lines = [f"{one.rank}. label {one.path or one.image}" for one in waiting]
        place = {"classification": "labels.csv", "detection": "labels.json"}.get(found.task, "masks")
        into = f"In this order; labels go to {out / place}. Then call certify_take." if waiting else ""
        answer = certificate_report.lead(found), *found.findings()
        return _text(*answer, *lines, into, *_notes(found.notes), f"Report: {out / 'report.html'}")

    def check(
        self,
        profile: File,
        new: Datasets,
        rules: Rules,
        predictions: Maps = None,
        certificates: Sequence[str] = (),
        performance: Sequence[str] = (),
        log: Annotated[str | None, Field(description="Add a row to this file below the server's folder.")] = None,
    ) -> str:
        """Decide by rules whether the model may be used on new datasets: pass, breach, or undecided until some are labelled."""
        file = None if log is None else self._place("log", log)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        beside: dict[str, Any] = {"certificate": [*certificates] or None, "performance": [*performance] or None}
        found = howfar.check(profile, new, rules, **beside, log=file, predictions=predictions)
        decisions = [
            f"{each.dataset}, {each.rule}: {each.shown} (must be {each.must}): {each.why()}" for each in found.decisions
        ]
        return _text(f"{found.caption()}.", *decisions, *_notes(found.notes), *_skipped(found.skipped))

    def select(self, run: Run, dataset: str, k: int, strategy: str = "auto", predictions: Maps = None) -> str:
        """Choose k images of a dataset of a compared run to label for training, and write files for labelling tools."""
        place = self._place("run", run)
        out = self._place("dataset", f"{place.relative_to(self._folder)}/select-{dataset.replace('/', '-')}")
        found = howfar.select(place, dataset, k, strategy, predictions=predictions, out=out)
        picks = [f"{pick.rank}. {pick.path or pick.image}: {pick.reason}" for pick in found.picks]
        return _text(f"{found.caption()}.", found.why, *picks, *_notes(found.notes), f"List: {out / 'chosen.txt'}")

    def score(self, profile: File, new: Datasets, predictions: Maps = None) -> str:
        """Score new images or datasets by a profile: how far each is, and whether the model will probably fail on it."""
        found = howfar.Profile.load(profile).score(new, predictions=predictions)
        ordered = sorted(found.images, key=lambda image: (not image.flag, image.p_value if image.p_value is not None else 1.0))
        lines = []
        for image in ordered[:SHOWN]:
            flag = "flagged (a flag has no stated error rate)" if image.flag else "not flagged (near is not right)"
            far = f"relative {format_number(image.relative, 3)} (1: as far as images of {found.primary} are from each other)"
            expected = format_interval(image.predicted, image.predicted_low, image.predicted_high)
            guess = "" if image.predicted is None else f"; predicted {expected}, of one image and not measured"
            p = "" if "p = " in image.reason else f", p = {format_p(image.p_value)}"
            lines.append(f"{image.image}: {flag}: {image.reason}; {far}{p}{guess}")
        more = f"{len(ordered) - SHOWN} more images are less conspicuous." if len(ordered) > SHOWN else ""
        return _text(f"{found.caption()}.", *found.answers(), *lines, more, *_notes(found.notes), *_skipped(found.skipped))

    def list_runs(self) -> str:
        """List the runs below the server's folder, the latest first."""
        found: dict[Path, float] = {}
        documents = {kind.DOCUMENT for kind in every_result()}
        for root, folders, files in os.walk(self._folder):
            folders[:] = [name for name in folders if name != STORE]
            times = [(Path(root) / name).stat().st_mtime for name in documents.intersection(files)]
            found |= {Path(root): max(times)} if times else {}
        latest = sorted(found, key=lambda place: -found[place])
        lines = []
        for place in latest[:SHOWN]:
            try:
                result = Assessment.load(place) if (place / Assessment.DOCUMENT).is_file() else howfar.load(place)
                said = f"howfar {result.COMMAND}: {result.caption()}"
            except HowfarError as error:
                said = f"cannot be read: {one_line(error)}"
            lines.append(f"{place.relative_to(self._folder)}: {said}")
        counted = f"{len(found)} {'run lies' if len(found) == 1 else 'runs lie'} below {self._folder}."
        return _text(counted, *lines, f"{len(found) - SHOWN} earlier runs are not shown." if len(found) > SHOWN else "")

    def explore_link(self, run: Run) -> str:
        """Serve a page with the images of a run of compare, on this machine alone, and give its address to the user."""
        place = self._place("run", run)
        address = self.pages.enter_context(serving(site_of(place)))
        return _text(f"{run} is shown at {address} on this machine alone, until the server ends.")

    def _place(self, argument: str, name: str) -> Path:
        """Return a path below the server's folder; raise `InputError` for any other."""
        try:
            path = (self._folder / name).resolve() if name.isprintable() else self._folder
        except OSError:  # a name that the file system does not take
            path = self._folder
        if not name or was_url(name) or path == self._folder or not path.is_relative_to(self._folder):
            raise InputError.of(argument, f"must be a path below {self._folder}", name, "name a folder in it")
        if path.is_relative_to(self._folder / STORE):
            raise InputError.of(argument, "must not be the store of features", name, "name another")
        return path


def _text(verdict: str, *lines: str) -> str:
    return "\n".join(filter(None, (verdict, *lines)))


def _notes(notes: Sequence[str]) -> list[str]:
    return [f"Note: {note.removeprefix('note: ')}" for note in notes]


def _skipped(files: Sequence[Any]) -> list[str]:
    return [f"Not read: {file.path}: {file.reason}" for file in files[:SHOWN]]


def server(folder: str | Path) -> Any:
    """Make the MCP server whose tools write below a folder; it runs over the streams of the SDK's `run`."""
    with needing("howfar mcp needs the MCP SDK: pip install 'howfar[mcp]'"):
        from anyio import to_thread
        from mcp import types
        from mcp.server.lowlevel import Server as Host
    tools = Tools(folder)
    listed = [
        types.Tool(
            name=name,
            description=getattr(Tools, name).__doc__,
            input_schema=adapter.json_schema(),
            annotations=types.ToolAnnotations(read_only_hint=name in READS_ONLY, open_world_hint=False),
        )
        for name, adapter in tools.adapters.items()
    ]

    @asynccontextmanager
    async def life(_: Any) -> AsyncIterator[None]:
        with tools.pages:
            yield

    async def list_tools(_: Any, __: Any) -> Any:
        return types.ListToolsResult(tools=listed)

    async def call_tool(_: Any, call: Any) -> Any:
        text, is_error = await to_thread.run_sync(tools, call.name, call.arguments or {})
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=is_error)

    words, version = INSTRUCTIONS, howfar.__version__
    return Host("howfar", version=version, instructions=words, lifespan=life, on_list_tools=list_tools, on_call_tool=call_tool)


def serve(folder: str | Path) -> None:
    """Answer over stdin and stdout until the client closes them; nothing is downloaded into the caches of libraries."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    made = server(folder)
    from anyio import run
    from mcp.server.stdio import stdio_server

    async def answer() -> None:
        async with stdio_server() as (read, write):
            await made.run(read, write, made.create_initialization_options())

    run(answer)
