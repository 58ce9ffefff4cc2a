"""Drives the widget for fine-tuning, with stand-ins for the child process."""

import sys
from functools import partial

import numpy as np

from napari_nucseg.registry import bundled_folder
from napari_nucseg.training.finetune import messages
from napari_nucseg.training.finetune.process import FineTuneProcess

TIMEOUT = 30_000
SPACING, RADIUS = 24, 8

OLD = messages.Scores(f1=0.5, ap=0.4, mean_ap=0.3, true_nuclei=9, predicted_nuclei=8)
NEW = OLD.model_copy(update={"f1": 0.75, "ap": 0.6})

SPLIT = messages.SplitTold(
    training_nuclei=15,
    held_out_nuclei=6,
    held_out=(messages.HeldOutArea(image="cells", box=(0, 96, 96, 144), nuclei=6),),
)
WAIT = "assert sys.stdin.readline() == 'cancel\\n'\n"
STOPPED = "sys.stdin.read()\nsys.exit(1)\n"
"""A child that goes on until its parent closes the pipe."""


def disks(rows=4, columns=6):
    """Labels (Y, X) of a grid of disks, numbered in reading order."""
    y, x = np.indices((SPACING * rows, SPACING * columns))
    inside = (y % SPACING - 12) ** 2 + (x % SPACING - 12) ** 2 <= RADIUS**2
    return np.where(inside, 1 + y // SPACING * columns + x // SPACING, 0).astype(np.int32)


def bright(labels, seed=0):
    """An image of bright nuclei."""
    noise = np.random.default_rng(seed).normal(0, 6, labels.shape)
    return np.clip(np.where(labels > 0, 180, 30) + noise, 0, 255).astype(np.uint8)


def tell(*told):
    """The code of a child that writes messages."""
    return "".join(f"os.write(1, {messages.format_message(one)!r})\n" for one in told)


def save_bundled(own_models, name="nuclei-tuned-1"):
    """The code of a child that saves a copy of the bundled model, and the folder."""
    folder = own_models / name
    code = (
        f"model = pathlib.Path(shutil.copytree({str(bundled_folder() / 'nuclei')!r}, "
        f"{str(folder)!r}))\n"
        "config = model / 'config.json'\n"
        f"config.write_text(config.read_text().replace('\"nuclei\"', '\"{name}\"'))\n"
    )
    return code + tell(finished(folder=str(folder)))


def validation(epoch, loss=0.5, best_epoch=None):
    return messages.Validation(
        epoch=epoch,
        step=10 * epoch,
        training_loss=None if epoch == 0 else loss + 0.1,
        loss=loss,
        now=NEW if epoch else OLD,
        before=OLD,
        best=NEW if epoch else OLD,
        best_epoch=epoch if best_epoch is None else best_epoch,
    )


def finished(**changes):
    told = messages.Finished(
        verdict="better", before=OLD, after=NEW, epochs=2, best_epoch=2, text="It is better."
    )
    return told.model_copy(update=changes)


class FineTuning:
    """A viewer and the widget; `child` sets what the child process does."""

    def __init__(self, viewer, widget, qtbot, monkeypatch):
        self.viewer, self.widget, self.qtbot = viewer, widget, qtbot
        self.monkeypatch = monkeypatch

    def add(self, name="cells", labels=None, image=None):
        """Add an image with labels, all of it reviewed."""
        labels = disks() if labels is None else labels
        image = bright(labels) if image is None else image
        layers = self.viewer.layers
        return self.viewer.add_image(image, name=name), self.viewer.add_labels(
            labels, name=f"{name} labels" if f"{name} labels" not in layers else "more labels"
        )

    def child(self, code):
        prelude = "import os, signal, sys, time, shutil, pathlib\njob = pathlib.Path(sys.argv[1])\n"

        def make(job, *callbacks):
            command = [sys.executable, "-c", prelude + code, str(job)]
            return FineTuneProcess(job, *callbacks, command=command)

        from napari_nucseg.widgets import _training_run

        self.monkeypatch.setattr(_training_run, "FineTuneProcess", make)

    def choose(self, region="whole", row=0):
        self.widget.rows.rows[row].region_box.value = region

    def press(self, button="run"):
        getattr(self.widget, f"{button}_button").native.click()

    def start(self, code, until):
        """Start a child and wait until something is so."""
        self.child(code)
        self.press()
        self.qtbot.waitUntil(partial(until, self.widget), timeout=TIMEOUT)

    def train(self, code):
        """Press Fine-tune, wait for the end, return the status."""
        self.child(code)
        self.press()
        return self.wait()

    def wait(self):
        self.qtbot.waitUntil(lambda: not self.widget.running, timeout=TIMEOUT)
        return self.status

    @property
    def status(self):
        return self.widget.status.value
