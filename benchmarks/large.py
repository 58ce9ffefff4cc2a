"""Measure what docs/large.md claims: `python benchmarks/large.py blocks|tissue|memory|...`.

Images are generated OME-Zarr: a few fields of nuclei, flipped and placed at random, with empty
glass between them. They are kept in `--folder` for the next measurement.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

FIELD, FIELDS, EMPTY = (1000, 900), 4, 0.2
CHUNK = 1024
DIAMETER = "20"


def main() -> None:
    """Run one measurement and print it as markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["run", *MEASUREMENTS])
    parser.add_argument("--size", type=int, nargs="+", help="height and width of the images")
    parser.add_argument("--workers", type=int, default=2, help="0: threads of one process")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "nucseg-large")
    parser.add_argument("--data", type=Path, help="images/ and labels/, for tissue")
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--target", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.what == "run":
        run_here(arguments.source, arguments.target, arguments.workers)
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    MEASUREMENTS[arguments.what](arguments)


def make_image(folder: Path, size: int) -> Path:
    """Write a generated image unless it is there, a thousand rows at a time."""
    import zarr

    path = folder / f"{size}.ome.zarr"
    if path.exists():
        return path
    partial = path.with_suffix(".partial")
    group = zarr.open_group(partial, mode="w", zarr_format=2)
    array = group.create_array(
        "0",
        shape=(size, size),
        chunks=(CHUNK, CHUNK),
        dtype="uint16",
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    buffer = np.zeros((0, size), np.uint16)
    strips = make_strips(size)
    for start in range(0, size, CHUNK):
        stop = min(start + CHUNK, size)
        while len(buffer) < stop - start:
            buffer = np.concatenate([buffer, next(strips)])
        array[start:stop] = buffer[: stop - start]
        buffer = buffer[stop - start :]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    place = [{"type": "scale", "scale": [0.5, 0.5]}]
    dataset = {"path": "0", "coordinateTransformations": place}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [dataset]}]
    partial.rename(path)
    return path


def make_strips(size: int) -> Iterator[np.ndarray]:
    """Yield rows of fields, as wide as the image."""
    from napari_nucseg.sample_data import fluorescence_field

    width = FIELD[1]
    fields = [fluorescence_field(FIELD, seed=seed).image for seed in range(FIELDS)]
    glass = np.random.default_rng(0).poisson(np.percentile(fields[0], 5), FIELD).astype(np.uint16)
    rng = np.random.default_rng(1)
    while True:
        placed = []
        for _ in range(-(-size // width) + 1):
            field = glass if rng.random() < EMPTY else fields[rng.integers(FIELDS)]
            placed.append(field[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])])
        shift = rng.integers(width)
        yield np.concatenate(placed, axis=1)[:, shift : shift + size]


def run_here(source: Path, target: Path, workers: int) -> None:
    """Segment in this process and print seconds and counts as JSON."""
    from napari_nucseg import segment_large

    result = segment_large(
        source, target, diameter=DIAMETER, workers=workers or None, overwrite=True
    )
    print(json.dumps({"seconds": result.seconds, "count": result.count}))


def run_measured(
    source: Path, target: Path, workers: int, cores: int | None = None
) -> dict[str, Any]:
    """Segment in a process of its own; add the peak memory of it and its children, in GB."""
    import psutil

    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, __file__, "run", "--source", source, "--target", target]
    if cores is not None:
        command = ["taskset", "--cpu-list", f"0-{cores - 1}", *command]
    with subprocess.Popen(
        [*map(str, command), "--workers", str(workers)], stdout=subprocess.PIPE, text=True
    ) as process:
        peak = 0
        tree = psutil.Process(process.pid)

        def watch() -> None:
            nonlocal peak
            while process.poll() is None:
                total = 0
                for member in [tree, *tree.children(recursive=True)]:
                    try:
                        total += resident(member)
                    except psutil.NoSuchProcess:
                        continue
                peak = max(peak, total)
                time.sleep(0.2)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the run failed with exit code {process.returncode}")
    return {**json.loads(output.splitlines()[-1]), "peak": peak / 1e9}


def resident(process: Any) -> int:
    """Return the resident bytes of a process; on Linux pages that it shares count in parts."""
    memory = process.memory_full_info()
    return int(getattr(memory, "pss", memory.rss))


