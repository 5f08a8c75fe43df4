"""Export an image's distance from the training images as an ONNX graph, alone or inside a model's network (`howfar fuse`)."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from howfar.distances.pairwise_distances import centre_of
from howfar.errors import InputError, one_line
from howfar.image_reading_options import READING
from howfar.io.atomic_writes import replace
from howfar.io.file_location import absolute, ready_file
from howfar.pipeline.profile_file import Profile, place_of
from howfar.pipeline.profile_scorer import FAR
from howfar.results.display_and_shared_records import plain
from howfar.weights.onnx_network import OnnxNetwork, hash_onnx, open_session

OPSET, OLDEST_OPSET, _IR_VERSION = 17, 13, 8
_GATE: Final = """
gate (float[batch, q] features) => (float[batch] howfar_i_dist_mean, float[batch] howfar_relative,
                                    float[batch] howfar_percentile, float[batch] howfar_p_value, bool[batch] howfar_flag)
{
  flat = Flatten <axis = 1> (features)
  x = Cast <to = 11> (flat)
  matrix = Cast <to = 11> (basis)
  shifted = Sub (x, mean)
  s = Gemm (shifted, matrix, minus_centre)
  squares = Mul (s, s)
  norms = MatMul (squares, ones)
  products = Gemm (s, rows, row_norms)
  sums = Add (products, norms)
  clipped = Max (sums, zero)
  distances = Sqrt (clipped)
  distance = MatMul (distances, shares)
  column = Unsqueeze (distance, last)
  relative = Div (distance, self_distance)
  is_from = GreaterOrEqual (own, column)
  is_above = Greater (own, column)
  from_each = Cast <to = 11> (is_from)
  above_each = Cast <to = 11> (is_above)
  at_least = MatMul (from_each, counting)
  above = MatMul (above_each, counting)
  both = Add (at_least, above)
  share = Mul (both, minus_percent)
  percentile = Add (share, hundred)
  rank = Add (at_least, one)
  p = Div (rank, most)
  howfar_flag = LessOrEqual (p, far)
  howfar_i_dist_mean = Cast <to = 1> (distance)
  howfar_relative = Cast <to = 1> (relative)
  howfar_percentile = Cast <to = 1> (percentile)
  howfar_p_value = Cast <to = 1> (p)
}
"""
"""Distances √(‖s‖² + ‖p‖² − 2 s·p) of b new images from P's n, (b, n) float64 (11), and counts of P's own at least as far.

Features that are not finite give an undefined distance, farther than all of P's own.
"""


def write_gate(profile: str | Path, file: str | Path) -> Path:
    """Write a profile's file as one ONNX graph from ``features`` (b, q) to a value an image each, and return its path.

    ``howfar_flag`` is true where the p-value is at most 0.05, as for a profile without estimators; the other outputs are named
    as in ``howfar score --json``. Raises `HowfarError` as `fuse`, and `InputError` as `constants`.
    """
    from onnx import helper

    path, reference = onnx_path("file", file), Profile.load(profile)
    gate = _gate(reference)
    gate.input[0].type.tensor_type.shape.dim[1].dim_value = sum(reference.layers)
    model = helper.make_model(gate, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
    return _save(model, reference, profile, path)


def fuse(model: str | Path, profile: str | Path, out: str | Path) -> Path:
    """Write one ONNX network with a model's outputs and those of `write_gate`, by the model's own encoder; return its path.

    `profile` is what ``howfar profile --backbone onnx:MODEL.onnx`` wrote, or an assessment's folder with such a profile. Raises
    `HowfarError` for a file that is missing or damaged, a profile of another encoder, or a model of another opset.
    """
    import onnx

    network, path, reference = absolute(model), onnx_path("out", out), Profile.load(profile)
    OnnxNetwork(network)
    if path == network:
        raise InputError.of("out", "must be another file than the model", str(out), "name a new one")
    identity = reference.identity
    if READING in identity:
        rule = "must be of pictures that are read as they are, as the network is fed"
        raise InputError.of("profile", rule, dict(identity[READING]), "make one without --bands, --range and --window")
    if identity.get("name") != "onnx" or identity.get("weights") != hash_onnx(network):
        remedy = f"howfar profile PRIMARY --backbone onnx:{model} -o {place_of(profile).name}"
        raise InputError.of("profile", f"must have been made with the encoder in {network.name}", reference.backbone, remedy)
    loaded = onnx.load(str(network))
    opset = next((entry.version for entry in loaded.opset_import if entry.domain in ("", "ai.onnx")), 0)
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise InputError.of("model", f"must be of opset {OLDEST_OPSET} to {newest}", opset, f"export it with opset {OPSET}")
    gate = _gate(reference)
    if any(entry in loaded.graph.output for entry in gate.output):
        raise InputError.of("model", "must not have howfar's outputs yet", str(model), "fuse the model as it was exported")
    for node in gate.node:
        node.input[:] = [str(identity["layer"]) if name == "features" else name for name in node.input]
    loaded.graph.node.extend(gate.node)
    loaded.graph.initializer.extend(gate.initializer)
    loaded.graph.output.extend(gate.output)
    return _save(loaded, reference, profile, path)


def onnx_path(argument: str, file: str | Path) -> Path:
    """Return the absolute path of an ONNX file to write, and make its folder; raise `InputError` for another ending."""
    if Path(file).suffix.lower() != ".onnx":
        raise InputError.of(argument, "must end in .onnx", str(file), "so that no other file is written over")
    return ready_file(argument, file) or Path(file)


def digest_of(profile: str | Path) -> str:
    """Return the SHA-256 of a profile's file."""
    return f"sha256:{hashlib.sha256(place_of(profile).read_bytes()).hexdigest()}"


