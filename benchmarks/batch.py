"""Measure batches of many small images: `python benchmarks/batch.py [--images 10000]`.

Throughput with one and with two processes, whether it and the memory stay the same from start to
end, and whether a run that is killed in the middle goes on to the same results.
"""

import argparse
import csv
import hashlib
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import tifffile

from napari_nucseg.sample_data import fluorescence_field

DIFFERENT = 16
"""Images that are generated; the others are these, shifted."""

POINTS = {"start": 0.1, "middle": 0.5, "end": 0.95}
"""Parts of a run at which the memory is measured."""


@dataclass
class Run:
    """What was seen of a run of the command line.

    Attributes
    ----------
    times : list of float
        Seconds from the start until each line, which is an image.
    memory : dict
        Resident bytes of all its processes, at each of `POINTS`.
    """

    times: list[float] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)

    def rate(self, start: float, stop: float) -> float:
        """Return images per second between two parts of the run."""
        last = len(self.times) - 1
        first, end = round(start * last), round(stop * last)
        return (end - first) / (self.times[end] - self.times[first])


def main() -> None:
    """Run all measurements and print them as markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=128, help="pixels along Y and X")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--diameter", default="auto")
    parser.add_argument("--folder", type=Path, help="for images and results (default: temporary)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        images = write_images(folder / "images", arguments.images, arguments.size)
        options = ["--diameter", arguments.diameter]
        print(
            f"{arguments.images:,} images of {arguments.size} x {arguments.size}, "
            f"{os.cpu_count()} cores, Python {platform.python_version()}\n"
        )
        print("| processes | images/s | first / last fifth | memory at start, middle, end |")
        print("| --- | --- | --- | --- |")
        for workers in arguments.workers:
            run = segment(images, folder / f"out{workers}", workers, options)
            memory = ", ".join(f"{run.memory[point] / 1e6:.0f}" for point in POINTS)
            ends = f"{run.rate(0.05, 0.25):.1f} / {run.rate(0.75, 0.95):.1f}"
            print(f"| {workers} | {len(run.times) / run.times[-1]:.1f} | {ends} | {memory} MB |")
        digests = {digest(folder / f"out{workers}") for workers in arguments.workers}
        print(f"\nResults equal whatever the number of processes: {len(digests) == 1}\n")
        for workers in arguments.workers:
            killed_and_resumed(images, folder, workers, options, digests)


def write_images(folder: Path, count: int, size: int) -> Path:
    """Write generated images."""
    folder.mkdir()
    fields = [fluorescence_field((size, size), seed=seed).image for seed in range(DIFFERENT)]
    for i in range(count):
        shift = i // DIFFERENT % size
        tifffile.imwrite(folder / f"{i:06d}.tif", np.roll(fields[i % DIFFERENT], shift, axis=0))
    return folder


def segment(
    images: Path, output: Path, workers: int, options: list[str], kill_at: int | None = None
) -> Run:
    """Run the command line; kill all its processes after some images if told to."""
    command = [sys.executable, "-m", "napari_nucseg", "segment", str(images)]
    command += ["--output", str(output), "--workers", str(workers), *options]
    total = len(list(images.iterdir()))
    points = {max(1, round(part * total)): name for name, part in POINTS.items()}
    run, started = Run(), time.perf_counter()
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        for line in process.stderr or ():
            if not line.startswith("["):
                continue
            run.times.append(time.perf_counter() - started)
            done = len(run.times)
            if done in points:
                run.memory[points[done]] = resident(process.pid)
            if done == kill_at:
                os.killpg(process.pid, signal.SIGKILL)
                break
    return run


def resident(pid: int) -> int:
    """Return the resident bytes of a process and its children."""
    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])


def killed_and_resumed(
    images: Path, folder: Path, workers: int, options: list[str], digests: set[str]
) -> None:
    """Kill a run in the middle and go on with it."""
    total = len(list(images.iterdir()))
    output = folder / f"killed{workers}"
    segment(images, output, workers, options, kill_at=total // 2)
    kept = len(list(output.glob("*_labels.tif")))
    run = segment(images, output, workers, options)
    with open(output / "summary.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    equal = digest(output) in digests
    complete = len(rows) == total and all(row["status"] != "failed" for row in rows)
    print(
        f"{workers} process(es), killed after {total // 2:,}: {kept:,} results kept, then "
        f"{run.times[0]:.1f} s to the first line and {run.times[-1]:.1f} s in all; summary "
        f"complete: {complete}; results equal to an undisturbed run's: {equal}"
    )


def digest(output: Path) -> str:
    """Return a hash over all labels."""
    total = hashlib.sha256()
    for path in sorted(output.glob("*_labels.tif")):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


if __name__ == "__main__":
    main()
