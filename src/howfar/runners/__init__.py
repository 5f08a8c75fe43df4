"""Run tasks in parallel, on this machine's threads or on a Ray cluster."""

from __future__ import annotations

from howfar.cores import available_cores
from howfar.runners.local import LocalRunner
from howfar.runners.ray import RayRunner
from howfar.runners.runner_factory import make_runner

__all__ = ["LocalRunner", "RayRunner", "available_cores", "make_runner"]
