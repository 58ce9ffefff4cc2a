"""Adam with a smaller learning rate for some variables."""

from typing import Any

import keras


class LayerwiseAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba, ICLR 2015) that multiplies the rate of chosen variables.

    Scaling their gradients instead would do nothing: Adam divides by the gradients' size.

    Parameters
    ----------
    slow_paths : set of str
        `Variable.path` of the variables that learn slower.
    slow_rate : float
        Their learning rate relative to the others'.
    """

    def __init__(self, slow_paths: set[str], slow_rate: float, **options: Any) -> None:
        super().__init__(**options)
        self._slow_paths = slow_paths
        self._slow_rate = slow_rate
        self._rates: list[float] = []

    def build(self, variables: list[Any]) -> None:
        """Create the optimizer's variables and look up each variable's rate."""
        self._rates = [self._slow_rate if v.path in self._slow_paths else 1.0 for v in variables]
        super().build(variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        rate = self._rates[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * rate)
