"""Measure fine-tuning: `python benchmarks/finetune.py --shared ../shared`.

A base model is fine-tuned on 1, 2 and 5 corrected regions of 256 x 256 pixels, cut from images of
some animals or patients, and scored on images of others, and on the validation groups of DSB2018,
which it should not forget. The regions are those that `suggest_regions` proposes; with `--random`
any that hold some nuclei, chosen by the seed too. AP at IoU 0.5 on the other animals or patients
counts the nuclei of all images together, as some images hold five; the gain of the mean over images
stands beside it. What is forgotten is the mean over images. The diameter is estimated.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_nucseg import segment, suggest_regions
from napari_nucseg.correction.suggestions import spread_out
from napari_nucseg.errors import NucsegError
from napari_nucseg.evaluation import score_image
from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.io.reading import read_image
from napari_nucseg.training.dataset import load_folder
from napari_nucseg.training.finetune.messages import Message
from napari_nucseg.training.finetune.process import FineTuneProcess
from napari_nucseg.training.finetune.rows import Row, make_row
from napari_nucseg.training.finetune.start import create_job
from napari_nucseg.training.split import split_by_group

REGION = 256
FEWEST_NUCLEI = 12
"""Somebody who corrects a region chooses one with nuclei."""

TRIES = 50


@dataclass(frozen=True)
class Domain:
    """A data set with two sides: what is fine-tuned on, and other animals or patients.

    Attributes
    ----------
    name : str
    source : callable
        The animal or patient by the stem of an image's name.
    test : tuple of str
        The animals or patients that are scored on.
    """

    name: str
    source: Callable[[str], str]
    test: tuple[str, ...]


DOMAINS = (
    Domain("crowded-tissue", lambda stem: stem.split("_")[3], ("mouse1",)),
    Domain("histology-tnbc", lambda stem: stem[:2], ("04", "05")),
)


@dataclass(frozen=True)
class Picture:
    """An image with its true labels."""

    name: str
    image: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Score:
    """AP at IoU 0.5: of the nuclei of all images together, and the mean over images."""

    pooled: float
    mean: float


@dataclass
class Run:
    """What one fine-tuning took: seconds from start to saved model and to the first loss."""

    seconds: float = 0.0
    first_loss: float = 0.0
    peak_bytes: int = 0
    text: str = ""


def main() -> None:
    """Run all measurements and print them as markdown."""
    arguments = parse()
    params = {
        name: getattr(arguments, name)
        for name in FineTuneParams.model_fields
        if name != "seed" and getattr(arguments, name) is not None
    }
    dsb = load_dsb(arguments.shared / "data" / "dsb2018")[:: arguments.every]
    base = FineTuneParams(**params).model
    kept = score(dsb, base).mean
    print(f"Base `{base}` on {len(dsb)} validation images of DSB2018: AP {kept:.3f}\n")
    print(
        "| data | regions | seed | nuclei | AP before | AP after | gain | gain of the mean | "
        "held-out AP | forgotten | seconds | first loss | peak GB |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for domain in DOMAINS:
        if domain.name not in arguments.sets:
            continue
        tested = arguments.test or domain.test
        folder = arguments.shared / "data" / "adapt" / domain.name
        training, test = load_domain(folder, replace(domain, test=tuple(tested)))
        test = test[:: arguments.every]
        before = score(test, base)
        gains: dict[int, list[float]] = {}
        for count in arguments.regions:
            for seed in arguments.seeds:
                choose = random_regions if arguments.random else suggested_regions
                rows = choose(training, count, seed, base)
                made = FineTuneParams(**params, seed=seed)
                line, gain = measure(rows, made, before, kept, test, dsb)
                gains.setdefault(count, []).append(gain)
                print(f"| {domain.name} | {count} | {seed} | {line} |", flush=True)
        for count, values in gains.items():
            print(f"\n{domain.name}, {count} regions: mean gain {statistics.fmean(values):+.3f}")
        print()


def parse() -> argparse.Namespace:
    """Read the command line; every parameter of fine-tuning is an option."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder that holds data/")
    parser.add_argument("--sets", nargs="+", default=[domain.name for domain in DOMAINS])
    parser.add_argument("--test", nargs="+", help="animals or patients to score on, such as mouse2")
    parser.add_argument("--regions", nargs="+", type=int, default=[1, 2, 5])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--random", action="store_true", help="regions chosen at random")
    parser.add_argument("--every", type=int, default=1, help="score every n-th image only")
    for name, info in FineTuneParams.model_fields.items():
        if name != "seed":
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(info.default))
    return parser.parse_args()


def load_dsb(folder: Path) -> list[Picture]:
    """Return the images that the bundled model was validated on."""
    validation = split_by_group(load_folder(folder), 0.15, seed=1)[1]
    return [
        Picture(i.name, i.image[..., 0] if i.image.shape[-1] == 1 else i.image, i.labels)
        for i in validation
    ]


