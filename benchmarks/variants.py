"""What each piece of the recipe brings, and what each size of network costs.

Trains every variant alike, for a short time, from ImageNet weights, and scores it on the
validation groups with the true diameters:
`python benchmarks/variants.py DATA --encoder-weights FILE`. Finished variants are skipped, so that
it can be stopped and started again. Then, on a quiet machine, `python benchmarks/variants.py DATA
--report FIGURE` measures the time of all that were trained and prints the tables of docs/model.md.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_nucseg import segment
from napari_nucseg.evaluation import ImageScore, score_image, summarize
from napari_nucseg.inference.engine import LiteRTEngine
from napari_nucseg.model.export import export_network
from napari_nucseg.model.folder import WEIGHTS, open_model
from napari_nucseg.registry.weights_file import count_parameters
from napari_nucseg.training.dataset import Item, load_folder
from napari_nucseg.training.recipes import Recipe, make_recipe
from napari_nucseg.training.split import split_by_group
from napari_nucseg.training.trainer import Trainer

SPLIT_SEED = 1
"""The split of the bundled model."""

KINDS = {"fluorescence": "fluo", "histology": "histo", "brightfield": "bf"}


def main() -> None:
    """Train and score the variants that are not in the results yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of DSB2018")
    parser.add_argument("--encoder-weights", type=Path)
    parser.add_argument("--output", type=Path, default=Path("variants"))
    parser.add_argument("--steps", type=int, default=320)
    parser.add_argument("--size", type=int, default=160, help="height and width of a window")
    parser.add_argument("--only", nargs="*", help="names of variants, by default all")
    parser.add_argument("--seed", type=int, default=0, help="of start and augmentation")
    parser.add_argument("--report", type=Path, help="PNG file to write, instead of training")
    arguments = parser.parse_args()
    if arguments.report:
        report(arguments.output, arguments.report)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    training, validation = split_by_group(load_folder(arguments.data), 0.15, SPLIT_SEED)
    for name, change in VARIANTS.items():
        path = arguments.output / f"{name}-{arguments.seed}.json"
        if path.exists() or (arguments.only and name not in arguments.only):
            continue
        recipe = change(short_recipe(arguments.steps, arguments.size, arguments.seed))
        folder = arguments.output / f"{name}-{arguments.seed}"
        seconds = train(training, validation, recipe, arguments.encoder_weights, folder)
        result = {"name": name, "steps": arguments.steps, "training_seconds": seconds}
        result |= measure(folder, validation)
        path.write_text(json.dumps(result, indent=1))


