"""Make the object that runs tasks in parallel from the name, workers and address that a user gives."""

from __future__ import annotations

from importlib.util import find_spec

from howfar import registry
from howfar.errors import InputError, MissingExtraError
from howfar.protocols import Runner


def make_runner(
    runner: str | Runner = "local", workers: int | None = None, address: str | None = None, device: str = "auto"
) -> Runner:
    """Make the runner of a name (``local``, ``ray``, that of another package's); a runner object is returned unchanged.

    `workers` is the number of tasks at a time, None for the runner's default; `address` that of a running cluster, for ``ray``
    alone; `device` the backbone's: with ``cuda`` each of Ray's tasks has a GPU. Raises `UnknownNameError` where there is no
    such runner, `MissingExtraError` where Ray is not installed, and `InputError` where a number is below 1 or a runner takes no
    address.

    Examples
    --------
    >>> make_runner("local", workers=3)
    LocalRunner(workers=3)
    >>> make_runner("local", address="auto")
    Traceback (most recent call last):
    howfar.errors.InputError: address must be left out with this runner, got 'auto': add --runner ray
    """
    if runner == "ray":
        if address is not None and not address.strip():
            raise InputError.of("address", "must be auto or HOST:PORT", address)
        if find_spec("ray") is None:
            raise MissingExtraError("--runner ray needs Ray: pip install 'howfar[ray]'")
        ray: Runner = registry.load("runners", runner)(workers, address, gpus=1.0 if device.startswith("cuda") else 0.0)
        return ray
    if address is not None:
        raise InputError.of("address", "must be left out with this runner", address, "add --runner ray")
    if not isinstance(runner, str):
        return runner
    other: Runner = registry.load("runners", runner)(workers)
    return other