def load_domain(folder: Path, domain: Domain) -> tuple[list[Picture], list[Picture]]:
    """Return the images to fine-tune on and those of other animals or patients."""
    sides: tuple[list[Picture], list[Picture]] = ([], [])
    labels = {path.stem: path for path in (folder / "labels").iterdir()}
    for path in sorted((folder / "images").iterdir()):
        picture = Picture(path.stem, read_image(path).data, read_image(labels[path.stem]).data)
        sides[domain.source(path.stem) in domain.test].append(picture)
    return sides


def suggested_regions(pictures: Sequence[Picture], count: int, seed: int, model: str) -> list[Row]:
    """Return the regions that a model doubts most, corrected; the same for every seed."""
    del seed
    named = {picture.name: picture for picture in pictures}
    found = [
        (name, suggest_regions(picture.image, count=count, size=REGION, model=model))
        for name, picture in named.items()
    ]
    return [corrected(named[name], region.window) for name, region in spread_out(found, count)]


def random_regions(pictures: Sequence[Picture], count: int, seed: int, model: str) -> list[Row]:
    """Return regions of some pictures that hold some nuclei, corrected."""
    del model
    rng = np.random.default_rng(seed)
    rows = []
    for k in rng.permutation(len(pictures)):
        if len(rows) == count:
            break
        picture = pictures[k]
        height, width = picture.labels.shape
        for _ in range(TRIES):
            y, x = rng.integers(0, (height - REGION + 1, width - REGION + 1))
            window = (slice(y, y + REGION), slice(x, x + REGION))
            if len(np.unique(picture.labels[window])) > FEWEST_NUCLEI:
                rows.append(corrected(picture, window))
                break
    return rows


def corrected(picture: Picture, window: tuple[slice, slice]) -> Row:
    """Return a picture of which a region was corrected and reviewed."""
    reviewed = np.zeros(picture.labels.shape, bool)
    reviewed[window] = True
    return make_row(picture.name, picture.image, picture.labels, reviewed)


def score(pictures: Sequence[Picture], model: str) -> Score:
    """Segment and score pictures."""
    counts = [
        score_image(picture.labels, segment(picture.image, model=model).labels).detection
        for picture in pictures
    ]
    right = sum(c.true_positives for c in counts)
    wrong = sum(c.false_positives + c.false_negatives for c in counts)
    return Score(right / (right + wrong), statistics.fmean(c.average_precision for c in counts))


def measure(
    rows: Sequence[Row],
    params: FineTuneParams,
    before: Score,
    kept: float,
    test: Sequence[Picture],
    dsb: Sequence[Picture],
) -> tuple[str, float]:
    """Fine-tune once; return the end of a table's line, and the gain."""
    with tempfile.TemporaryDirectory() as folder:
        output = f"{folder}/tuned"
        try:
            run = tune(rows, output, params, Path(folder) / "job")
        except NucsegError as error:
            return f"{error} | | | | | | | | | ", 0.0
        after = score(test, output)
        forgotten = kept - score(dsb, output).mean
    nuclei = sum(len(np.unique(row.labels[row.reviewed])) - 1 for row in rows)
    line = (
        f"{nuclei} | {before.pooled:.3f} | {after.pooled:.3f} | "
        f"{after.pooled - before.pooled:+.3f} | {after.mean - before.mean:+.3f} | {run.text} | "
        f"{forgotten:+.3f} | {run.seconds:.0f} | {run.first_loss:.1f} | {run.peak_bytes / 1e9:.2f}"
    )
    return line, after.pooled - before.pooled


def tune(rows: Sequence[Row], output: str, params: FineTuneParams, job: Path) -> Run:
    """Fine-tune in a child process, as widget, command line and Python do."""
    run = Run()
    started = time.perf_counter()

    def note(message: Message) -> None:
        run.peak_bytes = max(run.peak_bytes, peak_memory(process.pid))
        if message.type == "progress" and not run.first_loss:
            run.first_loss = time.perf_counter() - started

    process = FineTuneProcess(create_job(rows, output, params, save="always", job=job), note)
    process.start()
    outcome = process.wait()
    run.seconds = time.perf_counter() - started
    if outcome is None or outcome.finished is None:
        raise NucsegError(outcome.text if outcome else "no outcome")
    finished = outcome.finished
    run.text = (
        f"{finished.before.ap:.3f} to {finished.after.ap:.3f} of {finished.before.true_nuclei} "
        f"(epoch {finished.best_epoch} of {finished.epochs}"
        f"{'' if finished.verdict == 'better' else f', {finished.verdict}'})"
    )
    return run


def peak_memory(pid: int | None) -> int:
    """Return the largest resident size that a process has had, in bytes; Linux only."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    sizes = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(sizes[0]) * 1024 if sizes else 0


if __name__ == "__main__":
    main()
