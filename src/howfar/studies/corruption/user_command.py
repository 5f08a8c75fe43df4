"""Predict the images of a folder by a command that the user names, run without a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from howfar.errors import InputError, one_line

ARGUMENT = "predict_command"
_EXAMPLE = '"python my.py {images} {out}"'


@dataclass(frozen=True)
class PredictCommand:
    """Hold a command line whose words {images} and {out} stand for two folders."""

    text: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> PredictCommand:
        """Split a command into words as a shell does, quotes included; `InputError` where it cannot be, or lacks a folder.

        Examples
        --------
        >>> PredictCommand.of("python 'my model.py' {images} --out={out}").words
        ('python', 'my model.py', '{images}', '--out={out}')
        """
        try:
            # Paths of Windows are written with the sign that quotes the next one elsewhere.
            words = tuple(shlex.split(text.replace("\\", "\\\\") if os.name == "nt" else text))
        except ValueError as error:
            raise InputError.of(ARGUMENT, f"must be a command line ({one_line(error)})", text, f"write {_EXAMPLE}") from error
        for needed in ("{images}", "{out}"):
            if not any(needed in word for word in words):
                raise InputError.of(ARGUMENT, f"must say where {needed} goes", text, f"write {_EXAMPLE}")
        return cls(text, words)

    def run(self, images: Path, out: Path) -> None:
        """Run the command on a folder of images; it is to write a map of each to the other folder, which is there.

        What it prints is not shown. Raises `InputError`, in one line, where it cannot be started or fails.
        """
        words = [word.replace("{images}", str(images)).replace("{out}", str(out)) for word in self.words]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL
            )
        except OSError as error:
            raise InputError.of(ARGUMENT, f"must be able to start ({error.strerror or error})", words[0]) from error
        if done.returncode:
            lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            said = one_line(lines[-1]) if lines else "it printed nothing"
            raise InputError.of(ARGUMENT, f"must exit with 0 on {images} ({said})", done.returncode, "try it by hand")
