"""Declare each public function's options as a `TypedDict`, so that editors and type checkers know its keywords (PEP 692)."""

from typing import Annotated, TypedDict

from howfar import options
from howfar.options import But


class DatasetOptions(TypedDict, total=False):
    """Declare the options that say what a dataset may hold, and how its pixels are read."""

    allow_urls: options.AllowUrls
    bands: options.Bands
    range: options.Range
    window: options.Window
    overlap: options.Overlap
    frames: options.Frames


class MaskOptions(DatasetOptions, total=False):
    """Declare the options that say what a dataset may hold, and how its masks are read."""

    foreground: options.Foreground


class CompareSettings(TypedDict, total=False):
    """Declare the settings that change the numbers of a comparison."""

    components: options.Components
    projection: options.Projection
    scale: options.Scale
    seed: options.Seed
    bootstrap: options.Bootstrap
    permutations: options.Permutations
    neighbours: options.Neighbours
    limit: options.Limit
    rivals: options.Rivals
    leaks: options.Leaks
    group: options.Group


class ExecutionOptions(DatasetOptions, total=False):
    """Declare the options that say how features are computed, and change no number beyond rounding."""

    runner: options.Runner
    batch_size: options.BatchSize
    workers: options.Workers
    progress: options.Progress
    memory: options.Memory


class StudyExecution(ExecutionOptions, total=False):
    """Declare the options that say how a study's features are computed and where they are kept."""

    store: options.Store


class BackboneOptions(TypedDict, total=False):
    """Declare the options of `howfar.load_backbone`."""

    device: options.Device
    weights: options.Weights
    pretrained: options.RandomWeights
    pool: options.Pool
    fit: options.Fit
    via: options.Via
    model: options.ModelName
    size: options.InputSize
    mean: options.Mean
    std: options.Std
    output: options.Output
    prompt: options.PromptText
    engine: options.Engine
    precision: options.Precision
    channels: options.FedChannels


class CompareOptions(CompareSettings, StudyExecution, BackboneOptions, total=False):
    """Declare the options of `howfar.compare` and of `howfar.compare_backbones`."""

    baselines: options.Baselines
    by: options.By
    map: options.Map
    out: options.Out
    log: options.Log


class PageOptions(TypedDict, total=False):
    """Declare the options of `howfar.write_report` and of `howfar explore`."""

    map: options.Map
    store: options.Store
    foreground: options.Foreground


class MatrixOptions(StudyExecution, BackboneOptions, total=False):
    """Declare the options of `howfar.matrix`."""

    components: options.Components
    projection: Annotated[options.Projection, options.NO_PRIMARY]
    scale: options.Scale
    seed: options.Seed
    bootstrap: Annotated[options.Bootstrap, But(default=0)]
    limit: options.Limit
    group: options.Group
    out: options.Out


class EmbedOptions(ExecutionOptions, BackboneOptions, total=False):
    """Declare the options of `howfar.embed`."""


class StoredEmbedOptions(EmbedOptions, total=False):
    """Declare the options of `howfar embed`."""

    store: options.Store


class CalibrationOptions(TypedDict, total=False):
    """Declare the options that say what counts as a failure, and how sure intervals are to be."""

    threshold: options.Threshold
    tau: options.Tau
    level: options.Level
    error_rate: options.ErrorRate
    group: options.Group


class ProfileOptions(CalibrationOptions, StudyExecution, BackboneOptions, total=False):
    """Declare the options of `howfar.profile`."""

    components: options.Components
    scale: options.Scale
    neighbours: options.Neighbours


class RelateSettings(CalibrationOptions, total=False):
    """Declare the settings that change the numbers of a relation."""

    flat: options.Flat
    bootstrap: options.Bootstrap
    seed: options.Seed


class RelateOptions(RelateSettings, total=False):
    """Declare the options of `howfar.relate`."""

    columns: options.PerformanceColumns
    estimator: options.Estimator
    by: options.By
    log: options.Log


class ScoringOptions(DatasetOptions, total=False):
    """Declare the options that say how new images are scored by a profile; the first three change no score beyond rounding."""

    batch_size: options.ImagesAtOnce
    workers: options.Workers
    store: Annotated[options.Store, But(help="Look features up there and keep new ones; by default do neither.")]
    estimator: options.Estimator
    predictions: options.Predictions
    flipped: options.FlippedMaps
    ensemble: options.Ensemble
    tiles: options.TileMaps
    columns: options.ColumnRoles
    classes: options.ClassNames


