"""Time a training step of UNet++ on one core: in float32, in bfloat16 throughout, and as howfar trains with --precision bf16.

There the network's depthwise convolutions compute in float32. The three take turns; times are those of the process, so that
other programs on the machine count less, and medians are given.
"""

from __future__ import annotations

import time
from contextlib import nullcontext

import numpy as np
import torch
from record import leave, parser
from torch import Tensor, nn

from howfar.segmenters import build_segmenter
from howfar.training.lightning_module import depthwise_in_float32

WAYS = ("float32", "bfloat16", "bfloat16, depthwise in float32")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--size", type=int, default=160)
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--repeats", type=int, default=15)
    arguments = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = build_segmenter("unetplusplus", {}, pretrained=False).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    pictures = torch.rand(arguments.batch, 3, arguments.size, arguments.size).to(memory_format=torch.channels_last)
    masks = (torch.rand(arguments.batch, 1, arguments.size, arguments.size) > 0.9).float()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(arguments.repeats + 1):
        for way in WAYS:
            taken = step(network, optimiser, pictures, masks, way)
            if turn:  # the first turn warms up
                seconds[way].append(taken)
    medians = {way: float(np.median(times)) for way, times in seconds.items()}
    rows = {
        way: {
            "median": round(medians[way], 4),
            "quartiles": [round(float(end), 4) for end in np.quantile(seconds[way], [0.25, 0.75])],
            "times of the last": round(medians[way] / medians[WAYS[-1]], 3),
        }
        for way in WAYS
    }
    about = {"size": arguments.size, "batch": arguments.batch, "repeats": arguments.repeats}
    leave("training_step", {**about, "seconds of the process a step": rows}, arguments.json)


def step(network: nn.Module, optimiser: torch.optim.Optimizer, pictures: Tensor, masks: Tensor, way: str) -> float:
    """Train one step, and return the seconds that the process took."""
    start = time.process_time()
    optimiser.zero_grad()
    with depthwise_in_float32(network) if way == WAYS[-1] else nullcontext():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=way != WAYS[0]):
            logits = network(pictures)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float().reshape(masks.shape), masks)
        loss.backward()
    optimiser.step()
    return time.process_time() - start


if __name__ == "__main__":
    main()