def measure_blocks(arguments: argparse.Namespace) -> None:
    """Compare blocks of several sizes and overlaps with the whole image."""
    import zarr

    from napari_nucseg import segment, segment_large
    from napari_nucseg.evaluation import match
    from napari_nucseg.preprocessing.blocks import BlockGrid

    source = make_image(arguments.folder, (arguments.size or [4096])[0])
    image = zarr.open_group(source, mode="r")["0"][...]
    whole = segment(image, diameter=DIAMETER)
    print(f"{len(image)} x {len(image)} pixels, {whole.count:,} nuclei at once\n")
    print("Of the nucleus pixels at a line, those that end there: at seams, at the same lines of")
    print("the image at once, and at lines within blocks.\n")
    print(
        "| block | overlap | nuclei | F1 at IoU 0.95 | pixels that differ | seams | at once | "
        "within | cut |"
    )
    print("| --- " * 9 + "|")
    for block in (768, 1280, 2560):
        for overlap in (64, 96, 128, None):
            target = arguments.folder / "blocks.ome.zarr"
            result = segment_large(
                source, target, diameter=DIAMETER, block=block, overlap=overlap, overwrite=True
            )
            labels = zarr.open_group(target, mode="r")["0"][...].astype(np.int32)
            used = result.record["overlap"]
            expected = count_seams(whole.labels, BlockGrid((), image.shape, block, used))
            score = match(whole.labels, labels, 0.95)
            cells = (
                f"{result.record['block']}",
                f"{used}",
                f"{result.count:,}",
                f"{score.f1:.5f}",
                f"{((labels > 0) != (whole.labels > 0)).mean():.4%}",
                f"{result.seams.at_seams:.4f}",
                f"{expected.at_seams:.4f}",
                f"{result.seams.inside:.4f}",
                f"{len(result.cut)}",
            )
            print(f"| {' | '.join(cells)} |", flush=True)


def measure_tissue(arguments: argparse.Namespace) -> None:
    """Compare blocks with the whole, and both with the truth, on a mosaic of real images."""
    import zarr

    from napari_nucseg import segment, segment_large
    from napari_nucseg.evaluation import match

    image, true = make_mosaic(arguments.data)
    source = arguments.folder / "mosaic.zarr"
    shutil.rmtree(source, ignore_errors=True)
    zarr.save_array(str(source), image, zarr_format=2)
    axes = "YXS" if image.ndim == 3 else "YX"
    whole = segment(image, axes)
    diameter = f"{whole.diameter}"
    shape = " x ".join(str(length) for length in image.shape)
    print(f"{arguments.data.name}, {shape}; F1 at IoU 0.5 against {true.max():,} true nuclei\n")
    print("| block | overlap | nuclei | F1 of the truth | same, IoU 0.5 | same, IoU 0.95 |")
    print("| --- " * 6 + "|")
    right = match(true, whole.labels, 0.5).f1
    print(f"| at once | | {whole.count:,} | {right:.3f} | | |")
    for block, overlap in ((None, None), (512, None), (512, 256)):
        target = arguments.folder / "tissue.ome.zarr"
        result = segment_large(
            source,
            target,
            axes=axes,
            diameter=diameter,
            block=block,
            overlap=overlap,
            overwrite=True,
        )
        labels = zarr.open_group(target, mode="r")["0"][...].astype(np.int32)
        cells = (
            f"{result.record['block']}",
            f"{result.record['overlap']}",
            f"{result.count:,}",
            f"{match(true, labels, 0.5).f1:.3f}",
            *(f"{match(whole.labels, labels, iou).f1:.4f}" for iou in (0.5, 0.95)),
        )
        print(f"| {' | '.join(cells)} |", flush=True)


