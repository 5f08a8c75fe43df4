"""Add operators to the FiftyOne App that assess, select, certify and import labels, and a panel that shows the answers.

FiftyOne finds the plugin where this folder lies below its plugins_dir; all that howfar writes lies in one folder a dataset.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from howfar.errors import HowfarError
from howfar.integrations.fiftyone_datasets import TRUTH, add_draw, add_labels, add_run

NOTE: Final = "howfar"
"""The key of what the panel shows, in a dataset's info."""


def assess(dataset: Any, given: Mapping[str, Any], folder: Path) -> str:
    """Estimate what a model will score on this dataset."""
    import howfar

    others = [part.strip() for part in given["labelled"].split(";") if part.strip()]
    options: dict[str, Any] = {name: given[name] or None for name in ("model", "predictions", "backbone")}
    out = folder / "assessment"
    found = howfar.assess(given["primary"], [f"fiftyone:{dataset.name}", *others], out, **options)
    add_run(dataset, out)
    return f"{found.sites[0].said()}\n\nReport: {out / 'report.html'}"


def select(dataset: Any, given: Mapping[str, Any], folder: Path) -> str:
    """Choose images of this dataset to label."""
    import howfar

    run = given["run"] or folder / "assessment"
    chosen = howfar.select(run, dataset.name, given["k"], given["strategy"], out=folder / "selected")
    add_draw(dataset, chosen.paths, "selected")
    return f"{chosen.caption()}: view *howfar selected*"


def certify(dataset: Any, given: Mapping[str, Any], folder: Path) -> str:
    """Draw images to label; once they are labelled, state what the model scores here."""
    import howfar

    out, labels = folder / "certificate", given["labels"] or None
    found = howfar.certify(f"fiftyone:{dataset.name}", given["predictions"], given["k"], labels=labels, out=out)
    add_draw(dataset, [str(one.path) for one in found.sample], "to certify")
    return f"{found.caption()}: view *howfar to certify*\n\nReport: {out / 'report.html'}"


def import_labels(dataset: Any, given: Mapping[str, Any], folder: Path) -> str:
    """Import labels that a tool exported, or labelstudio://HOST/PROJECT."""
    import howfar

    drawn = [folder / name for name in ("certificate", "selected") if (folder / name / "chosen.csv").is_file()]
    images = given["images"] or (drawn[0] if drawn else f"fiftyone:{dataset.name}")
    found = howfar.import_labels(given["source"], images, given["out"] or folder / "labelled")
    count = add_labels(dataset, found, given["field"])
    return f"{found.caption()}; {count} in the field *{given['field']}*\n\nDataset with masks: {found.folder}/labels.csv"


class Field(NamedTuple):
    """Hold one input of an operator: its name, label, explanation, default, and whether it must be given."""

    name: str
    label: str
    about: str
    default: str | int = ""
    required: bool = False


_PREDICTIONS = Field("predictions", "Predictions", "A folder with the model's maps: for assess with a folder NAME a dataset.")
OPERATORS: Final = {
    assess: (
        Field("primary", "Trained on", "A folder with images and masks, a table, or fiftyone:NAME.", required=True),
        Field("model", "Model", "A checkpoint of howfar train, or an .onnx network; or give predictions."),
        _PREDICTIONS,
        Field("labelled", "Labelled sites", "More datasets with known truth, with ; between them."),
        Field("backbone", "Backbone", "Measure by this one of howfar backbones.", "efficientnet_lite0"),
    ),
    select: (
        Field("k", "Images", "Choose this many.", 16),
        Field("strategy", "Strategy", "One of howfar strategies.", "auto"),
        Field("run", "Run", "A folder of howfar compare or assess; by default this dataset's assessment."),
    ),
    certify: (
        _PREDICTIONS._replace(required=True),
        Field("k", "Images", "Draw this many.", 16),
        Field("labels", "Labels", "A folder of masks, or an export of a labelling tool."),
    ),
    import_labels: (
        Field("source", "Labels", "A file, a folder of masks, or a project's address.", required=True),
        Field("field", "Field", "Write them into this field.", TRUTH),
        Field("images", "Images", "By default those drawn to certify, or selected, or all."),
        Field("out", "Folder", "Write the labels into this new or empty folder."),
    ),
}


def register(plugin: Any) -> None:
    """Register the operators and the panel with FiftyOne."""
    from fiftyone import operators
    from fiftyone.operators import types

    def operator(run: Any, fields: tuple[Field, ...]) -> type[Any]:
        label = f"howfar: {run.__name__.replace('_', ' ')}"

        class Operator(operators.Operator):  # type: ignore[misc]  # the class is known when FiftyOne is loaded
            @property
            def config(self) -> Any:
                may = {"allow_immediate_execution": True, "allow_delegated_execution": True}
                return operators.OperatorConfig(name=run.__name__, label=label, description=run.__doc__, **may)

            def resolve_input(self, ctx: Any) -> Any:
                inputs = types.Object()
                home = Field("folder", "Folder for results", "Keep all in this folder.", str(_home(ctx.dataset)))
                for each in (*fields, home):
                    kind = inputs.int if isinstance(each.default, int) else inputs.str
                    shown = {"label": each.label, "description": each.about, "required": each.required}
                    kind(each.name, default=each.default if each.default != "" else None, **shown)
                return types.Property(inputs, view=types.View(label=label))

            def execute(self, ctx: Any) -> dict[str, str]:
                defaults = {each.name: each.default for each in fields} | {"folder": _home(ctx.dataset)}
                given = defaults | {name: value for name, value in ctx.params.items() if value not in (None, "")}
                try:
                    verdict = run(ctx.dataset, given, Path(given["folder"]).expanduser())
                except HowfarError as error:
                    ctx.ops.notify(str(error), variant="error")
                    return {"error": str(error)}
                ctx.dataset.info[NOTE] = {**ctx.dataset.info.get(NOTE, {}), run.__name__: verdict}
                ctx.dataset.save()
                ctx.ops.reload_dataset()
                return {"verdict": verdict}

            def resolve_output(self, ctx: Any) -> Any:
                outputs = types.Object()
                for name in ctx.results or {}:
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

    for run, fields in OPERATORS.items():
        plugin.register(operator(run, fields))
    plugin.register(Verdict)


def _home(dataset: Any) -> Path:
    return Path.home() / "howfar" / str(dataset.name)


def said(dataset: Any) -> str:
    """Return what the panel shows: the last verdict of each operator."""
    notes = dataset.info.get(NOTE, {})
    shown = (run.__name__ for run in OPERATORS if run.__name__ in notes)
    parts = [f"### {name.replace('_', ' ')}\n\n{notes[name]}" for name in shown]
    return "\n\n".join(parts) or "Nothing is known yet: run the operator *howfar: assess* (press the key `)."
