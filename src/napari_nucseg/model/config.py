"""What a network looks like and how it expects its input: the `config.json` of a model."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from napari_nucseg.frozen import Frozen
from napari_nucseg.preprocessing.normalize import InputConfig
from napari_nucseg.preprocessing.tiling import STRIDE, grain

OutputName = Literal["foreground", "distance", "offset"]

OUTPUT_CHANNELS: dict[OutputName, int] = {"foreground": 1, "distance": 1, "offset": 2}
"""Channels of each output; ``offset`` is (dy, dx)."""

OFFSET_UNIT = 16.0
"""Pixels per unit of the offset output; keeps its values near 1."""

SKIP_LAYERS: tuple[str, ...] = (
    "block_1_expand_relu",
    "block_3_expand_relu",
    "block_6_expand_relu",
    "block_13_expand_relu",
    "block_16_project",
)
"""Encoder layers at stride 2, 4, 8, 16 and 32; the last one used is the bottleneck."""

LARGEST_SCALE = 6.4
"""Network pixels per image pixel at most: larger, nuclei of a few pixels are found no better but
worse (see `docs/model.md`), and each pixel takes time."""


class NetworkConfig(Frozen):
    """Everything `model.network.build_network` needs.

    Both recipes are configurations of this one record: ``baseline`` has the ``transposed`` decoder
    of the original system and one output, ``standard`` the lighter ``separable`` one.
    """

    decoder: Literal["separable", "transposed"] = "separable"
    decoder_widths: tuple[Annotated[int, Field(ge=4, le=1024)], ...] = (128, 96, 64, 48, 24)
    """Channels after each upsampling, at stride 16, 8, 4, 2 and 1; without the first of these the
    encoder ends at stride 16."""
    outputs: tuple[OutputName, ...] = ("foreground", "distance", "offset")

    @model_validator(mode="after")
    def _check(self) -> "NetworkConfig":
        deepest = len(SKIP_LAYERS)
        if len(self.decoder_widths) not in (deepest - 1, deepest):
            raise ValueError(f"decoder_widths must have {deepest} entries, or {deepest - 1}")
        if self.outputs[:1] != ("foreground",) or len(set(self.outputs)) != len(self.outputs):
            raise ValueError("outputs must start with 'foreground' and name each output once")
        return self

    @property
    def in_eight_bits(self) -> bool:
        """Whether its LiteRT file computes in eight bits, see `model.litert.quantize`."""
        return self.decoder == "separable"

    @property
    def skips(self) -> tuple[str, ...]:
        """Names of the encoder layers that the decoder sees, from fine to coarse."""
        return SKIP_LAYERS[: len(self.decoder_widths)]

    @property
    def channels(self) -> int:
        """Number of channels of the concatenated outputs."""
        return sum(OUTPUT_CHANNELS[name] for name in self.outputs)

    def first_channel(self, output: OutputName) -> int:
        """Return where an output begins among the channels.

        Raises
        ------
        ValueError
            The network has no such output.
        """
        before = self.outputs[: self.outputs.index(output)]
        return sum(OUTPUT_CHANNELS[name] for name in before)


class ModelConfig(Frozen):
    """The `config.json` of a model folder."""

    format: Literal[1] = 1
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    description: str = Field(default="", max_length=2000)
    network: NetworkConfig
    input: InputConfig = InputConfig()
    diameter: float = Field(gt=0, le=1000)
    """Diameter of nuclei, in pixels, to which images are rescaled when they need it."""
    diameter_range: tuple[float, float]
    """Diameters, in pixels, that the network handles without rescaling."""
    fixed_size: int | None = Field(default=None, ge=STRIDE, multiple_of=STRIDE)
    """Images are resized to this height and width (baseline), or None: any size, in tiles."""

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        low, high = self.diameter_range
        if not 0 < low <= high:
            raise ValueError(f"diameter_range must be 0 < low <= high, got {self.diameter_range}")
        return self

    def scale_for(self, diameter: float) -> float:
        """Return network pixels per image pixel for nuclei of this diameter in image pixels.

        1 for diameters that the network copes with, and where there are no nuclei (0); else about
        what brings them to `diameter`, rounded to a whole `preprocessing.tiling.grain`, and at
        most `LARGEST_SCALE`.
        """
        low, high = self.diameter_range
        if self.fixed_size or diameter == 0 or low <= diameter <= high:
            return 1.0
        return STRIDE / grain(min(self.diameter / diameter, LARGEST_SCALE))
