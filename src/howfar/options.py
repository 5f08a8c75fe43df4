"""Declare every option of the Python functions and the command line once: type, default, help, rule and unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from howfar import protocols, registry


@dataclass(frozen=True, eq=False)
class Option:
    """Declare what an option's type does not say: default, help, rule, unit, and names on the command line.

    `default` is `REQUIRED` where a value must be given; `help` is one sentence that says what the option does; `rule` holds
    bounds as keywords of `pydantic.Field` (ge, gt, le, lt, min_length); `unit` is what a number counts. A `free` value is
    checked where it is used instead of here. `flags` are names on the command line, if they differ from the Python name;
    `was` is an earlier name, still accepted; `choices` are allowed words, if the type does not list them, and other
    packages may add some. `topic` is the head that the option stands under: `--help` lists those under "Options",
    `--help-all` all.
    """

    default: Any
    help: str
    rule: Mapping[str, Any] = field(default_factory=dict)
    unit: str = ""
    free: bool = False
    flags: tuple[str, ...] = ()
    was: str = ""
    choices: tuple[str, ...] = ()
    topic: str = "Options"


class But:
    """Change fields of an option in the one function that differs from the others."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes


def _ours(kind: str) -> tuple[str, ...]:
    return tuple(registry.OURS[kind])


DEFAULT_BACKBONE: Final = "efficientnet_lite0"
DEFAULT_COMPONENTS: Final = 25
REQUIRED: Final = ...
HIDDEN: Final = ("",)
"""Flags of an option that exists only in Python."""
FOLDED: Final = ("--backbone-option",)
"""Flags of the options that the command line takes as NAME=VALUE."""
FOLDED_NAME: Final = "backbone_option"
_dist = partial(Option, topic="Distance")
_sure = partial(Option, topic="How sure it is")
_where = partial(Option, topic="Where it runs")
_net = partial(Option, topic="Network")
_pixels = partial(Option, topic="Pixels")
_perf = partial(Option, topic="Performance")
_label = partial(Option, topic="Photographs and labels")
_train = partial(Option, topic="Training")
_few = partial(Option, topic="Few labels")
_ask = partial(Option, topic="Prompts")
_POSITIVE: Final = {"gt": 0}
_COUNT: Final = {"ge": 1}
_NATURAL: Final = {"ge": 0}
_DRAWS: Final = {"ge": 0, "le": 1_000_000}
_STEPS: Final = {"gt": 0, "lt": 2**31}
_BELOW_1: Final = {"ge": 0, "lt": 1}
_SHARE: Final = {"gt": 0, "lt": 1}
_SOME: Final = {"min_length": 1}
_FINITE: Final = {"allow_inf_nan": False}
_RATE: Final = {**_POSITIVE, **_FINITE}
_FURTHER: Final = {"free": True, "flags": FOLDED}
_Text = str | None
_Texts = Sequence[str] | str
_Number = float | None
_Count = int | None
_Path = str | Path | None
_Size = str | int | None
_Colour = str | int | Sequence[int] | None
_Classes = Sequence[str] | str | Path
_Runner = str | protocols.Runner
_Channels = Sequence[float] | None

# How distances are measured.
Space = Literal["pair", "primary", "joint", "none"]
Components = Annotated[int, _dist(DEFAULT_COMPONENTS, "Keep this many principal components (z).", _COUNT)]
Projection = Annotated[Space, _dist("pair", "Fit components to each pair of datasets, the primary, all (joint), or none.")]
NO_PRIMARY: Final = But(
    help="Fit the components to each pair of datasets (pair), to all together (joint), or to none.",
    choices=("pair", "joint", "none"),
)
"""Changes the projection where no dataset is the primary one."""
Scales = Literal["none", "layers"]
Scale = Annotated[Scales, _dist("none", "Divide each layer of a feature by its spread (layers), or do not.")]
Seed = Annotated[int, _sure(0, "Use this seed for every random draw.", _NATURAL)]
DrawSeed = Annotated[_Count, _sure(None, "Draw with this seed; by default one that images and predictions give.", _NATURAL)]
Bootstrap = Annotated[int, _sure(1000, "Draw this many resamples for the intervals; 0 leaves them out.", _DRAWS)]
Permutations = Annotated[int, _sure(999, "Draw this many relabellings for the p-values; 0 leaves them out.", _DRAWS)]
Neighbours = Annotated[int, _dist(5, "Average the nearest-neighbour distance over this many images (k).", _COUNT)]
Limit = Annotated[_Count, Option(None, "Draw at most this many images of each dataset, with the seed.", _COUNT)]
Rivals = Annotated[bool, _dist(True, "Measure Fréchet, KID, MMD and sliced Wasserstein distances too, slow for large sets.")]
Baselines = Annotated[bool, _dist(True, "Measure with the two trivial backbones too (raw pixels, colour moments).")]
LeakHandling = Literal["warn", "drop", "refuse"]
Leaks = Annotated[LeakHandling, _dist("warn", "List copies of primary images (warn), leave them out (drop), or stop (refuse).")]
By = Annotated[_Texts, Option((), "Report every number by slice too: by this column of the datasets' tables.", free=True)]