def constants(profile: Profile) -> dict[str, NDArray[Any]]:
    """Return the numbers that `_GATE` names; raise `InputError` for a profile without two different images."""
    if profile.own is None or not np.ptp(profile.rows, axis=0).max() > 0:
        rule = "must hold at least two different images"
        raise InputError.of("profile", rule, f"{profile.n} of {profile.primary}", "profile more images")
    centre, (n, z) = centre_of(profile.rows), profile.rows.shape
    rows = profile.rows - centre
    basis = {"mean": profile.basis.mean, "basis": profile.basis.matrix, "minus_centre": -centre, "rows": -2.0 * rows.T}
    own = {"row_norms": np.einsum("ij,ij->i", rows, rows)[None], "own": profile.own[None], "ones": np.ones((z, 1)), "last": [1]}
    vectors = {"shares": np.full(n, 1.0 / n), "counting": np.ones(n), "self_distance": profile.own.mean()}
    scalars = {"zero": 0.0, "one": 1.0, "hundred": 100.0, "minus_percent": -50.0 / n, "most": n + 1.0, "far": FAR}
    return {name: np.asarray(values) for name, values in (basis | own | vectors | scalars).items()}


def _gate(profile: Profile) -> Any:
    """Return the operators with a profile's numbers; the names of all inner tensors begin with "howfar/"."""
    from onnx import compose, numpy_helper, parser

    graph = parser.parse_graph(_GATE)
    tensors = {name: np.ascontiguousarray(values).reshape(values.shape) for name, values in constants(profile).items()}
    graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in tensors.items())
    return compose.add_prefix_graph(graph, "howfar/", rename_inputs=False, rename_outputs=False)


def _save(model: Any, reference: Profile, profile: str | Path, path: Path) -> Path:
    """Write a model with the profile's description as metadata, once onnxruntime opens it; else nothing is written."""
    described = {"primary": reference.primary, "n": reference.n, "profile": digest_of(profile), "flag": f"p_value <= {FAR}"}
    model.metadata_props.add(key="howfar", value=json.dumps({**described, "features": plain(reference.identity)}))
    try:
        data = model.SerializeToString()
        open_session(path.name, data, ["CPUExecutionProvider"])
    except Exception as error:  # those of onnxruntime, and of protobuf beyond 2 GiB, share no class
        rule = f"must be one file that onnxruntime runs ({one_line(error)})"
        raise InputError.of("model", rule, path.name, f"export it with opset {OPSET}, or profile shorter features") from error
    replace(path, lambda part: part.write_bytes(data))
    return path