def short_recipe(steps: int, size: int, seed: int) -> Recipe:
    """Return the standard recipe in eight short epochs, the encoder frozen in the first."""
    recipe = make_recipe("standard", model_name="variant", epochs=8, steps_per_epoch=steps // 8)
    return recipe.model_copy(
        update={"size": size, "seed": seed, "frozen_epochs": 1, "average": 0.98}
    )


def _with(**changes: Any) -> Callable[[Recipe], Recipe]:
    return lambda recipe: recipe.model_copy(update=changes)


def _network(**changes: Any) -> Callable[[Recipe], Recipe]:
    def change(recipe: Recipe) -> Recipe:
        network = recipe.model.network.model_copy(update=changes)
        model = recipe.model.model_copy(update={"network": network})
        return recipe.model_copy(update={"model": model})

    return change


VARIANTS: dict[str, Callable[[Recipe], Recipe]] = {
    "standard": _with(),
    "no copy-paste": _with(copy_paste=0.0),
    "narrow": _network(decoder_widths=(64, 48, 32, 24, 16)),
    "wide": _network(decoder_widths=(192, 128, 96, 64, 48)),
    "short encoder": _network(decoder_widths=(96, 64, 48, 32)),
    "no weight averaging": _with(average=0.0),
    "no augmentation of intensity or shape": _with(augmentation=0.0),
    "no weight at touching borders": _with(touching=0.0),
    "no Dice": _with(dice=0.0),
    "images drawn alike": _with(balance=0.0),
    "frozen encoder": _with(frozen_epochs=8),
    "one phase": _with(frozen_epochs=0),
    "constant learning rate": _with(cosine=False),
}


SIZES = ("standard", "narrow", "wide", "short encoder")
"""The variants that differ in the size of the network."""

COLUMNS = (("all", "ap50"), ("all", "mean_ap"), ("fluorescence", "ap50"), ("histology", "ap50"))


def train(
    training: list[Item],
    validation: list[Item],
    recipe: Recipe,
    encoder_weights: Path | None,
    folder: Path,
) -> float:
    """Train one variant, export it and return the seconds."""
    started = time.perf_counter()
    trainer = Trainer(training, validation, recipe, folder / "checkpoints")
    trainer.start(encoder_weights)
    trainer.run()
    export_network(trainer.network, recipe.model, folder)
    return time.perf_counter() - started


def measure(folder: Path, validation: Iterable[Item]) -> dict[str, Any]:
    """Return the scores of a model folder."""
    scores: dict[str, list[ImageScore]] = {}
    for item in validation:
        color = item.image.shape[-1] == 3
        image = item.image if color else item.image[..., 0]
        diameter = item.diameter or None
        result = segment(image, "YXS" if color else "YX", model=str(folder), diameter=diameter)
        scores.setdefault(item.kind, []).append(score_image(item.labels, result.labels))
    groups = {
        name: [s for kind, of_kind in scores.items() if kind.startswith(start) for s in of_kind]
        for name, start in KINDS.items()
    }
    groups["all"] = [s for of_kind in scores.values() for s in of_kind]
    return {"scores": {name: _summary(group) for name, group in groups.items()}}


def _summary(scores: list[ImageScore]) -> dict[str, float]:
    total = summarize(scores)
    return {
        "ap50": total.average_precision[0].per_image,
        "mean_ap": total.mean_average_precision.per_image,
        "dice": total.dice.per_image,
    }


def network_seconds(folder: Path, repeats: int = 7) -> float:
    """Return the median time of the network alone, in seconds per megapixel."""
    engine = LiteRTEngine(open_model(folder))
    tile = np.zeros((1024, 1024, 3), np.float32)
    engine.predict(tile)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        engine.predict(tile)
        times.append(time.perf_counter() - started)
    return statistics.median(times) / tile[..., 0].size * 1e6


def report(output: Path, figure: Path) -> None:
    """Print the tables of sizes and pieces, and draw accuracy against time."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    for name, of_name in results.items():
        for path in sorted(output.glob(f"{name}-[0-9].json")):
            of_name.append(json.loads(path.read_text()) | {"folder": path.with_suffix("")})
    print("| network | parameters | s / MP | AP | mean AP | fluorescence | histology |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    front = {}
    for name in SIZES:
        if results[name]:
            seconds = network_seconds(results[name][0]["folder"])
            million = count_parameters(results[name][0]["folder"] / WEIGHTS) / 1e6
            front[name] = seconds, [r["scores"]["all"] for r in results[name]]
            print(f"| {name} | {million:.2f} M | {seconds:.2f} | {_scores(results[name])} |")
    print("\n| recipe | runs | AP | mean AP | fluorescence | histology |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, runs in results.items():
        if runs and name not in SIZES[1:]:
            print(f"| {name} | {len(runs)} | {_scores(runs)} |")
    draw_front(front, figure)


def _scores(runs: list[dict[str, Any]]) -> str:
    """Return the mean of several runs, and their range if there is one."""
    cells = []
    for group, score in COLUMNS:
        values = [run["scores"][group][score] for run in runs]
        spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
        cells.append(f"{statistics.fmean(values):.3f}{spread}")
    return " | ".join(cells)


def draw_front(front: dict[str, tuple[float, list[dict[str, float]]]], path: Path) -> None:
    """Draw AP against seconds per megapixel, one dot for each run."""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axes, score, title in zip(
        figure.subplots(1, 2), ("ap50", "mean_ap"), ("AP at IoU 0.5", "mean AP"), strict=True
    ):
        for name, (seconds, runs) in front.items():
            values = [run[score] for run in runs]
            axes.scatter([seconds] * len(values), values, label=name)
        axes.set(xlabel="network, seconds per megapixel", title=title)
        axes.margins(0.15)
        axes.legend(loc="lower right")
    FigureCanvasAgg(figure).print_png(path)


if __name__ == "__main__":
    main()
