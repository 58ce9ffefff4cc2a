"""How long the plugin holds up napari: `xvfb-run -a python benchmarks/event_loop.py`.

A real napari window is driven through a whole round: Segment, Correct, Fine-tune, Segment again.
Each time Python is entered from Qt's event loop in the main thread, the time in it is booked to the
plugin or to napari, by the file of the function that runs; libraries count for who called them.
Besides, a timer notes the longest gap between two of its ticks. The machine may be shared, also
with the training itself, so each time is told as wall and as processor time of the main thread.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

LIMIT = 50.0
"""Milliseconds; what issue and docs promise."""

TICK, SETTLE = 5, 1500
"""Milliseconds between ticks, and after which a step's consequences are over."""

LONGEST = 900
"""Seconds after which a step that does not end fails."""

PLUGIN, NAPARI = "plugin", "napari"


@dataclass
class Entry:
    """One entry from the event loop: milliseconds by owner, and the plugin's first function."""

    name: str = ""
    wall: dict[str, float] = field(default_factory=lambda: {PLUGIN: 0.0, NAPARI: 0.0})
    cpu: dict[str, float] = field(default_factory=lambda: {PLUGIN: 0.0, NAPARI: 0.0})


class Ledger:
    """Books the time of the main thread, as a function for `sys.setprofile`."""

    def __init__(self, plugin: Path, napari: Path) -> None:
        self._folders = ((f"{plugin}{os.sep}", PLUGIN), (f"{napari}{os.sep}", NAPARI))
        self._owners: dict[str, str | None] = {}
        self._stack: list[tuple[FrameType, str]] = []
        self._clock = (0.0, 0.0)
        self._entry = Entry()
        self.entries: list[Entry] = []

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        """See a function begin or end."""
        if event == "call":
            owner = self._owner(frame.f_code.co_filename)
            if owner is None or (self._stack and self._stack[-1][1] == owner):
                return
            self._book()
            if owner == PLUGIN and not self._entry.name:
                self._entry.name = frame.f_code.co_qualname
            self._stack.append((frame, owner))
        elif event == "return" and self._stack and self._stack[-1][0] is frame:
            self._book()
            self._stack.pop()
            if not self._stack:
                if self._entry.name:
                    self.entries.append(self._entry)
                self._entry = Entry()

    def _book(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        if self._stack:
            owner = self._stack[-1][1]
            self._entry.wall[owner] += 1000 * (now[0] - self._clock[0])
            self._entry.cpu[owner] += 1000 * (now[1] - self._clock[1])
        self._clock = now

    def _owner(self, file: str) -> str | None:
        if file not in self._owners:
            found = [owner for folder, owner in self._folders if file.startswith(folder)]
            self._owners[file] = found[0] if found else None
        return self._owners[file]


class Pulse:
    """A timer of the event loop that notes the longest gap between ticks."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self.wall = self.cpu = 0.0
        self._last = (time.perf_counter(), time.thread_time())
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK)

    def begin(self) -> None:
        """Begin anew."""
        self.wall = self.cpu = 0.0
        self._last = (time.perf_counter(), time.thread_time())

    def _tick(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        self.wall = max(self.wall, 1000 * (now[0] - self._last[0]))
        self.cpu = max(self.cpu, 1000 * (now[1] - self._last[1]))
        self._last = now


class Bench:
    """A napari window that is watched."""

    def __init__(self) -> None:
        import napari

        import napari_nucseg

        self.ledger = Ledger(
            Path(str(napari_nucseg.__file__)).parent, Path(str(napari.__file__)).parent
        )
        self.viewer: Any = napari.Viewer()
        self.pulse = Pulse()
        self.worst = 0.0
        sys.setprofile(self.ledger)

    def step(
        self, title: str, do: Callable[[], Any], until: Callable[[], bool] = lambda: True
    ) -> None:
        """Do something, wait for its end, and print a row."""
        self.wait(lambda: True)
        self.ledger.entries.clear()
        self.pulse.begin()
        self._later(do)
        self.wait(until)
        entries = self.ledger.entries or [Entry("-")]
        slowest = max(entries, key=lambda entry: entry.cpu[PLUGIN])
        longest = max(entries, key=lambda entry: entry.wall[PLUGIN])
        napari = max(entry.cpu[NAPARI] for entry in entries)
        self.worst = max(self.worst, slowest.cpu[PLUGIN])
        print(
            f"| {title} | {slowest.cpu[PLUGIN]:.0f} | {longest.wall[PLUGIN]:.0f} | "
            f"`{slowest.name}` | {napari:.0f} | {self.pulse.cpu:.0f} | {self.pulse.wall:.0f} |",
            flush=True,
        )

    def wait(self, until: Callable[[], bool]) -> None:
        """Run the event loop until something is so, and then until nothing follows."""
        from qtpy.QtCore import QEventLoop, QTimer

        loop, timer, end = QEventLoop(), QTimer(), time.monotonic() + LONGEST

        def look() -> None:
            if time.monotonic() > end:
                sys.exit("A step took too long.")
            if until():
                timer.stop()
                QTimer.singleShot(SETTLE, loop.quit)

        timer.timeout.connect(look)
        timer.start(20)
        loop.exec()

    @staticmethod
    def _later(do: Callable[[], Any]) -> None:
        """Have the event loop do something, as if the user had."""
        from qtpy.QtCore import QTimer

        QTimer.singleShot(0, do)

    def dock(self, name: str) -> Any:
        """Open a widget of the plugin."""
        return self.viewer.window.add_plugin_dock_widget("napari-nucseg", name)[1]


def main() -> None:
    """Drive napari and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="pixels of the image's side")
    parser.add_argument("--epochs", type=int, default=2, help="0: until it stops improving")
    parser.add_argument("--without-training", action="store_true", help="Segment and Correct only")
    arguments = parser.parse_args()
    os.environ["NAPARI_NUCSEG_MODELS"] = tempfile.mkdtemp()
    os.environ["NAPARI_NUCSEG_STATE"] = tempfile.mkdtemp()
    print(
        f"Image of {arguments.size} x {arguments.size} pixels; milliseconds, the longest of each "
        "kind.\n\n"
        "| step | plugin, CPU | plugin, wall | in | napari for it, CPU | event loop, CPU | "
        "event loop, wall |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    bench = Bench()
    drive(bench, arguments.size)
    if not arguments.without_training:
        train(bench, arguments.epochs)
    sys.setprofile(None)
    print(f"\nLongest by the plugin: {bench.worst:.0f} ms of processor time (limit {LIMIT:.0f}).")
    bench.viewer.close()


def drive(bench: Bench, size: int) -> None:
    """Segment an image and correct it."""
    import numpy as np

    from napari_nucseg.sample_data import fluorescence_field

    viewer = bench.viewer
    sample = fluorescence_field((512, 512), seed=1)
    tiles = -(-size // 512)
    image = np.tile(sample.image, (tiles, tiles))[:size, :size]
    labels = np.tile(sample.labels, (tiles, tiles))[:size, :size]
    viewer.add_image(image, name="cells")
    bench.step("napari idle", lambda: None)
    bench.step("napari adds labels by itself", lambda: viewer.add_labels(labels, name="other"))
    viewer.layers.remove("other")
    segment = bench.dock("Segment nuclei")
    bench.step("Segment: run", segment.run, lambda: not segment.running)
    threshold = segment.fields["foreground_threshold"]

    def idle() -> bool:
        return not segment.running and not segment.updating

    bench.step("Segment: slider", lambda: setattr(threshold, "value", 0.6), idle)
    bench.step("Segment: run again", segment.run, idle)
    made: list[Any] = []
    bench.step("Correct: open", lambda: made.append(bench.dock("Correct nuclei")), lambda: True)
    correct = made[0]

    def still() -> bool:
        return not correct.busy

    bench.wait(still)
    for title, act in (
        ("Correct: next", correct.doubts.next),
        ("Correct: delete", correct.delete_selected),
        ("Correct: next free id", correct.choose_free_id),
        ("Correct: undo", lambda: viewer.layers.selection.active.undo()),
        ("Correct: mark whole image", correct.review.mark_all),
    ):
        bench.step(title, act, still)


def train(bench: Bench, epochs: int) -> None:
    """Fine-tune on the corrected labels and segment again."""
    viewer = bench.viewer
    crop = viewer.layers["cells"].data[:512, :512].copy()
    labels = viewer.layers["cells nuclei"].data[:512, :512].copy()
    viewer.add_image(crop, name="crop")
    viewer.add_labels(labels, name="crop nuclei")
    made: list[Any] = []
    bench.step("Fine-tune: open", lambda: made.append(bench.dock("Fine-tune")))
    tune = made[0]
    row = tune.rows.rows[0]
    row.image_box.value, row.labels_box.value = viewer.layers["crop"], viewer.layers["crop nuclei"]
    row.region_box.value = "whole"
    tune.fields["epochs"].value = epochs
    bench.step("Fine-tune: press", tune.run, lambda: tune.child is not None)
    bench.step("Fine-tune: to the end", lambda: None, lambda: not tune.running)
    if tune.save_button.native.isVisibleTo(tune.native):
        bench.step("Fine-tune: save", tune.save_anyway, lambda: not tune.running)
    segment = bench.dock("Segment nuclei")
    bench.step("Segment again", tune.segment_again, lambda: not segment.running)


if __name__ == "__main__":
    main()
