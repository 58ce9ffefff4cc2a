"""Type aliases used across the package."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called as ``progress(done, total, message)``."""

CancelCheck: TypeAlias = Callable[[], bool]
"""Returns true when the caller wants the work to stop."""

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
LabelArray: TypeAlias = npt.NDArray[np.integer[Any]]
AnyArray: TypeAlias = npt.NDArray[Any]

Window: TypeAlias = tuple[slice, slice]
"""Rows (Y) and columns (X) of a plane."""
