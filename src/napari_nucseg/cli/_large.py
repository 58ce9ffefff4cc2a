"""One large image: what ``napari-nucseg segment`` does where the source or the result is Zarr."""

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from napari_nucseg._native import native_messages_hidden
from napari_nucseg.cli._console import INTERRUPTED, blocks_progress
from napari_nucseg.cli._wording import in_shell_words
from napari_nucseg.counted import counted_nuclei
from napari_nucseg.io.inputs import image_stem
from napari_nucseg.io.plate import is_plate, is_zarr
from napari_nucseg.params import SegmentParams

SUFFIX = ".zarr"


def is_large(inputs: Sequence[str], output: Path) -> bool:
    """Tell whether an image goes to one OME-Zarr of labels rather than a folder of results."""
    first = Path(inputs[0]).expanduser()
    return output.suffix == SUFFIX or (len(inputs) == 1 and is_zarr(first) and not is_plate(first))


def check_one(inputs: Sequence[str], output: Path) -> None:
    """Raise BadParameter if the labels of several images would go to one OME-Zarr."""
    first = Path(inputs[0]).expanduser()
    if len(inputs) > 1:
        several = f"{len(inputs)} inputs"
    elif is_plate(first):
        several = f"the plate {first}"
    elif first.is_dir() and not is_zarr(first):
        several = f"the folder {first}"
    elif glob.has_magic(inputs[0]) and not first.exists():
        several = f"the pattern {first}"
    else:
        return
    if output.suffix == SUFFIX:
        raise typer.BadParameter(
            f"{output} can hold the labels of one image, got {several}; pass a folder.",
            param_hint="--output",
        )


def segment_one(
    inputs: Sequence[str], output: Path, params: SegmentParams, **arguments: Any
) -> None:
    """Segment one image in blocks.

    Parameters
    ----------
    inputs : sequence of str
    output : Path
        OME-Zarr to create, or a folder, in which it is called ``<name>_labels.ome.zarr``.
    params : SegmentParams
    **arguments
        More of `segment_large`.
    """
    from napari_nucseg.batch.replaced import ReplacedMaps
    from napari_nucseg.inference.engine import start_engine
    from napari_nucseg.io.writing import prepare_output
    from napari_nucseg.large.segment_large import segment_large
    from napari_nucseg.large.tracks import LABELS, check_tracks, write_large_tracks
    from napari_nucseg.registry import find_model

    with native_messages_hidden():
        start_engine(find_model(params.model), params.engine)  # fails before anything else
    if output.suffix == SUFFIX:
        output = output.expanduser().absolute()
        prepare_output(output.parent)
    else:
        output = prepare_output(output) / f"{image_stem(Path(inputs[0]))}{LABELS}.ome.zarr"
    overwrite = arguments["overwrite"]
    of_earlier = check_tracks(output, params, overwrite=overwrite)
    earlier_maps = ReplacedMaps.beside(output, Path(inputs[0]).expanduser())
    try:
        with blocks_progress() as progress:
            result = segment_large(inputs[0], output, params=params, progress=progress, **arguments)
    except KeyboardInterrupt as error:
        typer.echo("Stopped. Finished blocks are kept; the same command goes on.", err=True)
        raise typer.Exit(code=INTERRUPTED) from error
    if overwrite:
        result = earlier_maps.remove(result)
    result = write_large_tracks(result, params, overwrite=overwrite, of_earlier=of_earlier)
    for message in result.messages:
        typer.echo(in_shell_words(message), err=True)
    found = counted_nuclei(result.count, in_time=params.link_time)
    typer.echo(f"{found} in {result.seconds:.1f} s; see {result.path}.", err=True)
