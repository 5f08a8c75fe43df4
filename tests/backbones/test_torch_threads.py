from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import torch

from howfar.backbones.known_identity import one_torch_thread_each


def test_one_in_every_new_thread_and_put_back() -> None:
    before = torch.get_num_threads()
    seen: list[int] = []
    try:
        torch.set_num_threads(2)
        with one_torch_thread_each():
            worker = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
            worker.start()
            worker.join()
            seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 1, 2]


def test_put_back_after_a_failure() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyError), one_torch_thread_each():
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_torch_is_not_loaded_for_it() -> None:
    code = (
        "import sys\n"
        "from howfar.backbones.known_identity import one_torch_thread_each\n"
        "with one_torch_thread_each():\n"
        "    pass\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_torch_that_is_loaded_within_has_one_thread_too() -> None:
    code = (
        "import sys, threading\n"
        "from howfar.backbones.known_identity import limit_loaded_later, one_torch_thread_each\n"
        "limit_loaded_later()\n"
        "assert 'torch' not in sys.modules\n"
        "with one_torch_thread_each():\n"
        "    worker = threading.Thread(target=limit_loaded_later)\n"
        "    worker.start(); worker.join()\n"
        "    import torch\n"
        "    assert torch.get_num_threads() == 1\n"
        "assert torch.get_num_threads() == 2, torch.get_num_threads()"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
    )
