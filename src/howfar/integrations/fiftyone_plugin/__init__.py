"""Assess, select, certify and import labels in FiftyOne's App: operators, and a panel with the verdict.

FiftyOne finds the plugin where this folder lies below its plugins_dir; all that howfar writes lies in one folder a dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from howfar.errors import HowfarError
from howfar.integrations.fiftyone_host import TRUTH, add_draw, add_labels, add_run

NOTE = "howfar"
"""The key of what the panel shows, in a dataset's info."""


class Field(NamedTuple):
    """Hold one input of an operator: its name, label, explanation, default, and whether it must be given."""

    name: str
    label: str
    about: str
    default: str | int = ""
    required: bool = False


class Entry(NamedTuple):
    """Hold an operator: its name, label, explanation, what it does (dataset, inputs, folder), and its inputs."""

    name: str
    label: str
    about: str
    run: Callable[[Any, Mapping[str, Any], Path], str]
    fields: tuple[Field, ...]


def assess(dataset: Any, given: Mapping[str, Any], folder: Path) -> str:
    """Estimate what a model will score on the dataset, and write distances, estimates and flags onto its samples."""
    import howfar

    others = [part.strip() for part in str(given.get("labelled", "")).split(";") if part.strip()]
    model, predictions = given.get("model") or None, given.get("predictions") or None
    out = folder / "assessment"
    backbone = given["backbone"]
    found = howfar.assess(
        given["primary"], [f"fiftyone:{dataset.name}", *others], out, model=model, predictions=predictions, backbone=backbone
    )
    add_run(dataset, out)
    site = found.sites[0]
    return f"{site.answer}\n\nNext: {site.next.text}\n\nReport: {out / 'report.html'}"


def select(dataset: Any, given: Mapping[str, Any], folder: Path) -> str:
    """Choose images to label, and tag them."""
    import howfar

    run = given.get("run") or folder / "assessment"
    chosen = howfar.select(run, dataset.name, given["k"], given["strategy"], out=folder / "selected")
    add_draw(dataset, folder / "selected", "selected")
    return f"{chosen.caption()}: view *howfar selected*"


def certify(dataset: Any, given: Mapping[str, Any], folder: Path) -> str:
    """Draw images at random to be labelled, and tag them; or state what their labels show."""
    import howfar

    out = folder / "certificate"
    labels, predictions = given.get("labels") or None, given.get("predictions") or None
    found = howfar.certify(f"fiftyone:{dataset.name}", predictions, given["k"], labels=labels, out=out)
    add_draw(dataset, out, "to certify")
    return f"{found.caption()}: view *howfar to certify*\n\nReport: {out / 'report.html'}"


def import_labels(dataset: Any, given: Mapping[str, Any], folder: Path) -> str:
    """Import labels of a labelling tool into a field, from its export or its address."""
    import howfar

    places = [folder / name for name in ("certificate", "selected") if (folder / name / "chosen.csv").is_file()]
    images = given.get("images") or (places[0] if places else f"fiftyone:{dataset.name}")
    out = given.get("out") or folder / "labelled"
    found = howfar.import_labels(given["source"], images, out)
    count = add_labels(dataset, out, given["field"])
    return f"{found.caption()}; {count} in the field *{given['field']}*\n\nDataset with masks: {Path(out) / 'labels.csv'}"