class ScorerOptions(ScoringOptions, BackboneOptions, total=False):
    """Declare the options of `howfar.Profile.score` and of `howfar.Profile.scorer`."""


class ScoreOptions(ScoringOptions, total=False):
    """Declare the options of `howfar score`."""

    device: options.Device
    weights: Annotated[options.Weights, But(help="Read the backbone's local weights here, if they have moved.")]


class SelectOptions(TypedDict, total=False):
    """Declare the options of `howfar.select`."""

    seed: options.Seed
    label_names: options.LabelNames
    with_images: options.WithImages
    threshold: options.HandedOverAbove
    min_score: options.HandedOverFrom


class LabelImportOptions(MaskOptions, total=False):
    """Declare the options of `howfar.import_labels`."""

    task: options.LabelledTask
    label_names: options.LabelNames
    complete: options.Complete
    with_images: options.WithImages


class TaskOptions(MaskOptions, total=False):
    """Declare the options that say how predictions of a task are read and compared with the truth."""

    tolerance: options.Tolerance
    columns: options.ColumnRoles
    classes: options.ClassNames
    ignore_index: options.IgnoreIndex
    iou: options.Iou
    min_score: options.MinScore
    partial: options.Partial


class PredictionOptions(DatasetOptions, TaskOptions, total=False):
    """Declare the options that say which predictions of a dataset are read, and how."""

    flipped: options.FlippedMaps
    ensemble: options.Ensemble
    progress: options.Progress


class FedOptions(TypedDict, total=False):
    """Declare the options that say how a network is fed with images, and how its maps are read."""

    device: options.Device
    size: Annotated[options.Side, But(help="Feed squares of this side; by default the model's own.", rule={})]
    tiled: options.Tiled
    mean: Annotated[options.Mean, But(flags=(), help="Subtract this of channels of 0-1, not ImageNet's mean.")]
    std: Annotated[options.Std, But(flags=(), help="Divide the channels by this, not by ImageNet's std.")]
    output: options.MapOutput
    channel: options.Channel
    reading: options.FedReading


class ModelOptions(FedOptions, total=False):
    """Declare the options by which a trained network is loaded to predict."""

    batch: options.Squares
    precision: Annotated[options.Precision, But(flags=())]


class EvaluateOptions(PredictionOptions, ModelOptions, total=False):
    """Declare the options of `howfar.evaluate`."""

    tiles: options.TileMaps
    task: options.Task
    threshold: options.ScoredAt
    score_size: options.ScoreSize
    truth: options.Truth
    learnt: options.Learnt
    group: options.LearntGroup


class CertifyOptions(PredictionOptions, total=False):
    """Declare the options of `howfar.certify`."""

    task: Annotated[options.Task, But(help="Certify a model of this task.")]
    metric: options.Measure
    level: Annotated[options.Level, But(help="Give an interval of this level.")]
    until: options.Until
    zone: options.Zone
    at_least: options.AtLeast
    wrong: options.Wrong
    threshold: Annotated[options.Threshold, But(help="Take foreground above this; by default the profile's or 0.5.", free=True)]
    estimator: Annotated[options.Estimator, But(help="Predict by this estimator of the profile; auto: its own.")]
    group: Annotated[options.Group, But(help="Spread labels over photographs, named by this expression.")]
    seed: options.DrawSeed


class VerifyOptions(TypedDict, total=False):
    """Declare the options of `howfar.verify`."""

    columns: options.ColumnRoles
    classes: options.ClassNames


class PredictOptions(ModelOptions, DatasetOptions, total=False):
    """Declare the options of `howfar.predict`."""

    flipped: options.Flipped
    adapt: options.AdaptWay
    share: options.MixedShare
    seed: Annotated[options.Seed, But(help="Draw the images that the model is adapted to with this seed.")]
    progress: options.Progress


class CorruptOptions(ModelOptions, MaskOptions, total=False):
    """Declare the options of `howfar.corrupt`."""

    only: options.Only
    seed: options.Seed
    tolerance: options.Tolerance
    group: Annotated[options.Group, But(help="Name photographs by this expression; by default as in training.")]
    progress: options.Progress


