"""The parameters of fine-tuning, written once.

Default, bounds, label (`title`) and tooltip (`description`) of each parameter stand here; widget,
command line and saved records are made from them.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, JsonValue

from napari_nucseg.frozen import Frozen
from napari_nucseg.params import DEFAULT_MODEL, build_params

ADVANCED: dict[str, JsonValue] = {"advanced": True}
"""Marks the fields that a form shows on demand only."""


class FineTuneParams(Frozen):
    """How to fine-tune; a model keeps exactly the parameters it was made with."""

    model: str = Field(
        default=DEFAULT_MODEL,
        title="Base model",
        description="Name of the model to start from, or the path of a model folder.",
    )
    epochs: int = Field(
        default=0,
        ge=0,
        le=500,
        title="Epochs",
        description="Rounds of training. 0: until the held-out loss stops improving.",
    )
    train: Literal["everything", "decoder"] = Field(
        default="everything",
        title="What to train",
        description="'everything' adapts most, 'decoder' is quicker and changes less.",
    )
    learning_rate: float = Field(
        default=4e-4,
        ge=1e-6,
        le=1e-2,
        title="Learning rate",
        description="Size of the steps. Higher: faster and rougher.",
        json_schema_extra=ADVANCED,
    )
    augmentation: float = Field(
        default=1.0,
        ge=0.0,
        le=1.0,
        title="Augmentation",
        description=(
            "How much windows are bent and their intensities changed. Higher: for images that "
            "vary more than those that were corrected."
        ),
        json_schema_extra=ADVANCED,
    )
    rehearsal: float = Field(
        default=0.4,
        ge=0.0,
        le=0.8,
        title="Rehearsal",
        description=(
            "Share of views, of generated fields and of your images in another stain, on which "
            "the model repeats what the base model sees, so that it does not forget."
        ),
        json_schema_extra=ADVANCED,
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="Equal seeds and inputs give equal models, up to rounding.",
        json_schema_extra=ADVANCED,
    )


def make_finetune_params(options: Mapping[str, Any]) -> FineTuneParams:
    """Build parameters from keyword options.

    Raises
    ------
    InputError
        An option is unknown or out of bounds; the message names each and says what is expected.
    """
    return build_params(FineTuneParams, options)
