"""The two recipes: `baseline`, the original system, and `standard`, the one that is shipped."""

from typing import Literal

from pydantic import Field, ValidationError

from napari_nucseg.errors import InputError
from napari_nucseg.frozen import Frozen
from napari_nucseg.model.config import ModelConfig, NetworkConfig
from napari_nucseg.preprocessing.normalize import InputConfig

RecipeName = Literal["baseline", "standard"]


class Recipe(Frozen):
    """How a model is trained; saved beside it."""

    name: RecipeName
    model: ModelConfig
    size: int = Field(ge=32, multiple_of=32)
    """Height and width of a training window in pixels."""
    batch_size: int = Field(default=8, ge=1)
    epochs: int = Field(ge=1)
    steps_per_epoch: int | None = Field(default=None, ge=1)
    """None: every image once per epoch."""
    frozen_epochs: int = Field(default=0, ge=0)
    """Epochs at the start in which the encoder is frozen."""
    learning_rate: float = Field(default=1e-3, gt=0)
    encoder_rate: float = Field(default=0.2, ge=0, le=1)
    """Learning rate of the encoder relative to the decoder's once it is trained."""
    cosine: bool = True
    """Learning rate falls to zero along a half cosine; else constant."""
    average: float = Field(default=0.0, ge=0, lt=1)
    """Momentum of the exponential moving average of the weights; 0: off."""
    diameters: tuple[float, float] = (10.0, 48.0)
    """Range of nucleus diameters in pixels that windows are rescaled to."""
    augmentation: float = Field(default=1.0, ge=0, le=1)
    balance: float = Field(default=0.5, ge=0, le=1)
    """0 draws every image alike, 1 every kind; between them, kinds by their size to 1 - this."""
    dice: float = Field(default=1.0, ge=0)
    """Weight of the Dice term in the loss."""
    touching: float = Field(default=4.0, ge=0)
    """Extra weight of pixels between touching nuclei."""
    touching_offset: float = Field(default=0.0, ge=0)
    """Extra weight of nuclei that touch others in the offset loss."""
    copy_paste: float = Field(default=0.0, ge=0, le=1)
    """Share of windows into which touching nuclei are pasted."""
    empty_share: float = Field(default=0.02, ge=0, le=0.5)
    """Share of generated windows without a nucleus."""
    blend: float = Field(default=1.0, gt=0, le=1)
    """How far the kept weights lie from the parent's to the trained ones; 1: all the way. Blended
    weights do better on other images (Wortsman et al., "Robust fine-tuning of zero-shot models",
    CVPR 2022)."""
    calibrated: bool = True
    """Foreground probabilities are calibrated on the validation images at the end."""
    validation_fraction: float = Field(default=0.15, gt=0, lt=1)
    include_test_groups: bool = False
    """Whether images that share a field of view with withheld ones are trained on."""
    split_seed: int = 0
    """Which images are held out depends on it alone, so that trainings that go on from one another
    can hold out the same ones."""
    seed: int = 0

    def frozen_until(self) -> int:
        """Return the first epoch in which the encoder is trained."""
        return min(self.frozen_epochs, self.epochs)


def make_recipe(
    name: RecipeName,
    *,
    model_name: str,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    seed: int = 0,
    split_seed: int | None = None,
    continued: bool = False,
    blend: float = 1.0,
    include_test_groups: bool = False,
) -> Recipe:
    """Return a recipe, with its length changed where asked.

    Without `split_seed` the held-out images depend on `seed`, too. `continued` is for a start from
    a trained model: nothing is frozen, and steps are smaller.

    Raises
    ------
    InputError
        The model cannot have this name.
    """
    build = _baseline if name == "baseline" else _standard
    try:
        recipe = build(model_name, seed)
    except ValidationError as error:
        raise InputError(
            "The name of a model must begin with a letter or digit and hold at most 64 letters, "
            f"digits, dots, hyphens and underscores, got '{model_name}'; pass another --name."
        ) from error
    changes: dict[str, object] = {
        "epochs": epochs,
        "steps_per_epoch": steps_per_epoch,
        "blend": blend,
        "include_test_groups": include_test_groups,
        "split_seed": seed if split_seed is None else split_seed,
    }
    if continued:
        changes |= {"frozen_epochs": 0, "learning_rate": 0.6 * recipe.learning_rate}
    return recipe.model_copy(update={k: v for k, v in changes.items() if v is not None})


def _baseline(model_name: str, seed: int) -> Recipe:
    """Return the original system: frozen encoder, 128x128, batch 8, 10 epochs, flips."""
    config = ModelConfig(
        name=model_name,
        description="The original system: frozen MobileNetV2, 128x128, one foreground output.",
        network=NetworkConfig(
            decoder="transposed", decoder_widths=(512, 256, 128, 64, 32), outputs=("foreground",)
        ),
        input=InputConfig(normalization="unit"),
        diameter=10.0,
        diameter_range=(1.0, 1000.0),
        fixed_size=128,
    )
    return Recipe(
        name="baseline",
        model=config,
        size=128,
        epochs=10,
        frozen_epochs=10,
        cosine=False,
        augmentation=0.0,
        dice=0.0,  # its loss is plain binary cross-entropy
        touching=0.0,
        calibrated=False,
        empty_share=0.0,
        validation_fraction=0.1,
        seed=seed,
    )


def _standard(model_name: str, seed: int) -> Recipe:
    config = ModelConfig(
        name=model_name,
        description="Nuclei in fluorescence, H&E and brightfield images.",
        network=NetworkConfig(decoder_widths=(128, 96, 64, 48, 32)),
        diameter=22.0,
        diameter_range=(12.0, 44.0),
    )
    return Recipe(
        name="standard",
        model=config,
        size=256,
        epochs=40,
        steps_per_epoch=110,
        frozen_epochs=2,
        average=0.995,
        copy_paste=0.3,
        touching_offset=3.0,
        empty_share=0.03,
        seed=seed,
    )