class AssessOptions(StudyExecution, TaskOptions, FedOptions, total=False):
    """Declare the options of `howfar.assess`."""

    task: Annotated[options.Task, But(help="Assess a model of this task.")]
    threshold: Annotated[options.Threshold, But(help="Score at this threshold; by default the checkpoint's or PRIMARY's.")]
    retune: options.Retune
    truth: Annotated[options.Truth, But(help="Read true boxes (detection) in DIR/NAME.json, .csv or DIR/NAME.")]
    weights: options.Weights
    components: options.Components
    projection: options.Projection
    neighbours: options.Neighbours
    limit: options.Limit
    rivals: Annotated[options.Rivals, But(default=False)]
    baselines: options.Baselines
    bootstrap: options.Bootstrap
    permutations: options.Permutations
    seed: options.Seed
    tau: options.Tau
    level: options.Level
    error_rate: options.ErrorRate
    group: options.Group
    estimator: options.Estimator
    corrupted: options.Corrupted
    only: Annotated[options.Only, But(topic="Performance")]


class TrainingOptions(TypedDict, total=False):
    """Declare the options of a training but its seed."""

    size: options.Side
    epochs: options.Epochs
    batch: options.Batch
    loss: options.Loss
    schedule: options.Schedule
    rate: options.Rate
    decay: options.Decay
    augment: options.Augment
    holdout: options.Holdout
    patience: options.Patience
    keep: options.Keep
    precision: options.TrainingPrecision
    steps: options.TrainingSteps
    balance: options.Balance
    rescale: options.Rescale
    tune: options.Tune


class SegmenterOptions(MaskOptions, total=False):
    """Declare the options of a segmenter, and of where and by what it is trained."""

    options: options.Architecture
    pretrained: options.Pretrained
    group: options.Group
    device: options.Device
    workers: options.BatchWorkers
    progress: options.Progress
    log: options.Log


class TrainKeywords(TrainingOptions, total=False):
    """Declare the settings that change a training's outcome."""

    seed: Annotated[options.Seed, But(rule={"ge": 0, "lt": 2**32})]


class TrainOptions(TrainKeywords, SegmenterOptions, total=False):
    """Declare the options of `howfar.train`."""

    memory: options.FeatureMemory


class AdaptationOptions(TrainingOptions, SegmenterOptions, total=False):
    """Declare the options of every adaptation study."""

    background_shots: options.BackgroundShots
    start: options.Start
    way: options.Way
    without_labels: options.WithoutLabels
    components: options.Components
    bootstrap: options.GainBootstrap
    runner: options.TrainingRunner


class AdaptOptions(AdaptationOptions, total=False):
    """Declare the options of `howfar.adapt`."""

    shots: options.Shots
    strategies: options.Strategies
    seeds: options.Seeds
    random_seeds: options.RandomSeeds
    pool_share: options.PoolShare
    score_size: options.ScoreSize


class BakeoffOptions(AdaptationOptions, total=False):
    """Declare the options of `howfar.bakeoff`."""

    shots: Annotated[options.Shots, But(default=(7,))]
    strategies: Annotated[
        options.Strategies, But(default=(), rule={}, help="Choose images by these and random; by default by all.")
    ]
    seeds: Annotated[options.Seeds, But(default=(0, 1, 2))]
    random_seeds: Annotated[options.RandomSeeds, But(default=(3, 4))]
    pool_share: Annotated[options.PoolShare, But(default=0.5)]


class PromptSettings(TypedDict, total=False):
    """Declare the settings that change the maps of prompted networks."""

    texts: options.Texts
    foreground_points: options.ForegroundPoints
    background_points: options.BackgroundPoints
    steps: options.Steps
    limit: options.Limit
    seed: options.Seed


class PromptOptions(PromptSettings, MaskOptions, total=False):
    """Declare the options of `howfar.prompts`."""

    score_size: options.ScoreSize
    sam: options.Sam
    clipseg: options.ClipSeg
    pretrained: options.RandomWeights
    device: options.Device
    progress: options.Progress


class StudyFileOptions(StudyExecution, total=False):
    """Declare the options of `howfar.study`."""

    device: options.Device
    out: Annotated[options.Out, But(help="Write the run to this folder, not where the study file says.")]
    only: Annotated[options.Only, But(topic="Options", help="Run these studies, and what they need; by default all.")]
