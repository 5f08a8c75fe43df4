"""Compare how far crack datasets are by the default backbone, by features of trained segmenters, and by the trivial backbones.

The images are research data and do not come with the project: --data names a folder that holds one folder a set. P is what the
segmenters were trained on, 300 DeepCrack tiles. --checkpoint names what `howfar train` or trained_performance.py wrote. CFD's
image 042 is left out, as in adaptation.py.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from record import leave, parser

import howfar
from adaptation import dataset, primary
from howfar.segmenters.checkpoint import Checkpoint

SECONDARIES = ("shadowcrack_tiles", "aiglern_tiles", "gaps384_tiles", "cfd", "crack500_tiles")


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--checkpoint", type=Path, nargs="*", default=())
    options.add_argument("--images", type=int, default=300, help="of P")
    options.add_argument("--limit", type=int, default=117, help="images of each set: the smallest has as many")
    arguments = options.parse_args()
    weights = {Checkpoint.load(file).card.segmenter: file for file in arguments.checkpoint}
    with tempfile.TemporaryDirectory() as store:
        found = howfar.compare_backbones(
            primary(arguments.data, arguments.images),
            [dataset(name, arguments.data) for name in SECONDARIES],
            ["efficientnet_lite0", *weights],
            weights=weights,
            store=store,
            limit=arguments.limit,
            permutations=0,
            progress=False,
        )
    print(found)
    frame = found.to_frame()
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    leave("backbones", {"distances": rows, "agreement": found.to_dict()["agreement"]}, arguments.json)


if __name__ == "__main__":
    main()
