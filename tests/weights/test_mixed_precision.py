from __future__ import annotations

import pytest
import torch

from howfar.errors import InputError
from howfar.weights.state_dicts import computing_in, dtype_of

CPU = torch.device("cpu")


def test_types_by_name() -> None:
    assert (dtype_of("32", CPU), dtype_of("bf16", CPU)) == (torch.float32, torch.bfloat16)
    assert dtype_of("fp16", torch.device("cuda")) == torch.float16


@pytest.mark.parametrize(("name", "rule"), [("64", "must be one of 32, bf16, fp16"), ("fp16", "must be 32 or bf16 on a CPU")])
def test_other_types_are_refused(name: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        dtype_of(name, CPU)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_are_computed_in_the_type(dtype: torch.dtype) -> None:
    with computing_in(dtype, CPU):
        assert (torch.ones(1, 1) @ torch.ones(1, 1)).dtype == dtype
