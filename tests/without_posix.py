"""Let howfar meet what Windows has: no POSIX modules or calls, and open files that cannot be removed or replaced.

`pretend` is called in a process of its own before howfar is imported. Other libraries, loaded before, keep what they have.
"""

import importlib
import mmap
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES = ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "posix", "syslog")
OTHERS = [
    "numpy", "scipy.stats", "scipy.ndimage", "pandas", "pyarrow.parquet", "pyarrow.ipc", "matplotlib.pyplot", "PIL.Image",
    "torch", "torchvision", "timm", "lightning", "torchmetrics", "onnx", "onnxruntime", "sklearn.cluster",
    "sklearn.ensemble", "pydantic", "jinja2", "rich.console", "typer", "tqdm.auto", "fsspec", "imagehash", "safetensors",
    "yaml", "threadpoolctl", "segmentation_models_pytorch", "transformers", "hypothesis", "pytest",
    "multiprocessing.pool", "concurrent.futures.thread", "concurrent.futures.process", "subprocess", "socket",
    "http.server", "tempfile", "zipfile", "tarfile", "webbrowser",
]  # fmt: skip
"""What howfar uses, loaded before anything is hidden."""
HIDDEN = {
    os: [
        "fork", "forkpty", "sched_getaffinity", "register_at_fork", "geteuid", "getuid", "getgid", "setsid", "killpg",
        "getpgid", "mkfifo", "statvfs", "uname", "sysconf", "getloadavg", "pread", "pwrite", "posix_fadvise", "chown",
        "fchmod", "nice", "wait4", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_TMPFILE",
    ],
    signal: ["SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGPIPE", "SIGCHLD", "alarm", "setitimer", "pthread_sigmask"],
    mmap: ["MADV_DONTNEED", "MADV_WILLNEED", "MAP_PRIVATE", "MAP_SHARED", "PROT_READ"],
}  # fmt: skip
PROC = Path("/proc/self")


class Hiding(ModuleType):
    """Stand for a module without some of its names."""

    def __init__(self, module: ModuleType, names: Sequence[str], **instead: Any) -> None:
        super().__init__(module.__name__)
        self.__dict__.update({"__module": module, "__names": names, **instead})

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__["__names"]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self.__dict__["__module"], name)


def pretend() -> None:
    """Hide what POSIX alone has from what is imported from now on, and refuse what Windows refuses."""
    for name in OTHERS:
        importlib.import_module(name)
    assert not [name for name in sys.modules if name.partition(".")[0] == "howfar"]
    for module, names in HIDDEN.items():
        instead = {"name": "nt", "open": _no_folders} if module is os else {}
        sys.modules[module.__name__] = Hiding(module, names, **instead)
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # imports of it fail
    for method in ("unlink", "replace", "rename", "rmdir"):
        setattr(Path, method, _refusing(getattr(Path, method), every=method in ("replace", "rename")))
    Path.symlink_to = _no_link  # type: ignore[method-assign]  # it needs a privilege there
    shutil.rmtree = _removing(shutil.rmtree)  # type: ignore[assignment]


def opened() -> set[str]:
    """List the files that this process has open, or mapped into memory."""
    names = set()
    for entry in (PROC / "fd").iterdir():
        try:
            names.add(str(entry.readlink()))
        except OSError:
            continue
    lines = (PROC / "maps").read_text().splitlines()
    return names | {line.split(maxsplit=5)[5] for line in lines if line.count("/") and len(line.split(maxsplit=5)) == 6}


def _in_the_way(path: Path) -> str | None:
    root = os.path.realpath(path)
    return next((name for name in opened() if name == root or name.startswith(f"{root}{os.sep}")), None)


def _no_folders(path: Any, *rest: Any, **more: Any) -> int:
    if Path(path).is_dir():
        raise PermissionError(13, "Permission denied", str(path))
    return os.open(path, *rest, **more)


def _refusing(usual: Callable[..., Any], every: bool) -> Callable[..., Any]:
    def call(self: Path, *arguments: Any, **more: Any) -> Any:
        for path in (self, *(arguments if every else ())):
            if (busy := _in_the_way(Path(path))) is not None:
                raise PermissionError(13, "The process cannot access the file because it is being used", busy)
        return usual(self, *arguments, **more)

    return call


def _no_link(self: Path, *_: Any, **__: Any) -> None:
    raise OSError(22, "A required privilege is not held by the client", str(self))


def _removing(usual: Callable[..., Any]) -> Callable[..., Any]:
    def rmtree(path: Any, ignore_errors: bool = False, **more: Any) -> None:
        if (busy := _in_the_way(Path(path))) is not None:
            print(f"left: {busy}", file=sys.stderr)
            if not ignore_errors:
                raise PermissionError(13, "The process cannot access the file because it is being used", busy)
            return
        usual(path, ignore_errors=ignore_errors, **more)

    return rmtree
