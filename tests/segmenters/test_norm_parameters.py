"""Only normalisation layers learn: which count, and that nothing else is left to learn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from howfar.errors import InputError
from howfar.segmenters.norm_adaptation import only_norms


class LayerNorm2d(nn.Module):
    """A norm of a library's own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(6))


@pytest.mark.parametrize(
    ("layer", "count"),
    [(nn.BatchNorm2d(5), 10), (nn.LayerNorm(7), 14), (nn.GroupNorm(2, 4), 8), (nn.RMSNorm(3), 3), (LayerNorm2d(), 6),
     (nn.InstanceNorm2d(4, affine=True), 8)],
)  # fmt: skip
def test_the_parameters_of_norms_are_left(layer: nn.Module, count: int) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(layer), nn.Linear(4, 2))
    assert only_norms(network) == count
    learning = {name for name, values in network.named_parameters() if values.requires_grad}
    assert learning == {f"1.0.{name}" for name, _ in layer.named_parameters()}


def test_a_network_without_any_is_refused_and_left_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, affine=False))
    with pytest.raises(InputError, match="tune must be all for a network without normalisation layers that have parameters"):
        only_norms(network)
    assert all(values.requires_grad for values in network.parameters())
