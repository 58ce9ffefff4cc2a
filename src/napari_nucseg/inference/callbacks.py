"""The caller's own functions: what they raise is no matter of the image."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def noting(call: Callable[P, T], raised: list[Exception]) -> Callable[P, T]:
    """Return the same function, which adds the errors that it raises to a list."""

    def noted(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except Exception as error:
            raised.append(error)
            raise

    return noted
