"""Where tasks run. A runner takes a picklable function and tasks, and knows nothing of what they do."""

from __future__ import annotations

from howfar.cores import available_cores
from howfar.runners.local import LocalRunner
from howfar.runners.make import make_runner
from howfar.runners.ray import RayRunner

__all__ = ["LocalRunner", "RayRunner", "available_cores", "make_runner"]