Maps = Literal["pca", "umap"]
Map = Annotated[Maps | None, Option(None, "Map images by two components, or by a UMAP of all.", choices=("pca", "umap"))]

# Where and by what the computing is done.
Out = Annotated[_Path, Option(None, "Write the run to this folder; a killed one goes on.", free=True, flags=("--out", "-o"))]
Stored = protocols.StoreLike | str | Path | None
Store = Annotated[Stored, Option(None, "Keep features in this folder or URL (s3://, gs://, az://), not the cache.", free=True)]
Runner = Annotated[_Runner, _where("local", "Compute here (local) or on a cluster (ray).", free=True, choices=_ours("runners"))]
BatchSize = Annotated[_Count, _where(None, "Compute this many images at once: 16, or what a GPU fits.", _COUNT, free=True)]
ImagesAtOnce = Annotated[int, _where(16, "Compute this many images at once.", _COUNT, free=True)]
Workers = Annotated[_Count, _where(None, "Work on this many batches at once; by default one for each core.", _COUNT, free=True)]
Progress = Annotated[bool, Option(True, "Show progress on stderr, or in the notebook.", flags=HIDDEN)]
Log = Annotated[_Text, _where(None, "Log settings and scores to this tracker.", choices=_ours("trackers"))]
Memory = Annotated[_Size, _where(None, "Keep howfar's own arrays below this size: 512MB, 1.5GiB, or bytes.", free=True)]
Device = Annotated[str, Option("auto", "Run the network there.", free=True, choices=("auto", "cpu", "cuda"))]

# Which URLs datasets may hold.
AllowUrls = Annotated[_Texts, _where((), "Also fetch URLs in tables from these hosts or buckets, never local ones.", free=True)]

# How the pixels of datasets are read.
_BANDS = "Read these bands, counted from 1, in this order; pages of a stack count on."
Bands = Annotated[Sequence[int] | str | None, _pixels(None, _BANDS, free=True)]
_RANGE = "Map these values to 0-255: LOW:HIGH, auto (learnt from the first dataset), or dtype."
Range = Annotated[Sequence[float] | str | None, _pixels(None, _RANGE, free=True)]
Window = Annotated[_Count, _pixels(None, "Cut rasters (GeoTIFF) into windows of this side.", {"ge": 4}, "pixels")]
Overlap = Annotated[_Count, _pixels(None, "Let neighbouring windows share this many pixels.", _NATURAL, "pixels")]
Frames = Annotated[_Text, _pixels(None, "Read this many frames of clips (1/s, 6/min), or their key frames (key).", free=True)]

# How a backbone is loaded.
LocalWeights = str | Path | Mapping[str, str | Path] | None
Weights = Annotated[LocalWeights, _net(None, "Read local weights: a file, or a folder in the hub's format.", free=True)]
RandomWeights = Annotated[bool, _net(True, "Load published weights, not random ones of one seed.", free=True, flags=HIDDEN)]
Pool = Annotated[bool | None, _net(None, "Use the pooled vector or the flattened maps; by default the backbone's.", free=True)]
Fits = Literal["stretch", "crop", "pad"]
Fit = Annotated[Fits, _net("stretch", "Stretch, crop or pad pictures to a square.", free=True)]
Via = Annotated[_Count, _net(None, "Resize to this square first; the paper's is 448.", _COUNT, "pixels", free=True)]
ModelName = Annotated[_Text, Option(None, "Load this model of the family.", free=True, flags=HIDDEN)]
Sides = int | Sequence[int] | None
InputSize = Annotated[Sides, _net(None, "Feed the network this square, or this height and width.", unit="pixels", **_FURTHER)]
FedChannels = Annotated[_Count, _net(None, "Feed this many bands; by default those of `bands`.", free=True, flags=HIDDEN)]
Mean = Annotated[_Channels, _net(None, "Subtract this of each channel, on the scale from 0 to 1.", **_FURTHER)]
Std = Annotated[_Channels, _net(None, "Divide each channel by this, on the scale from 0 to 1.", **_FURTHER)]
Output = Annotated[_Text, _net(None, "Take this output or inner tensor of an ONNX file as the feature.", **_FURTHER)]
PromptText = Annotated[_Text, _net(None, "Give the network this text with the image.", **_FURTHER)]
Engines = Literal["auto", "torch", "compile"]
Engine = Annotated[Engines, _net("auto", "Run with onnxruntime on a CPU (auto), with torch, or compiled by torch.", **_FURTHER)]
Floats = Literal["32", "bf16", "fp16"]
Precision = Annotated[Floats, _net("32", "Compute in 32 bits, or in mixed precision: faster, slightly different.", **_FURTHER)]

