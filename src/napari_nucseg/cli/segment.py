"""``napari-nucseg segment``: find the nuclei in image files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_nucseg.cli._axes import Axes
from napari_nucseg.cli._console import INTERRUPTED, batch_progress, fail_clearly
from napari_nucseg.cli._options import place, read_options, whole_number, with_options
from napari_nucseg.cli._pixel_size import PixelSize
from napari_nucseg.cli._wording import in_shell_words
from napari_nucseg.errors import InputError
from napari_nucseg.io.pixel_size import parse_pixel_size
from napari_nucseg.params import SegmentParams


@with_options(SegmentParams)
def segment(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Images, folders of images, patterns such as 'day1/*.tif', OME-Zarr plates and "
            "images.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            metavar="DIR",
            parser=place,
            help="Folder for the results, created if it is missing; or, for one image of any size, "
            "an OME-Zarr to create, such as labels.ome.zarr.",
        ),
    ],
    axes: Axes = None,
    pixel_size: PixelSize = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Compute results that exist already again, and replace them."
        ),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            metavar="N",
            parser=whole_number(1),
            help="Processes that share the images, or the blocks of one OME-Zarr, and the cores.",
        ),
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="ADDRESS",
            help="Let a dask.distributed cluster do it, such as tcp://192.168.0.1:8786. Its "
            "workers need this package and the same paths.",
        ),
    ] = None,
    block: Annotated[
        int | None,
        typer.Option(
            "--block",
            metavar="N",
            parser=whole_number(1),
            help="OME-Zarr only: height and width of a block in pixels. Default: about 1700.",
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            "--overlap",
            metavar="N",
            parser=whole_number(0),
            help="OME-Zarr only: how far a block looks into its neighbours, in pixels. Default: "
            "what nuclei of the usual sizes need.",
        ),
    ] = None,
    **options: Any,
) -> None:
    """Find the nuclei in images; the same labels as in napari and Python.

    Writes DIR/<name>_labels.tif for every image, with --probabilities DIR/<name>_probability.tif,
    with --link-time DIR/<name>_tracks.txt (of the Cell Tracking Challenge),
    DIR/<plate>_labels.zarr for an OME-Zarr plate, DIR/<name>_labels.ome.zarr for OME-Zarr images
    of a folder, DIR/summary.csv and DIR/parameters.json. Images whose results exist already are
    skipped, so that the same command goes on after a stop. Exit code 1: some images failed;
    summary.csv says why.

    One OME-Zarr image, or any image where DIR ends with .zarr, is segmented in blocks with little
    memory, however large it is, and its labels become an OME-Zarr. The same command goes on after
    a stop.
    """
    with fail_clearly():
        params = read_options(SegmentParams, options)
        sizes = parse_pixel_size(pixel_size)
        from napari_nucseg._native import native_messages_hidden
        from napari_nucseg.batch.batch import Batch
        from napari_nucseg.batch.outcome import Status

        if scheduler is not None and workers != 1:
            raise InputError("--workers and --scheduler exclude each other.")
        from napari_nucseg.cli._large import check_one, is_large, segment_one

        check_one(inputs, output)
        if is_large(inputs, output):
            segment_one(
                inputs,
                output,
                axes=axes,
                pixel_size=sizes,
                params=params,
                workers=workers if workers > 1 else None,
                scheduler=scheduler,
                block=block,
                overlap=overlap,
                overwrite=overwrite,
            )
            return
        if block is not None or overlap is not None:
            raise InputError("--block and --overlap are for one OME-Zarr image only.")
        with native_messages_hidden():
            batch = Batch.plan(
                inputs, output, params, axes=axes, pixel_size=sizes, overwrite=overwrite
            )
        try:
            with batch_progress(len(batch.items)) as progress:
                batch.run(
                    workers=workers,
                    scheduler=scheduler,
                    started=progress.start,
                    tiles=progress.show_tiles,
                    finished=progress.finish,
                )
        except KeyboardInterrupt as error:
            done = in_shell_words(batch.describe())
            typer.echo(f"Stopped. {done}; the same command goes on with the rest.", err=True)
            raise typer.Exit(code=INTERRUPTED) from error
    typer.echo(f"{in_shell_words(batch.describe())}; see {batch.summary}.", err=True)
    if batch.counts[Status.FAILED]:
        raise typer.Exit(code=1)
