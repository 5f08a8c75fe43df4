"""Only normalisation layers learn, or are mixed with statistics of new images: by hand on small networks."""

import numpy as np
import pytest
import torch
from torch import nn

from howfar.errors import InputError
from howfar.segmenters.norm_adaptation import mixed, only_norms


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


RNG = np.random.default_rng(0)
SQUARES = RNG.random((6, 3, 16, 16), np.float32) * np.linspace(0.2, 1, 6, dtype=np.float32)[:, None, None, None]


def two_layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_each_layer_is_mixed_after_those_before_it(share: float) -> None:
    network = two_layers().eval()
    found = mixed(network, SQUARES, share)
    x = torch.from_numpy(SQUARES).double()
    for place in (1, 4):
        x = network[:place][-1].double()(x) if place == 1 else network[3].double()(torch.relu(x))
        axes = (0, 2, 3)
        mean = share * x.mean(axes)
        var = (1 - share) + share * x.var(axes, correction=0)
        layer = found[place]
        torch.testing.assert_close(layer.running_mean.double(), mean, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(layer.running_var.double(), var, atol=1e-5, rtol=1e-5)
        x = (x - mean[:, None, None]) / torch.sqrt(var + layer.eps)[:, None, None]


def test_shifted_images_give_the_maps_of_those_that_were_learnt_from() -> None:
    """A change of brightness and contrast is undone by statistics of the changed images alone."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.BatchNorm2d(3, affine=False), nn.Conv2d(3, 1, 3))
    known = RNG.random((4, 3, 16, 16), np.float32)
    own = mixed(network, known, 1.0)
    changed = 0.5 * known + 0.3
    adapted = mixed(own, changed, 1.0)
    with torch.no_grad():
        wanted = own(torch.from_numpy(known))
        torch.testing.assert_close(adapted(torch.from_numpy(changed)), wanted, atol=1e-3, rtol=1e-3)
        assert not torch.allclose(own(torch.from_numpy(changed)), wanted, atol=0.1)


def test_a_network_without_batch_norm_is_refused() -> None:
    with pytest.raises(InputError, match=r"^model must have batch norm layers"):
        mixed(nn.Conv2d(3, 1, 1), SQUARES, 0.3)
