"""Measure what the documentation claims: `make bench`, or `python benchmarks/bench.py --data DIR`.

Every figure is measured in one run on one machine; ratios between them travel better than seconds.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

REPEATS = 5


def main() -> None:
    """Run all measurements and print them as markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="data folder: also score its validation groups")
    parser.add_argument("--model", default="nuclei")
    arguments = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}\n"
    )
    print("| what | result |\n| --- | --- |")
    for name, value in [
        *start_up(),
        *in_process(arguments.model),
        *generated_accuracy(arguments.model),
    ]:
        print(f"| {name} | {value} |")
    if arguments.data:
        print()
        print_validation(arguments.data, arguments.model)


def median_seconds(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median wall time of several runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def start_up() -> list[tuple[str, str]]:
    """Measure imports and the command line in fresh processes."""
    import tifffile

    from napari_nucseg.sample_data import fluorescence_field

    def python(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    empty = median_seconds(python("pass"))
    imported = median_seconds(python("import napari_nucseg")) - empty
    numpy_alone = median_seconds(python("import numpy")) - empty
    with tempfile.TemporaryDirectory() as folder:
        tifffile.imwrite(f"{folder}/field.tif", fluorescence_field((512, 512)).image)
        command = [
            sys.executable,
            "-m",
            "napari_nucseg",
            "segment",
            f"{folder}/field.tif",
            "--output",
            f"{folder}/out",
            "--overwrite",
        ]
        cold = median_seconds(lambda: subprocess.run(command, check=True, capture_output=True))
    return [
        ("`import napari_nucseg`", f"{imported:.2f} s ({imported / numpy_alone:.1f} x numpy's)"),
        ("`napari-nucseg segment` of one 512x512 image, prompt to file", f"{cold:.2f} s"),
    ]


def in_process(model: str) -> list[tuple[str, str]]:
    """Measure `segment` on 1024x1024 pixels, and its parts."""
    from napari_nucseg import relabel, segment
    from napari_nucseg.sample_data import fluorescence_field

    image = fluorescence_field((1024, 1024)).image
    megapixels = image.size / 1e6
    result = segment(image, model=model, keep_maps=True)
    automatic = median_seconds(lambda: segment(image, model=model))
    given = median_seconds(lambda: segment(image, model=model, diameter=20))
    parts = [segment(image, model=model, diameter=20).seconds for _ in range(REPEATS)]
    network = statistics.median(p["network"] for p in parts) / megapixels
    instances = statistics.median(p["instances"] for p in parts) / megapixels
    live = median_seconds(lambda: relabel(result, splitting=0.6))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        ("1024x1024 end to end, diameter estimated", f"{automatic:.2f} s"),
        ("1024x1024 end to end, diameter given", f"{given:.2f} s"),
        ("network (input and tiles included)", f"{network:.2f} s per megapixel"),
        (
            "maps to nuclei",
            f"{instances:.3f} s per megapixel ({instances / network:.2f} x network)",
        ),
        ("a slider moved, 1024x1024", f"{live:.3f} s ({live / given:.2f} x a run)"),
        ("peak memory of the process, 1024x1024", f"{peak:.0f} MB"),
        ("TensorFlow imported", str("tensorflow" in sys.modules)),
    ]


def generated_accuracy(model: str) -> list[tuple[str, str]]:
    """Score the generated samples, which no model was trained on."""
    from napari_nucseg import segment
    from napari_nucseg.evaluation import score_image
    from napari_nucseg.sample_data import SAMPLES

    rows = []
    for name in ("fluorescence", "histology"):
        sample = SAMPLES[name]()
        result = segment(sample.image, sample.axes, model=model)
        score = score_image(sample.labels, result.labels)
        rows.append(
            (
                f"generated {name}: AP at IoU 0.5, nuclei found / true",
                f"{score.detection.average_precision:.2f}, {score.detection.n_predicted} / "
                f"{score.detection.n_true}",
            )
        )
    return rows


def print_validation(data: Path, model: str) -> None:
    """Score the validation groups of a data folder as `napari-nucseg train` splits them."""
    from napari_nucseg import segment
    from napari_nucseg.evaluation import score_image, summarize
    from napari_nucseg.training.dataset import load_folder
    from napari_nucseg.training.split import split_by_group

    _, validation = split_by_group(load_folder(data), 0.15, seed=1)
    by_kind: dict[str, list] = {}
    for item in validation:
        colour = item.image.shape[-1] == 3
        image = item.image if colour else item.image[..., 0]
        labels = segment(image, "YXS" if colour else "YX", model=model).labels
        by_kind.setdefault(item.kind, []).append(score_image(item.labels, labels))
    columns = (
        "held out by group",
        "images",
        "AP at 0.5",
        "mean AP 0.5 to 0.9",
        "F1",
        "pixel accuracy",
        "Dice",
    )
    print(f"| {' | '.join(columns)} |\n| {' | '.join(['---'] * len(columns))} |")
    rows = {**dict(sorted(by_kind.items())), "all": [s for v in by_kind.values() for s in v]}
    for kind, scores in rows.items():
        total = summarize(scores)
        values = (
            total.average_precision[0],
            total.mean_average_precision,
            total.f1,
            total.pixel_accuracy,
            total.dice,
        )
        cells = " | ".join(f"{v.per_image:.3f}" for v in values)
        print(f"| {kind} | {len(scores)} | {cells} |")
    counts = np.array([abs(s.count_error) for v in by_kind.values() for s in v])
    print(f"\nMean absolute count error per image: {counts.mean():.1f} nuclei.")


if __name__ == "__main__":
    main()
