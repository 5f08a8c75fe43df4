"""Emit the machine code that computes the Euclidean distances of 4 images of one dataset from 16 of another at once.

LLVM's own vectorizer keeps partial sums in memory, which takes half of the time. Here four vectors of 16 partial sums stay in
registers while the components go by: on AVX-512 four registers, on AVX2 eight of its sixteen, on NEON sixteen of 32. So a
processor's width alone decides the speed, and no unit that only some processors have. Roots are taken while the next block's
differences are computed.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS: Final = 4
"""Images of the one dataset in a block."""
LANES: Final = 16
"""Images of the other."""
_INDEX, _SINGLE = ir.IntType(32), ir.FloatType()
_emitted: Any = cgutils
_VECTOR = ir.VectorType(_SINGLE, LANES)
_FUSED = ("contract",)


def _block(roots: bool) -> Any:
    """Make an intrinsic for loops that numba compiles: squared distances, or their roots."""

    def emit(typing: Any, a: Any, quad: Any, b: Any, panel: Any, out: Any, x: Any) -> Any:
        """Write distances of rows `quad` of a (m/4, z, 4) from rows `panel` of b (n/16, z, 16) to out (4, width) from x on."""

        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            arrays = [context.make_array(signature.args[at])(context, builder, values[at]) for at in (0, 2, 4)]
            length, width = (_emitted.unpack_tuple(builder, arrays[at].shape)[1] for at in (0, 2))
            place = builder.mul(values[1], length), builder.mul(values[3], length)
            sums = _differences(builder, arrays[0].data, arrays[1].data, place, length)
            name = f"llvm.sqrt.v{LANES}f32"
            root = _emitted.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), name)
            for row, squared in enumerate(sums):
                start = builder.add(values[5], builder.mul(width, ir.Constant(width.type, row)))
                pointer = builder.bitcast(builder.gep(arrays[2].data, [start]), _VECTOR.as_pointer())
                builder.store(builder.call(root, [squared]) if roots else squared, pointer, align=4)
            return context.get_dummy_value()

        return types.void(a, types.intp, b, types.intp, out, types.intp), code

    return intrinsic(emit)


def _differences(builder: Any, a: Any, b: Any, place: tuple[Any, Any], length: Any) -> list[Any]:
    """Add up squared differences over all components, in four vectors."""
    number = length.type
    before, loop, after = builder.block, builder.append_basic_block("components"), builder.append_basic_block("sums")
    builder.branch(loop)
    builder.position_at_end(loop)
    component = builder.phi(number)
    component.add_incoming(number(0), before)
    sums = [builder.phi(_VECTOR) for _ in range(ROWS)]
    for total in sums:
        total.add_incoming(_VECTOR([0.0] * LANES), before)
    row_at = builder.mul(builder.add(place[0], component), number(ROWS))
    column_at = builder.mul(builder.add(place[1], component), number(LANES))
    of_p = builder.load(builder.bitcast(builder.gep(b, [column_at]), _VECTOR.as_pointer()), align=4)
    added = []
    for row, total in enumerate(sums):
        of_s = builder.load(builder.gep(a, [builder.add(row_at, number(row))]))
        difference = builder.fsub(of_p, _spread(builder, of_s))
        added.append(builder.fadd(builder.fmul(difference, difference, flags=_FUSED), total, flags=_FUSED))
    following = builder.add(component, number(1))
    component.add_incoming(following, loop)
    for total, more in zip(sums, added, strict=True):
        total.add_incoming(more, loop)
    builder.cbranch(builder.icmp_signed("<", following, length), loop, after)
    builder.position_at_end(after)
    return added


def _spread(builder: Any, value: Any) -> Any:
    """Fill a vector with one number."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, value, _INDEX(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES))


root_block: Final = _block(roots=True)
"""Compute 4 × 16 distances."""
squared_block: Final = _block(roots=False)
"""Compute 4 × 16 squared distances."""