# How performance is known and related to distance.
Threshold = Annotated[_Number, Option(None, "Score at this threshold (0.00-0.99); by default the primary's or 0.5.", _BELOW_1)]
ScoredAt = Annotated[Threshold, But(help="Score images at this threshold; by default at the best for this set.", free=True)]
Retune = Annotated[bool, _perf(False, "Find the threshold on PRIMARY's images, as for ONNX and maps, not the checkpoint's.")]
Tau = Annotated[float, Option(0.5, "Count an image as failed where its performance is below this.", {"ge": 0, "le": 1})]
Flat = Annotated[float, _perf(0.2, "Treat a change of performance up to this as none.", _RATE)]
Level = Annotated[float, _sure(0.9, "Give intervals of this level.", _SHARE)]
ErrorRate = Annotated[float, _sure(0.2, "Let at most this share of a failure list be wrong.", _SHARE)]
_GROUP = "Name photographs (or scenes, patients, clips) by this expression's first group: '(.+)-[0-9]+' for tiles."
Group = Annotated[_Text, _label(None, _GROUP)]
LearntGroup = Annotated[
    Group, But(help="Name photographs by this expression's first group; by default as in training.", free=True)
]
Estimator = Annotated[
    str, _perf("auto", "Use this estimator; auto is consensus if possible.", choices=("auto", *_ours("estimators")))
]
Task = Annotated[str, Option("segmentation", "Evaluate a model of this task.", free=True, choices=_ours("metrics"))]
IgnoreIndex = Annotated[_Count, _perf(None, "Leave out pixels whose mask has this class: 255 for void (multiclass).", _NATURAL)]
Foreground = Annotated[
    _Colour, _perf(None, "Use this mask colour as foreground (2, #ff0000); by default above 127.", free=True)
]
Tolerance = Annotated[float, _perf(0.0, "Count a pixel as right within this distance of the mask.", unit="pixels", free=True)]
ScoreSize = Annotated[
    _Count,
    _perf(None, "Resize map and mask to this square before scoring (paper: 448).", {"ge": 1, "le": 16_384}, "pixels"),
]
Iou = Annotated[_Number, _perf(None, "Match two boxes from this overlap on (detection); by default 0.5.", free=True)]
MinScore = Annotated[_Number, _perf(None, "Leave predicted boxes scored below this out of F1 (detection).", free=True)]
Partial = Annotated[bool, _perf(False, "Leave out images that cannot be scored, and list them.", flags=("--partial",))]
Learnt = Annotated[bool, _perf(False, "Score the model's training images too (training error).", flags=("--learnt",))]
Predictions = Annotated[_Path, Option(None, "Read the model's maps, classes or boxes, for estimators of these.", free=True)]
FlippedMaps = Annotated[_Path, _perf(None, "Read maps (or boxes) of the mirrored images, as the model gave them.", free=True)]
TileMaps = Annotated[_Path, _perf(None, "Read maps predicted by tiles, to compare them with those of whole images.", free=True)]
Members = Sequence[str | Path] | str | Path
Ensemble = Annotated[Members, _perf((), "Read maps of further models for the same images.", free=True)]
Truth = Annotated[_Path, Option(None, "Read true boxes (detection): COCO, YOLO's or VOC's folder, JSON, a table.", free=True)]
Roles = Sequence[str] | str | Mapping[str, str]
ColumnRoles = Annotated[Roles, _perf((), "Read a table by these columns: image=file,label=pred,score=prob,x0=left.", free=True)]
PerformanceColumns = Annotated[ColumnRoles, But(help="Read a table by these columns: image=file,performance=f1,dataset=site.")]
ClassNames = Annotated[
    _Classes, _perf((), "Name classes 0, 1 …: road,car,sky or a file (a name a line, data.yaml, COCO).", free=True)
]

