"""Declare every option once: its type, default, help, rule and unit.

`howfar.keywords` says which function takes which options, `howfar.settings` checks their values, and `howfar.cli.options` makes
the command line of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from howfar import protocols


@dataclass(frozen=True, eq=False)
class Option:
    """Say of an option what its type does not say.

    Attributes
    ----------
    default
        The value where none is given; `REQUIRED` where one must be.
    help
        One sentence that says what the option does.
    rule
        Bounds as keywords of `pydantic.Field`: ge, gt, le, lt, min_length.
    unit
        What a number counts.
    free
        Whether the value is checked where it is used, which is not here.
    flags, metavar, text
        The names, the placeholder and the type on the command line, where they do not follow from the name and the type.
    was
        An earlier name, which is understood too.
    """

    default: Any
    help: str
    rule: Mapping[str, Any] = field(default_factory=dict)
    unit: str = ""
    free: bool = False
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    text: Any = None
    was: str = ""


@dataclass(frozen=True, eq=False)
class But:
    """Change fields of an option where one function differs from the others."""

    changes: Mapping[str, Any]


DEFAULT_BACKBONE: Final = "efficientnet_lite0"
REQUIRED: Final = ...
HIDDEN: Final = ("",)
"""Flags of an option that the command line does not have."""
FOLDED: Final = ("--backbone-option",)
"""Flags of the options that the command line takes as NAME=VALUE."""
_POSITIVE: Final = {"gt": 0}
_COUNT: Final = {"ge": 1}
_FINITE: Final = {"allow_inf_nan": False}
_BACKBONE: Final = {"free": True, "flags": FOLDED}

# How distances are measured.
Components = Annotated[int, Option(25, "Keep this many principal components (z).", _COUNT)]
Projection = Annotated[
    Literal["pair", "primary", "joint", "none"],
    Option(
        "pair", "Fit the components to each pair of datasets (pair, as the paper), to the primary, to all (joint), or to none."
    ),
]
Scale = Annotated[
    Literal["none", "layers"], Option("none", "Divide each layer of a feature by its own spread (layers), or leave it (none).")
]
Seed = Annotated[int, Option(0, "Draw all that is random with this seed.", {"ge": 0})]
Bootstrap = Annotated[int, Option(1000, "Draw this many resamples for the intervals; 0 leaves the intervals out.", {"ge": 0})]
Permutations = Annotated[
    int, Option(999, "Draw this many relabellings for the p-values; 0 leaves the p-values out.", {"ge": 0})
]
Neighbours = Annotated[int, Option(5, "Average the nearest-neighbour distance over this many images (k).", _COUNT)]
Limit = Annotated[int | None, Option(None, "Draw at most this many images of each dataset, with the seed.", _COUNT)]
Rivals = Annotated[
    bool,
    Option(
        True, "Measure the literature's dataset distances too (Fréchet, KID, MMD, sliced Wasserstein), slow for large sets."
    ),
]
Baselines = Annotated[bool, Option(True, "Measure with the two trivial backbones too (raw pixels, colour moments).")]

# Where and by what the computing is done.
Out = Annotated[
    str | Path | None,
    Option(None, "Write the run to this folder, where a run that was killed goes on.", free=True, metavar="DIR", text=Path),
]
Store = Annotated[
    protocols.Store | str | Path | None,
    Option(
        None, "Keep features in this folder or at this URL (s3://, gs://, az://); by default in the user's cache.", free=True,
        metavar="DIR|URL", text=str,
    ),
]  # fmt: skip
Runner = Annotated[
    str | protocols.Runner,
    Option("local", "Compute here (local), or by a cluster or several processes of this machine (ray).", free=True, text=str),
]
BatchSize = Annotated[
    int | None,
    Option(
        None, "Compute this many images at a time; by default 16, and on a GPU as many as fit.", _COUNT, free=True, text=int
    ),
]
ImagesAtATime = Annotated[int, Option(16, "Compute this many images at a time.", _COUNT, free=True)]
Workers = Annotated[
    int | None,
    Option(None, "Work on this many batches at once; by default as many as there are cores.", _COUNT, free=True, text=int),
]
Progress = Annotated[bool, Option(True, "Show progress on stderr, or in the notebook.", flags=HIDDEN)]
Memory = Annotated[
    str | int | None,
    Option(
        None, "Keep howfar's own arrays, the network apart, below this size: 512MB, 2GB, 1.5GiB, or bytes.", free=True,
        metavar="SIZE", text=str,
    ),
]  # fmt: skip
Device = Annotated[str, Option("auto", "Run the network there: auto, cpu or cuda.", free=True, text=str)]

# How a backbone is loaded.
Weights = Annotated[
    str | Path | None,
    Option(
        None, "Read local weights: a file, a folder in the hub's format, or the checkpoint of a segmenter.", free=True,
        metavar="PATH", text=Path,
    ),
]  # fmt: skip
RandomWeights = Annotated[
    bool, Option(True, "Load published weights; False gives random ones of one seed.", free=True, flags=HIDDEN)
]
Pool = Annotated[
    bool | None,
    Option(
        None, "Take the pooled vector, or the flattened maps; by default as the backbone's kind does.", free=True, text=bool
    ),
]
Fit = Annotated[
    Literal["stretch", "crop", "pad"],
    Option("stretch", "Fit pictures to the model's square input: stretch, crop or pad.", free=True, text=str),
]
Via = Annotated[
    int | None,
    Option(None, "Resize to this square first; 448 gives the paper's two steps.", _COUNT, "pixels", free=True, text=int),
]
ModelName = Annotated[str | None, Option(None, "Load this model of the family.", free=True, flags=HIDDEN)]
InputSize = Annotated[
    int | Sequence[int] | None,
    Option(None, "Feed the network a square of this side, or a height and a width.", unit="pixels", **_BACKBONE),
]
Mean = Annotated[Sequence[float] | None, Option(None, "Subtract this of each channel, on the scale from 0 to 1.", **_BACKBONE)]
Std = Annotated[Sequence[float] | None, Option(None, "Divide each channel by this, on the scale from 0 to 1.", **_BACKBONE)]
Output = Annotated[str | None, Option(None, "Take this output of an ONNX file as the feature.", **_BACKBONE)]
PromptText = Annotated[str | None, Option(None, "Give the network this text beside the picture.", **_BACKBONE)]
Engine = Annotated[
    Literal["auto", "torch", "compile"],
    Option("auto", "Run the network by onnxruntime on a CPU (auto), by torch, or compiled by torch first.", **_BACKBONE),
]
Precision = Annotated[
    Literal["32", "bf16", "fp16"],
    Option("32", "Compute in 32 bits, or in mixed precision: quicker, and other numbers by a little.", **_BACKBONE),
]

# How performance is known and related to distance.
Threshold = Annotated[
    float | None,
    Option(
        None, "Score all images at this threshold, in hundredths; by default at the primary's own, or 0.5 where it is unknown.",
        {"ge": 0, "lt": 1},
    ),
]  # fmt: skip
Tau = Annotated[float, Option(0.5, "Count an image as failed where its performance is below this.", {"ge": 0, "le": 1})]
Flat = Annotated[
    float,
    Option(0.2, "Take a change of at most this over a set's whole range of distances for none.", {**_POSITIVE, **_FINITE}),
]
Level = Annotated[float, Option(0.9, "Give conformal intervals of this level.", {"gt": 0, "lt": 1})]
ErrorRate = Annotated[float, Option(0.2, "Let at most this share of a failure list be wrong.", {"gt": 0, "lt": 1})]
Group = Annotated[
    str | None,
    Option(None, "Take the first group of this regular expression for an image's photograph: '(.+)-[0-9]+' for tiles."),
]
Estimator = Annotated[
    str, Option("auto", "Estimate by this estimator; auto takes the best judged, if choosing beats predicting the mean.")
]
Task = Annotated[str, Option("segmentation", "Evaluate a segmentation, a classification or a detection.", free=True, text=str)]
Tolerance = Annotated[
    float, Option(0.0, "Let prediction and mask agree within this distance.", unit="pixels", free=True, text=float)
]
Iou = Annotated[
    float | None, Option(None, "Match two boxes from this overlap on (detection); by default 0.5.", free=True, text=float)
]
MinScore = Annotated[
    float | None, Option(None, "Leave predicted boxes scored below this out of F1 (detection).", free=True, text=float)
]
Partial = Annotated[bool, Option(False, "Leave out images that cannot be scored, and list them.", flags=("--partial",))]
Chosen = Annotated[int, Option(REQUIRED, "Choose this many images.", {**_COUNT, "strict": True}, flags=("-k",))]

# How a segmenter is trained.
Architecture = Annotated[
    Mapping[str, Any] | None,
    Option(
        None, "Set an option of the segmenter's architecture, as encoder=b3.", free=True, flags=("--option",),
        metavar="NAME=VALUE", text=list[str],
    ),
]  # fmt: skip
Pretrained = Annotated[
    bool | str | Path,
    Option(
        True, "Begin with published weights, with those of a local file, or with random ones.", free=True,
        flags=("--pretrained", "--weights"), metavar="FILE|none", text=str,
    ),
]  # fmt: skip
Side = Annotated[int | None, Option(None, "Resize pictures to a square of this side.", _POSITIVE, "pixels")]
Epochs = Annotated[int | None, Option(None, "Pass over the images this many times.", _POSITIVE)]
Batch = Annotated[int | None, Option(None, "Learn from this many images at a time.", _POSITIVE)]
Loss = Annotated[str | None, Option(None, "Minimise this loss: bce, dice, bce_dice, soft_iou, bce_iou or deepcrack.")]
Schedule = Annotated[str | None, Option(None, "Let the learning rate follow this schedule: constant, cosine, poly or step.")]
Rate = Annotated[float | None, Option(None, "Learn at this rate where it is highest.", {**_POSITIVE, **_FINITE})]
Decay = Annotated[float | None, Option(None, "Let weights decay by this.", {"ge": 0, **_FINITE})]
Augment = Annotated[bool, Option(True, "Flip, turn, recolour and blur pictures.")]
Holdout = Annotated[
    float, Option(0.1, "Hold out this share of the photographs, for the threshold and for stopping early.", {"ge": 0, "lt": 1})
]
Patience = Annotated[int | None, Option(None, "Stop after this many epochs without a better held-out ODS.", _POSITIVE)]
Keep = Annotated[
    Literal["best", "last"], Option("best", "Keep the weights of the best epoch by held-out ODS, or of the last one.")
]
TrainingPrecision = Annotated[Literal["32", "bf16"], Option("32", "Train in 32 bits, or in mixed precision (bf16).")]

# What an adaptation study trains.
Shots = Annotated[
    Sequence[int],
    Option(
        (1, 3, 7), "Add this many images of each secondary; 0 stands for the model without any.", {"min_length": 1}, text=str
    ),
]
Strategies = Annotated[
    Sequence[str],
    Option(
        ("far",), "Choose images by this strategy, or by all of them.", {"min_length": 1}, flags=("--strategy",), text=list[str]
    ),
]
Seeds = Annotated[
    Sequence[int], Option((0,), "Train and choose anew with each of these seeds: 0, 1 …", {"min_length": 1}, text=int)
]
RandomSeeds = Annotated[
    Sequence[int], Option((), "Train the baseline and the strategy random alone with these further seeds.", text=int)
]
PoolShare = Annotated[
    float | None,
    Option(
        None, "Choose from this share of each secondary's photographs, and score all models on the others.", {"gt": 0, "lt": 1},
        flags=("--pool-share", "--pool"), was="pool",
    ),
]  # fmt: skip
BackgroundShots = Annotated[
    Sequence[int], Option((), "Add this many background images to the models with the most shots: 3,7.", text=str)
]
Start = Annotated[
    Literal["anew", "tuned"],
    Option("anew", "Go on from the baseline's weights (tuned) rather than train anew.", flags=("--tuned",), text=bool),
]

# How networks are prompted.
Texts = Annotated[
    Sequence[str] | str | None,
    Option(None, "Tell CLIPSeg this; by default the paper's three texts.", free=True, flags=("--text",), text=list[str]),
]
ForegroundPoints = Annotated[int, Option(3, "Draw this many points on the foreground.", _COUNT)]
BackgroundPoints = Annotated[int, Option(3, "Draw this many points beside the foreground.", {"ge": 0})]
Steps = Annotated[int, Option(1000, "Fit the two weights of PerSAM-F by this many steps.", _COUNT)]
Sam = Annotated[
    str | Path | None, Option(None, "Read SAM from this folder in the hub's format.", free=True, metavar="DIR", text=Path)
]
ClipSeg = Annotated[
    str | Path | None, Option(None, "Read CLIPSeg from this folder in the hub's format.", free=True, metavar="DIR", text=Path)
]

# How maps are predicted.
Flipped = Annotated[
    bool, Option(False, "Mirror the images first, as the agreement of mirrored maps needs it.", flags=("--flipped",))
]
Tiled = Annotated[
    bool, Option(False, "Predict overlapping tiles at the images' own scale, for large images.", flags=("--tile",))
]
Squares = Annotated[int, Option(8, "Predict this many squares at a time.", free=True, flags=("--batch-size",), text=int)]
