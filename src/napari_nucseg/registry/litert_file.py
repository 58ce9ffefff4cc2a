"""The `model.tflite` of a model that may come from anyone: its constants, without running it.

What the network predicts does not tell that a weight is NaN: its activations turn NaN into numbers.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nucseg.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

FLOATS = {
    "FLOAT16": "<f2",
    "FLOAT32": "<f4",
    "FLOAT64": "<f8",
    "COMPLEX64": "<c8",
    "COMPLEX128": "<c16",
}
"""Types of constants whose numbers are looked at, and their dtypes."""

BFLOAT16 = "BFLOAT16"
"""The upper half of a FLOAT32, for which numpy has no dtype."""

INTEGERS = ("BOOL", *(f"{u}INT{bits}" for u in ("", "U") for bits in (2, 4, 8, 16, 32, 64)))
"""Types of constants that are always finite; the scales by which they are multiplied may not be."""


def check_numbers(path: Path) -> None:
    """Check that every constant of a `.tflite` file, such as a weight, lies in it and is finite.

    Raises
    ------
    ModelError
        A constant, or the scale of one, is NaN or infinite; a constant is of a type that cannot be
        checked, or is stored by offset, where it cannot be looked at.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = schema.Model.GetRootAs(path.read_bytes(), 0)
    _check_buffers(path, content)
    names = {number: name for name, number in vars(schema.TensorType).items()}
    for graph in map(content.Subgraphs, range(content.SubgraphsLength())):
        for tensor in map(graph.Tensors, range(graph.TensorsLength())):
            buffer = content.Buffers(tensor.Buffer())
            name = str(names.get(tensor.Type(), tensor.Type()))
            if buffer.DataLength() and not _is_finite(path, name, buffer.DataAsNumpy()):
                raise _not_finite(path, "weights")
            if not _has_finite_scales(tensor.Quantization()):
                raise _not_finite(path, "scales of weights")


def _check_buffers(path: Path, content: Any) -> None:
    """Raise ModelError if LiteRT would read constants from elsewhere than the buffers."""
    buffers = map(content.Buffers, range(content.BuffersLength()))
    if content.ExternalBuffersLength() or any(buffer.Offset() for buffer in buffers):
        raise ModelError(
            f"{path} stores weights outside of its buffers, by offset; expected all of them inside."
        )


def _is_finite(path: Path, name: str, data: "np.ndarray[Any, np.dtype[np.uint8]]") -> bool:
    """Tell whether a constant of a type holds finite numbers only."""
    import numpy as np

    if name in INTEGERS:
        return True
    if name in FLOATS:
        return bool(np.isfinite(data.view(FLOATS[name])).all())
    if name == BFLOAT16:
        wide = data.view("<u2").astype("<u4") << 16
        return bool(np.isfinite(wide.view("<f4")).all())
    raise ModelError(
        f"{path} holds weights of the type {name}, which cannot be checked; expected "
        f"{', '.join((*FLOATS, BFLOAT16))} or integers."
    )


def _has_finite_scales(quantization: Any) -> bool:
    """Tell whether integers, if they stand for other numbers, stand for finite ones."""
    import numpy as np

    if quantization is None or not quantization.ScaleLength():
        return True
    return bool(np.isfinite(quantization.ScaleAsNumpy()).all())


def _not_finite(path: Path, what: str) -> ModelError:
    return ModelError(f"{path} holds {what} that are NaN or infinite, expected numbers.")