# How images are handed to labelling tools, and labels taken back.
Names = Sequence[str] | str | Mapping[str, str]
LabelNames = Annotated[Names, _label((), "Name a label in the tool, or MODEL's by MODEL=NAME; import drops =NAME.", free=True)]
ImagesBeside = Literal["none", "copy", "link"]
WithImages = Annotated[ImagesBeside, Option("none", "Copy or link the images next to their labels, or only point to them.")]
Complete = Annotated[bool, _label(False, "Count images without labels of a person as labelled.", flags=("--complete",))]
HandedOverAbove = Annotated[Threshold, But(help="Hand over pixels above this as foreground; by default relate's, else 0.5.")]
HandedOverFrom = Annotated[MinScore, But(help="Hand over predicted boxes with at least this score.")]
Tasks = Literal["segmentation", "classification", "detection"]
LabelledTask = Annotated[Tasks | None, _perf(None, "Import labels of this task; by default as handed over, or segmentation.")]

# How a certificate is made.
Measure = Annotated[
    _Text,
    Option(
        None,
        "Certify this; by default mean_f, accuracy or mean_f1, as the task is. Segmentation: one of mean_f, mean_iou, "
        "mean_precision, mean_recall, ois, false_positive_rate (means over images), f, iou, precision, recall, "
        "false_positive_share, ods (of summed pixels). Detection: one of mean_f1, f1, precision, recall.",
    ),
]
Zone = Annotated[bool, Option(False, "Certify the largest part in which few score below --at-least.", flags=("--zone",))]
AtLeast = Annotated[_Number, _sure(None, "Ask of each image of the zone for this performance.", _SHARE)]
Wrong = Annotated[float, _sure(0.1, "Let at most this share of the zone's images score less.", _SHARE)]
Until = Annotated[_Text, Option(None, "Stop at an interval of ±0.05, or when 'F >= 0.6' is decided (examples).", free=True)]

# How a segmenter is trained.
Named = Mapping[str, Any] | None
Architecture = Annotated[Named, _net(None, "Set an option of the architecture, as encoder=b3.", free=True, flags=("--option",))]
Begin = _net(True, "Begin with published weights, a local file's, or none.", free=True, flags=("--pretrained", "--weights"))
Pretrained = Annotated[bool | str | Path, Begin]
Side = Annotated[_Count, _net(None, "Resize pictures to this square; by default 448, adsam 1024.", _POSITIVE, "pixels")]
Epochs = Annotated[_Count, Option(None, "Pass over the images this many times; by default 20, deepcrack 50.", _POSITIVE)]
Batch = Annotated[_Count, _train(None, "Learn from this many images at a time; by default 8, deepcrack 4, adsam 2.", _POSITIVE)]
Loss = Annotated[
    _Text, _train(None, "Minimise this; by default bce_dice, deepcrack deepcrack, adsam bce_iou.", choices=_ours("losses"))
]
Schedule = Annotated[_Text, _train(None, "Change the learning rate so; by default cosine.", choices=_ours("schedules"))]
Rate = Annotated[_Number, _train(None, "Learn at most at this rate; by default 0.001, adsam 0.0002, frozen 0.01.", _RATE)]
Decay = Annotated[_Number, _train(None, "Let weights decay by this; by default 0.0001.", {**_NATURAL, **_FINITE})]
Augment = Annotated[bool, _train(True, "Flip, turn, recolour and blur pictures.")]
Holdout = Annotated[float, _train(0.1, "Hold out this share of the photographs, to tune and stop by.", _BELOW_1)]
Patience = Annotated[_Count, _train(None, "Stop after this many epochs without a better held-out ODS.", _POSITIVE)]
Keep = Annotated[Literal["best", "last"], _train("best", "Keep the weights of the best epoch by held-out ODS, or of the last.")]
TrainingSteps = Annotated[_Count, _train(None, "Train this many steps in all, spread over the epochs (rounded up).", _STEPS)]
Balance = Annotated[_Number, _train(None, "Fill this share of every batch with added images; by default their own.", _SHARE)]
Rescale = Annotated[float, _train(0.0, "Enlarge and shrink pictures at random by up to this share.", {"ge": 0, "le": 0.5})]
Tune = Annotated[Literal["all", "norm"], _train("all", "Learn all weights, or those of normalisation layers only (norm).")]
TrainingPrecision = Annotated[Literal["32", "bf16"], _net("32", "Train in 32 bits, or in mixed precision (bf16).")]

