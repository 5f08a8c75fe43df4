"""Have a benchmark computed as on an older processor: the libraries are told to leave newer instructions alone.

haswell is AVX2 without AVX-512; skylake-avx512 is AVX-512 without its byte and bf16 units. Such a processor has the same
instructions, though not the same clock and caches. What the masks do not reach is the C library's copying of memory.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
NAMES = ("haswell", "skylake-avx512")
_LIBRARIES: Mapping[str, Mapping[str, str]] = {
    "haswell": {
        "OPENBLAS_CORETYPE": "Haswell",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ARROW_USER_SIMD_LEVEL": "AVX2",
        "FAISS_SIMD_LEVEL": "AVX2",
    },
    "skylake-avx512": {
        "OPENBLAS_CORETYPE": "SkylakeX",
        "ATEN_CPU_CAPABILITY": "avx512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "FAISS_SIMD_LEVEL": "AVX512",
    },
}


def add_option(options: argparse.ArgumentParser) -> None:
    """Declare `--processor`."""
    options.add_argument("--processor", choices=NAMES, help="compute with the instructions of this processor alone")


def masks(processor: str | None, threads: int | None = None) -> dict[str, str]:
    """Return the environment variables by which libraries leave out newer instructions, and take so many threads."""
    limits = {} if threads is None else dict.fromkeys(_THREADS, str(threads))
    if processor is None:
        return limits
    newer = _numpy_features(processor)
    return {**_LIBRARIES[processor], **({"NPY_DISABLE_CPU_FEATURES": " ".join(newer)} if newer else {}), **limits}


def under_masks(processor: str | None, threads: int | None = None) -> dict[str, str]:
    """Start this very script again under the masks and limits, unless it runs so already, and return them."""
    told, said = "HOWFAR_BENCHMARK_MASKS", f"{processor} {threads}"
    wanted = masks(processor, threads) if os.environ.get(told) != said else {}
    if wanted:
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wanted, told: said})
    known = () if processor is None else (*_LIBRARIES[processor], "NPY_DISABLE_CPU_FEATURES")
    limits = () if threads is None else _THREADS
    return {name: os.environ[name] for name in (*known, *limits) if name in os.environ}


def _numpy_features(processor: str) -> list[str]:
    """Name the groups of instructions beyond those of a processor that NumPy has code for and found here."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    kept = ("X86_V4", "AVX512F", "AVX512CD", "AVX512_SKX") if processor == "skylake-avx512" else ()
    beyond = [name for name in __cpu_dispatch__ if name.startswith(("AVX512", "X86_V4")) and name not in kept]
    return [name for name in beyond if __cpu_features__.get(name)]