def make_mosaic(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images of one size side by side, as many rows as columns, and their labels."""
    from napari_nucseg.training.dataset import load_folder

    items = load_folder(folder)
    side = int(len(items) ** 0.5)
    labels, count = [], 0
    for item in items[: side**2]:
        labels.append(np.where(item.labels > 0, item.labels + count, 0))
        count = max(count, int(labels[-1].max()))

    def joined(tiles: list[np.ndarray]) -> np.ndarray:
        rows = [np.concatenate(tiles[i : i + side], axis=1) for i in range(0, side**2, side)]
        return np.concatenate(rows)

    return np.squeeze(joined([item.image for item in items[: side**2]])), joined(labels)


def count_seams(labels: np.ndarray, grid: Any) -> Any:
    """Count on labels of the whole image where seams would be."""
    from napari_nucseg.large.seams import SeamCounts

    total = SeamCounts()
    for index in range(len(grid)):
        inner = grid.at(index).inner
        window = tuple(slice(max(0, part.start - 1), part.stop) for part in inner)
        total += SeamCounts.of(labels[window], window, inner)
    return total


def measure_memory(arguments: argparse.Namespace) -> None:
    """Measure peak memory and time for images of several sizes."""
    print("| pixels | workers | nuclei | seconds | per megapixel | peak memory, all processes |")
    print("| --- " * 6 + "|")
    for size in arguments.size or (8192, 16384, 32768):
        source = make_image(arguments.folder, size)
        found = run_measured(source, arguments.folder / "memory.ome.zarr", arguments.workers)
        print(
            f"| {size} x {size} | {arguments.workers or 'threads'} | {found['count']:,} | "
            f"{found['seconds']:.0f} | {found['seconds'] / size**2 * 1e6:.4f} s | "
            f"{found['peak']:.2f} GB |",
            flush=True,
        )


def measure_cost(arguments: argparse.Namespace) -> None:
    """Compare the time of blocks with that of the whole image in memory."""
    import zarr

    from napari_nucseg import segment, segment_large

    source = make_image(arguments.folder, (arguments.size or [8192])[0])
    image = zarr.open_group(source, mode="r")["0"][...]
    print("| image | whole | blocks | ratio |\n| --- | --- | --- | --- |")
    for _ in range(3):
        whole = segment(image, diameter=DIAMETER).seconds["total"]
        target = arguments.folder / "cost.ome.zarr"
        blocks = segment_large(source, target, diameter=DIAMETER, overwrite=True).seconds
        print(
            f"| {len(image)} x {len(image)} | {whole:.1f} s | {blocks:.1f} s | "
            f"{blocks / whole:.2f} |",
            flush=True,
        )


def measure_workers(arguments: argparse.Namespace) -> None:
    """Compare one process on one core with two on two."""
    source = make_image(arguments.folder, (arguments.size or [8192])[0])
    print("| processes | seconds | times as fast as one |\n| --- | --- | --- |")
    target = arguments.folder / "workers.ome.zarr"
    first = None
    for workers in (1, 2):
        seconds = run_measured(source, target, workers, cores=workers)["seconds"]
        first = first or seconds
        print(f"| {workers} | {seconds:.1f} | {first / seconds:.2f} |", flush=True)


def measure_kill(arguments: argparse.Namespace) -> None:
    """Kill one of two distributed workers in the middle, and compare the files."""
    from distributed import Client, LocalCluster

    from napari_nucseg import segment_large

    source = make_image(arguments.folder, (arguments.size or [8192])[0])
    targets = [arguments.folder / f"{name}.ome.zarr" for name in ("undisturbed", "killed")]
    segment_large(source, targets[0], diameter=DIAMETER, overwrite=True)
    done: list[int] = []

    def kill(at: int, total: int, message: str) -> None:
        if total > 1 and at >= total // 2 and not done:
            done.append(at)
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

    local = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with local, Client(local, set_as_default=False) as client:
        result = segment_large(
            source,
            targets[1],
            diameter=DIAMETER,
            scheduler=client,
            progress=kill,
            overwrite=True,
        )
    files = [
        {p.relative_to(t): p.read_bytes() for p in t.rglob("*") if p.is_file()} for t in targets
    ]
    print(
        f"A worker was killed after {done[0]} blocks: {result.count:,} nuclei, "
        f"{len(files[1])} files, all equal: {files[0] == files[1]}."
    )


MEASUREMENTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "blocks": measure_blocks,
    "tissue": measure_tissue,
    "memory": measure_memory,
    "cost": measure_cost,
    "workers": measure_workers,
    "kill": measure_kill,
}


if __name__ == "__main__":
    main()