_PREDICTIONS = Field("predictions", "Predictions", "A folder with the model's maps: for assess with a folder NAME a dataset.")
ENTRIES = (
    Entry(
        "assess",
        "howfar: assess",
        "Estimate what a model will score on this dataset.",
        assess,
        (
            Field("primary", "Trained on", "A folder with images and masks, a table, or fiftyone:NAME.", required=True),
            Field("model", "Model", "A checkpoint of howfar train, or an .onnx network; or give predictions."),
            _PREDICTIONS,
            Field("labelled", "Labelled sites", "More datasets with known truth, with ; between them."),
            Field("backbone", "Backbone", "Measure by this one of howfar backbones.", "efficientnet_lite0"),
        ),
    ),
    Entry(
        "select",
        "howfar: select images to label",
        "Choose images of this dataset to label.",
        select,
        (
            Field("k", "Images", "Choose this many.", 16),
            Field("strategy", "Strategy", "One of howfar strategies.", "auto"),
            Field("run", "Run", "A folder of howfar compare or assess; by default this dataset's assessment."),
        ),
    ),
    Entry(
        "certify",
        "howfar: certify",
        "Draw images to label; once they are labelled, state what the model scores here.",
        certify,
        (
            _PREDICTIONS._replace(required=True),
            Field("k", "Images", "Draw this many.", 16),
            Field("labels", "Labels", "A folder of masks, or an export of a labelling tool."),
        ),
    ),
    Entry(
        "import_labels",
        "howfar: import labels",
        "Import labels that a tool exported, or labelstudio://HOST/PROJECT.",
        import_labels,
        (
            Field("source", "Labels", "A file, a folder of masks, or a project's address.", required=True),
            Field("field", "Field", "Write them into this field.", TRUTH),
            Field("images", "Images", "By default those drawn to certify, or selected, or all."),
            Field("out", "Folder", "Write the labels into this new or empty folder."),
        ),
    ),
)


def register(plugin: Any) -> None:
    """Register the operators and the panel with FiftyOne."""
    from fiftyone import operators
    from fiftyone.operators import types

    def operator(entry: Entry) -> type[Any]:
        class Operator(operators.Operator):  # type: ignore[misc]  # the class is known when FiftyOne is loaded
            @property
            def config(self) -> Any:
                return operators.OperatorConfig(
                    name=entry.name,
                    label=entry.label,
                    description=entry.about,
                    allow_immediate_execution=True,
                    allow_delegated_execution=True,
                )

            def resolve_input(self, ctx: Any) -> Any:
                inputs = types.Object()
                home = Field("folder", "Folder for results", "Keep all in this folder.", str(_home(ctx.dataset)))
                for each in (*entry.fields, home):
                    kind = inputs.int if isinstance(each.default, int) else inputs.str
                    default = each.default if each.default != "" else None
                    kind(each.name, label=each.label, description=each.about, required=each.required, default=default)
                return types.Property(inputs, view=types.View(label=entry.label))

            def execute(self, ctx: Any) -> dict[str, str]:
                defaults = {each.name: each.default for each in entry.fields}
                given = defaults | {name: value for name, value in ctx.params.items() if value not in (None, "")}
                folder = Path(given.get("folder") or _home(ctx.dataset)).expanduser()
                try:
                    verdict = entry.run(ctx.dataset, given, folder)
                except HowfarError as error:
                    ctx.ops.notify(str(error), variant="error")
                    return {"error": str(error)}
                ctx.dataset.info[NOTE] = {**ctx.dataset.info.get(NOTE, {}), entry.name: verdict}
                ctx.dataset.save()
                ctx.ops.reload_dataset()
                return {"verdict": verdict}

            def resolve_output(self, ctx: Any) -> Any:
                outputs = types.Object()
                for name in ("verdict", "error"):
                    if name in (ctx.results or {}):
                        outputs.str(name, label=name, view=types.MarkdownView(read_only=True))
                return types.Property(outputs)

        return Operator

    class Verdict(operators.Panel):  # type: ignore[misc]
        @property
        def config(self) -> Any:
            return operators.PanelConfig(name="verdict", label="howfar", help_markdown="What howfar says of this dataset.")

        def render(self, ctx: Any) -> Any:
            panel = types.Object()
            panel.md(said(ctx.dataset))
            return types.Property(panel, view=types.GridView(orientation="vertical"))

    for entry in ENTRIES:
        plugin.register(operator(entry))
    plugin.register(Verdict)


def _home(dataset: Any) -> Path:
    return Path.home() / "howfar" / str(dataset.name)


def said(dataset: Any) -> str:
    """Return what the panel shows: the last verdict of each operator."""
    notes = dataset.info.get(NOTE, {})
    parts = [f"### {entry.label.removeprefix('howfar: ')}\n\n{notes[entry.name]}" for entry in ENTRIES if entry.name in notes]
    return "\n\n".join(parts) or "Nothing is known yet: run the operator *howfar: assess* (press the key `)."
