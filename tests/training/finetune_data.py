"""Reviewed images with known nuclei, a tiny base model, and stand-ins for the child process."""

import sys

import numpy as np
from small_data import draw_disks

from napari_nucseg.finetune_params import FineTuneParams
from napari_nucseg.model.config import ModelConfig, NetworkConfig
from napari_nucseg.model.export import export_network
from napari_nucseg.training.finetune.folder import write_rows
from napari_nucseg.training.finetune.job import JobSpec, write_spec
from napari_nucseg.training.finetune.rows import make_row
from random_networks import random_network

SPACING, RADIUS = 24, 8


class Parrot:
    """An engine that sees nuclei where the image is bright."""

    name = "parrot"

    def predict(self, tile):
        maps = np.zeros((*tile.shape[:2], 4), np.float32)
        maps[..., 0] = tile[..., 0] > 0
        return maps


def disks(rows, columns):
    """Return labels (Y, X) of a grid of disks, numbered in reading order."""
    centres = [(12 + SPACING * i, 12 + SPACING * j) for i in range(rows) for j in range(columns)]
    return draw_disks((SPACING * rows, SPACING * columns), [(y, x, RADIUS) for y, x in centres])


def reviewed_row(name="a", rows=4, columns=6, reviewed=None, seed=0):
    """Return a row with a grid of bright disks."""
    labels = disks(rows, columns)
    noise = np.random.default_rng(seed).normal(0, 6, labels.shape)
    image = np.clip(np.where(labels > 0, 180, 30) + noise, 0, 255).astype(np.uint8)
    return make_row(name, image, labels, reviewed)


def write_data(folder, count=2):
    """Write a data folder of `count` images, fully reviewed."""
    write_rows([reviewed_row(f"image{i}", seed=i) for i in range(count)], folder)
    return folder


def write_parent(folder):
    """Write a model folder with random weights and a narrow decoder."""
    config = ModelConfig(
        name="little",
        network=NetworkConfig(decoder_widths=(8, 8, 8, 8, 8)),
        diameter=16.0,
        diameter_range=(8.0, 32.0),
    )
    export_network(random_network(config.network, seed=5), config, folder)
    return folder


def write_job(job, data, parent, *, output="new", save="always", **params):
    """Write a job folder."""
    params = FineTuneParams(model=str(parent), **params)
    write_spec(job, JobSpec(params=params, data=str(data), output=output, save=save))
    return job


def stub(code):
    """Return the command of a child that runs `code`; `tell(**fields)` writes a message."""
    prelude = (
        "import json, os, signal, sys\n"
        "def tell(**fields):\n"
        "    sys.stdout.write(json.dumps(fields) + '\\n'); sys.stdout.flush()\n"
    )
    return [sys.executable, "-c", prelude + code]
