"""Write the results of `howfar assess` or `howfar certify` into a Hugging Face model card, offline."""

import re
from pathlib import Path
from typing import Any, Final

from howfar import __version__
from howfar.arrays import group_numbers
from howfar.errors import InputError, MissingPathError, one_line
from howfar.formatting_and_escaping import format_interval, format_number, says_nothing
from howfar.integrations.onnx_gate import digest_of
from howfar.io.atomic_writes import replace_text
from howfar.io.file_location import absolute, ready_file
from howfar.pipeline.profile_file import PROFILE, Profile
from howfar.relation.gate import CHECKS
from howfar.report.check_report_formats import escaped_markdown, markdown_table
from howfar.results.assessment_result import Assessment
from howfar.results.certificate_result import Certificate
from howfar.results.evaluation_result import Evaluation
from howfar.significance.bootstrap import average, image_weights

_TASKS: Final = {"classification": "image-classification", "detection": "object-detection"}
_END: Final = "<!-- end of howfar -->"


def write_card(run: str | Path, file: str | Path | None = None, name: str | None = None) -> Path:
    """Write the results of `howfar assess` or `howfar certify` into a model card, and return its path.

    `file` is a .md file, by default README.md in the run folder, `name` the model's, by default that in the card or of the
    model's file. In a card that is there, what an earlier run of that kind wrote is replaced; all else stays. Metadata holds
    measured and certified results, and estimates of sites inside the gate, named as such. Raises `HowfarError` for a folder
    without such a run or any label, or a card whose metadata cannot be read.
    """
    from huggingface_hub import EvalResult, ModelCard

    folder = absolute(run)
    path = ready_file("out", folder / "README.md" if file is None else file) or folder
    if path.suffix.lower() != ".md":
        raise InputError.of("out", "must end in .md", str(file), "name it README.md")
    read = _assessed if (folder / Assessment.DOCUMENT).is_file() else _certified
    result, rows, title, after, metadata = read(folder)
    try:
        card: Any = ModelCard(path.read_text(encoding="utf-8") if path.is_file() else "---\n{}\n---\n")
    except ValueError as error:
        raise InputError.of("out", f"must be a model card ({one_line(error)})", str(path), "mend its metadata") from error
    key = "howfar assess" if isinstance(result, Assessment) else f"howfar certify {result.dataset}"
    model = Path(getattr(result, "model", ""))
    data, task = card.data, _TASKS.get(result.task, "image-segmentation")
    data.model_name = name or data.model_name or (model.stem if model.suffix else "model")
    data.pipeline_tag = data.pipeline_tag or task
    data.tags = list(dict.fromkeys([*(data.tags or []), "howfar"]))
    results = [entry for entry in data.eval_results or [] if (entry.metric_args or {}).get("howfar") != key]
    section = [f"## {title}", ""]
    for site, measure, value, how in rows:
        results.append(EvalResult(task, site, site, measure, round(value, 4), metric_args={"howfar": key, **how}))
        level = f" ({100 * how['level']:g} %)" if "level" in how else ""
        shown = f"{measure} {format_interval(value, how.get('low'), how.get('high'), '.3f')}{level}"
        section.append(f"- {escaped_markdown(f'{site}: {shown}')}, {how['how']}")
    data.eval_results = results or None
    data["howfar"] = {**(data.get("howfar") or {}), "version": __version__, **metadata}
    begin = f"<!-- {key} -->"
    text = re.sub(rf"{re.escape(begin)}.*?{_END}\n*", "", card.text, flags=re.DOTALL).strip("\n") or f"# {data.model_name}"
    card.text = "\n".join(["", text, "", begin, *section, *after, "", f"By howfar {__version__}.", _END, ""])
    replace_text(path, str(card))
    return path


_Row = tuple[str, str, float, dict[str, Any]]


def _row(dataset: str, measure: str, value: float, how: str, **interval: float | None) -> _Row:
    """Return a result: dataset, measure, value, and how it was had with its interval."""
    return dataset, measure, value, {"how": how, **{name: round(end, 4) for name, end in interval.items() if end is not None}}


def _assessed(folder: Path) -> tuple[Assessment, list[_Row], str, list[str], dict[str, Any]]:
    run = Assessment.load(folder)
    measure, own = run.performance_name, [] if run.own is None else [(run.primary, run.own.performance, run.own.n)]
    scored = own + [(site.dataset, site.measured, site.scored) for site in run.sites if site.measured is not None]
    rows = []
    for name, value, n in scored:
        file = folder / "performance" / f"{name}.parquet"
        images: Any = Evaluation.load(file).images if file.is_file() else {"performance": []}
        values, groups = images["performance"], group_numbers(list(images["group"])) if "group" in images else None
        mean = average(values, image_weights(len(values), 1000, [0], groups), groups)
        interval = {} if mean.low is None else {"level": 0.95, "low": mean.low, "high": mean.high}
        rows.append(_row(name, measure, value, f"measured on {n} images", **interval))
    for site in run.sites:
        is_known = site.estimate is not None and not says_nothing(site.low, site.high) and site.false_positive_share is None
        if site.measured is None and site.inside and is_known:
            how, ends = f"estimated without labels by {site.estimator}", {"low": site.low, "high": site.high}
            rows.append(_row(site.dataset, f"{measure}, estimated", site.estimate or 0.0, how, level=site.level, **ends))
    after = [f"- {escaped_markdown(site.warning)}" for site in run.sites if site.doubted]
    basis = f"Performance is {run.metric}; intervals of measured means are over images, or groups of them."
    after += ["", escaped_markdown(basis)]
    title = "How far this model reaches"
    if not (folder / PROFILE).is_file():
        return run, rows, title, after, {}
    gate, digest = getattr(Profile.load(folder).judge, "gate", None), digest_of(folder)
    limits = [(check, gate.limits(check.name)) for check in CHECKS if gate is not None and gate.labelled(check.name)]
    after += ["", "The gate: an estimate may be believed of a dataset within these ranges of the labelled datasets.", ""]
    named = [(f"{check.measures},{check.unit}", *(format_number(end, 3) for end in ends)) for check, ends in limits]
    after += markdown_table(("a dataset's", "from", "to"), named)
    after.append(f"Profile: `{PROFILE}`, `{digest}`; `howfar score {PROFILE} NEW` measures new images.")
    ranges = {check.name: [None if end is None else round(end, 4) for end in ends] for check, ends in limits}
    return run, rows, title, after, {"profile": digest, "gate": ranges}


def _certified(folder: Path) -> tuple[Certificate, list[_Row], str, list[str], dict[str, Any]]:
    if not (folder / Certificate.DOCUMENT).is_file():
        line = f"{folder} holds no {Assessment.DOCUMENT} and no {Certificate.DOCUMENT}"
        raise MissingPathError(f"{line}: pass a folder that howfar assess or howfar certify wrote")
    run = Certificate.load(folder)
    if run.value is None:
        raise InputError.of("run", "must hold a certified value", run.caption(), "label its images, and howfar certify them")
    how = f"certified by the labels of {run.labelled} randomly drawn images of {run.n}"
    row = _row(run.dataset, run.words, run.value, how, level=run.level, low=run.low, high=run.high)
    return run, [row], f"Certified on {escaped_markdown(run.dataset)}", run.findings(), {}
