"""The Python call that runs an adaptation study again, from what its result records."""

from __future__ import annotations

from howfar.report.rerun import argument
from howfar.results.adaptation import Adaptation

OUT = "adaptation-again"


def rerun(adaptation: Adaptation) -> str:
    """Write Python that runs the study again with the same settings, in a new folder beside where it is run.

    An angle-bracketed gap stands for a dataset that was in memory alone, or had images left out by the caller.
    """
    chosen = dict(adaptation.settings)
    options, training = chosen.pop("options", {}), dict(chosen.pop("training", {}))
    training.pop("seed", None)
    lines = ["import howfar", "", "adaptation = howfar.adapt(", f"    {argument(adaptation.primary, adaptation.sources)},"]
    lines += [_datasets(adaptation, "", adaptation.secondaries), f"    {adaptation.segmenter!r},", f"    out={OUT!r},"]
    lines += [f"    {name}={value!r}," for name, value in chosen.items()]
    if adaptation.background is not None:
        lines.append(f"    background={argument(adaptation.background, adaptation.sources)},")
    if adaptation.blind:
        lines.append(_datasets(adaptation, "blind=", adaptation.blind))
    if options:
        lines.append(f"    options={dict(options)!r},")
    return "\n".join([*lines, *(f"    {name}={value!r}," for name, value in training.items()), ")"])


def _datasets(adaptation: Adaptation, before: str, names: tuple[str, ...]) -> str:
    return "\n".join([f"    {before}[", *(f"        {argument(name, adaptation.sources)}," for name in names), "    ],"])
