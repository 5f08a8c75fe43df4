"""Run the study of prompts of a study file (figs. 11 and 12): do promptable networks do without training on such images?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import numpy as np
from pydantic import Field

from howfar import options
from howfar.data import Dataset, read_mask
from howfar.errors import ImageError, InputError
from howfar.keywords import PromptOptions, PromptSettings
from howfar.results.prompting import Prompting
from howfar.settings import checked
from howfar.studies.prompts.prompters import STREAM
from howfar.studies.prompts.study import SAMS, prompt_settings, prompted
from howfar.studies.study_file.inputs import Inputs
from howfar.studies.study_file.kind import DatasetName, DatasetNames, Kind, KindSettings, Reference, Work, setting

NetworkName: TypeAlias = Annotated[str, Reference("backbones")]
NETWORKS: Final = ("sam", "clipseg")
PERSONAL: Final = "persam"


class PromptsSettings(KindSettings):
    """Hold the settings of the study of prompts."""

    datasets: DatasetNames = Field(description="The datasets, with masks.")
    prompts: tuple[str, ...] = Field(
        ("points", "box", "text"), min_length=1, description="Any of points, box, text and persam."
    )
    sam: NetworkName = Field("", description="The backbone entry that says where SAM's weights are; by default the published.")
    clipseg: NetworkName = Field("", description="The backbone entry that says where CLIPSeg's are; by default the published.")
    texts: tuple[str, ...] | None = setting(options.Texts)
    foreground_points: int = setting(options.ForegroundPoints)
    background_points: int = setting(options.BackgroundPoints)
    reference: DatasetName = Field("", description="The dataset of which persam is shown one image with its mask.")
    reference_image: str = Field("", description="That image's name; by default one is drawn with the seed.")
    steps: int = setting(options.Steps)
    limit: int | None = setting(options.Limit)
    seed: int = setting(options.Seed)


def _check(settings: PromptsSettings, inputs: Inputs) -> None:
    for network in NETWORKS:
        name = getattr(settings, network)
        if name and inputs.loading(name)[0] != network:
            raise InputError.of(network, f"must name an entry of the backbone {network}", name, f'write backbone = "{network}"')
    prompt_settings(settings.prompts, _options(settings, inputs))
    if (PERSONAL in settings.prompts) != bool(settings.reference):
        remedy = 'write reference = "DATASET"' if not settings.reference else "add persam to prompts, or leave it out"
        raise InputError.of("reference", "goes with persam alone, which needs it", settings.reference, remedy)
    named = [item.name for item in inputs.file.datasets[settings.reference].items] if settings.reference else []
    if settings.reference_image and settings.reference_image not in named:
        raise InputError.of("reference_image", "must be an image of the dataset reference", settings.reference_image)
    for name in inputs.names((*settings.datasets, *filter(None, [settings.reference]))):
        if all(item.mask is None for item in inputs.file.datasets[name].items):
            raise InputError.of(f"datasets.{name}", "must have masks", "none", "put them in masks/ beside images/")


def _options(settings: PromptsSettings, inputs: Inputs) -> PromptOptions:
    """Return the options of `howfar.prompts`, the networks' weights among them."""
    own = {name: getattr(settings, name) for name in PromptSettings.__annotations__}
    weights = {network: inputs.loading(getattr(settings, network))[1] for network in NETWORKS if getattr(settings, network)}
    return checked(
        PromptOptions,
        {
            **own,
            **{network: loading.get("weights") for network, loading in weights.items()},
            "pretrained": _pretrained(settings, inputs),
            "device": inputs.device,
            "progress": inputs.execution.progress,
        },
    )


def _pretrained(settings: PromptsSettings, inputs: Inputs) -> bool:
    """Tell whether the networks have published weights; `InputError` where one has and the other has not."""
    named = {network: getattr(settings, network) for network, needed in zip(NETWORKS, _needed(settings), strict=True) if needed}
    entries = inputs.file.document.backbones
    published = {network: not name or entries[name].pretrained for network, name in named.items()}
    if len(set(published.values())) > 1:
        raise InputError.of("sam and clipseg", "must both have published weights, or both random ones", published)
    return all(published.values())


def _needed(settings: PromptsSettings) -> tuple[bool, bool]:
    """Tell whether SAM is prompted, and whether CLIPSeg is."""
    return bool(SAMS & set(settings.prompts)), "text" in settings.prompts


def _run(settings: PromptsSettings, inputs: Inputs) -> Prompting:
    reference = _reference(settings, inputs) if settings.reference else None
    datasets = inputs.datasets(settings.datasets)
    return prompted(datasets, settings.prompts, inputs.folder, reference, _options(settings, inputs))


def _reference(settings: PromptsSettings, inputs: Inputs) -> tuple[Path, Path]:
    """Find the image and mask that PerSAM-F is shown: the named one, or one whose mask has foreground, drawn with the seed."""
    dataset = inputs.file.datasets[settings.reference]
    for item in _candidates(dataset, settings):
        if item.mask is None:
            continue
        try:
            if read_mask(item.mask).any():
                return Path(str(item.path)), Path(str(item.mask))
        except ImageError:
            continue
    raise InputError.of("reference", "must have a mask with foreground", settings.reference_image or settings.reference)


def _candidates(dataset: Dataset, settings: PromptsSettings) -> list[Any]:
    if settings.reference_image:
        return [item for item in dataset.items if item.name == settings.reference_image]
    order = np.random.default_rng([settings.seed, STREAM]).permutation(len(dataset.items))
    return [dataset.items[index] for index in order.tolist()]


def _work(settings: PromptsSettings, inputs: Inputs) -> Work:
    """Count each image once for each network: prompts and texts cost little beside it."""
    seen = inputs.names(settings.datasets)
    named = (getattr(settings, network) for network, needed in zip(NETWORKS, _needed(settings), strict=True) if needed)
    # A name of its own, as what a prompted network computes is not kept among features.
    return Work(embedded={f"{name}+prompts": seen for name in named if name})


PROMPTS = Kind(
    name="prompts",
    title="Would a prompt do?",
    summary="What SAM, CLIPSeg and PerSAM-F segment when they are told what to look for (figures 11 and 12).",
    settings=PromptsSettings,
    run=_run,
    result=Prompting,
    work=_work,
    check=_check,
)