BatchWorkers = Annotated[Workers, But(help="Prepare this many batches in other processes; by default none.", rule=_NATURAL)]
TrainingRunner = Annotated[Runner, But(help="Train models here, one by one, or on a cluster (ray), --workers at once.")]
GainBootstrap = Annotated[Bootstrap, But(default=2000, rule={**_DRAWS, "ge": 2}, help="Draw so many resamples.")]
FeatureMemory = Annotated[Memory, But(help="Keep a frozen encoder's features and the images below this size: 512MB.")]

# What an adaptation study trains.
Shots = Annotated[Sequence[int], Option((1, 3, 7), "Add this many images of each secondary; 0 is the baseline.", _SOME)]
_CHOICES = (*_ours("strategies"), "all")
_Chosen = Option(("far",), "Choose images by this strategy, or by all.", _SOME, flags=("--strategy",), choices=_CHOICES)
Strategies = Annotated[Sequence[str], _Chosen]
Seeds = Annotated[Sequence[int], _few((0,), "Train and choose anew with each of these seeds.", _SOME)]
RandomSeeds = Annotated[Sequence[int], _few((), "Train only the baseline and the strategy random with these further seeds.")]
_PARTED = "Choose from this share of each secondary's photographs, and score on the others."
PoolShare = Annotated[_Number, _few(None, _PARTED, _SHARE, flags=("--pool-share", "--pool"), was="pool")]
BackgroundShots = Annotated[Sequence[int], _few((), "Add this many background images to the models with the most shots.")]
Beginnings = Literal["anew", "tuned"]
Start = Annotated[Beginnings, _few("anew", "Continue from the baseline's weights, not anew.", flags=("--tuned",))]
_WAYS = "Learn from labelled images by retrain, finetune, norm-tune, scale or selftrain, or by several in turn: finetune+norm."
Way = Annotated[str, Option("retrain", _WAYS, free=True)]
WithoutLabels = Annotated[Sequence[str], _few(("norm",), "Also adapt to each dataset by these ways without labels.", free=True)]

# How networks are prompted.
Words = Sequence[str] | str | None
Texts = Annotated[Words, Option(None, "Tell CLIPSeg this; by default the paper's three texts.", free=True, flags=("--text",))]
ForegroundPoints = Annotated[int, _ask(3, "Draw this many points on the foreground.", _COUNT)]
BackgroundPoints = Annotated[int, _ask(3, "Draw this many points beside the foreground.", _NATURAL, was="background")]
Steps = Annotated[int, _ask(1000, "Fit the two weights of PerSAM-F by this many steps.", _COUNT)]
Sam = Annotated[_Path, _ask(None, "Read SAM from this folder in the hub's format.", free=True)]
ClipSeg = Annotated[_Path, _ask(None, "Read CLIPSeg from this folder in the hub's format.", free=True)]

# How labelled images are corrupted.
Only = Annotated[_Texts, Option((), "Make only these corruptions, such as fade,blur or fade=0.4; by default all.", free=True)]

# How maps are predicted.
Flipped = Annotated[bool, _perf(False, "Predict mirrored images, to measure how well maps agree.", flags=("--flipped",))]
Tiled = Annotated[bool, _net(False, "Predict overlapping tiles at the images' own scale.", flags=("--tile",))]
AdaptWays = Literal["none", "norm"]
AdaptWay = Annotated[AdaptWays, _few("none", "Adapt to DATASET first without labels: mix its statistics into batch norm.")]
MixedShare = Annotated[float, _few(0.3, "Weigh DATASET's statistics by this (λ) in --adapt norm.", {"ge": 0, "le": 1})]
Squares = Annotated[int, _where(8, "Predict this many squares at once.", _COUNT, free=True, flags=("--batch-size",))]
MapOutput = Annotated[
    _Text, _net(None, "Read a network's output so; by default by range.", choices=("logits", "probabilities"))
]
Channel = Annotated[_Count, _net(None, "Use this channel of a foreign network as foreground, counted from 0.", free=True)]
FedReading = Annotated[Any, _net(None, "Take mean, std, output and channel from this `Reading`.", free=True, flags=HIDDEN)]

# How a site is assessed.
Corrupted = Annotated[bool, _perf(True, "Make corrupted versions of PRIMARY's images, to learn what error to expect.")]
