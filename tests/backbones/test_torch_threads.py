from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import torch

from howfar.backbones.torch_threads import one_torch_thread_each


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
        "from howfar.backbones.torch_threads import one_torch_thread_each\n"
        "with one_torch_thread_each():\n"
        "    pass\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
