"""The work folder of a run: the plan, finished blocks, the growing result.

It lies beside the target, and each file in it is complete or not there, so that a run which was
killed goes on where it was. Only the last step gives the result its name.
"""

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucseg.errors import ReadError, WriteError
from napari_nucseg.inference.left_out import LeftOut
from napari_nucseg.io.atomic import ALLOW, atomic_file, write_error
from napari_nucseg.io.lock import give_back, holder_file, take_lock
from napari_nucseg.large.columns import Counted
from napari_nucseg.large.nuclei import Nuclei
from napari_nucseg.large.plan import Plan, read_plan
from napari_nucseg.large.request import Request
from napari_nucseg.large.seams import SeamCounts

if TYPE_CHECKING:
    from filelock import BaseFileLock

PLAN, NUCLEI, LEFT_OUT, NUMBERS, COUNTED, LINKS, WRITTEN, LABELS = (
    "plan.json",
    "nuclei",
    "left_out",
    "numbers.npz",
    "counted",
    "links.npz",
    "written",
    "labels.zarr",
)

FAILED = "failed"
"""There once blocks have failed: what is damaged in the image may be put right."""

LOCK = ".lock"
"""Held by the process that leads the run; the system lets go of it however that process ends."""


class WorkFolder:
    """A work folder.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, target: Path) -> "WorkFolder":
        """Return the work folder of a target."""
        return cls(target.with_name(f".{target.name}.work"))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Have the folder to oneself while the block runs; create it, remove it if nothing is left.

        Raises
        ------
        InputError
            Another process, or another thread, leads a run in it.
        WriteError
            It cannot be written.
        """
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise write_error(self.path, error) from error
        lock = take_lock(
            self.path / LOCK,
            f"Another run works in {self.path}",
            "wait for its end, or choose another place for the result",
        )
        try:
            yield
        finally:
            self._leave(lock)

    def _leave(self, lock: "BaseFileLock") -> None:
        """Give the lock back; without a plan, remove what is left of the folder."""
        if (self.path / PLAN).exists():
            give_back(lock)
            return
        with contextlib.suppress(WriteError):
            self.remove()
        give_back(lock, remove=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    @property
    def numbers(self) -> Path:
        """File with the ids of all nuclei."""
        return self.path / NUMBERS

    @property
    def links(self) -> Path:
        """File with what becomes of those ids where nuclei are linked."""
        return self.path / LINKS

    @property
    def labels(self) -> Path:
        """The result, until it is complete."""
        return self.path / LABELS

    def read_plan(self) -> Plan:
        """Read the plan.

        Raises
        ------
        ReadError
            There is none that can be used.
        """
        path = self.path / PLAN
        try:
            return read_plan(path.read_bytes(), str(path))
        except OSError as error:
            raise ReadError(
                f"Cannot read the plan of a run in {path}: {error.strerror or error}."
            ) from error

    def earlier_plan(self, request: Request, *, overwrite: bool) -> Plan | None:
        """Return the plan of an unfinished run that was asked for the same.

        Raises
        ------
        WriteError
            An unfinished run was asked for something else, and `overwrite` is false. If it is true,
            that run is removed, or cannot be.
        """
        if not (self.path / PLAN).exists():
            self.remove()
            return None
        try:
            plan = self.read_plan()
            mended = (self.path / FAILED).exists()
            differences = request.differences(plan.request, mended=mended)
        except ReadError as error:
            differences = [str(error)]
        else:
            if not differences:
                return plan
        if not overwrite:
            raise WriteError(
                f"{self.path} holds an unfinished run with another request ({differences[0]}); ask "
                f"for the same to go on with it, or {ALLOW} to start anew."
            )
        self.remove()
        return None

    def start(self, plan: Plan) -> None:
        """Create the folder; the plan comes last.

        Raises
        ------
        WriteError
        """
        try:
            for name in (NUCLEI, LEFT_OUT, COUNTED, WRITTEN):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(self.path, error) from error
        with atomic_file(self.path / PLAN, overwrite=True) as file:
            file.write(plan.model_dump_json(indent=1).encode() + b"\n")

    def write_nuclei(self, block: int, nuclei: Nuclei) -> None:
        """Keep the nuclei of a finished block."""
        nuclei.write(self._nuclei(block))

    def read_nuclei(self, block: int) -> Nuclei:
        """Read the nuclei of a finished block.

        Raises
        ------
        ReadError
        """
        return Nuclei.read(self._nuclei(block))

    def found(self) -> set[int]:
        """Return the blocks whose nuclei are there."""
        return _numbers(self.path / NUCLEI)

    def write_left_out(self, block: int, left_out: LeftOut) -> None:
        """Keep what was left out of a block without nuclei, if there is anything."""
        if left_out == LeftOut():
            return
        with atomic_file(self.path / LEFT_OUT / f"{block}.json", overwrite=True) as file:
            file.write(json.dumps(dataclasses.asdict(left_out)).encode())

    def read_left_out(self) -> LeftOut:
        """Return what was left out of all blocks without nuclei.

        Raises
        ------
        ReadError
        """
        total = LeftOut()
        for path in sorted((self.path / LEFT_OUT).glob("[0-9]*.json")):
            try:
                total += LeftOut(**json.loads(path.read_bytes()))
            except (OSError, ValueError, TypeError) as error:
                raise ReadError(f"Cannot read what was left out in {path}: {error}.") from error
        return total

    def write_counted(self, column: int, counted: Counted) -> None:
        """Keep what was counted in a column."""
        counted.write(self._counted(column))

    def read_counted(self, column: int) -> Counted:
        """Read what was counted in a column.

        Raises
        ------
        ReadError
        """
        return Counted.read(self._counted(column))

    def counted(self) -> set[int]:
        """Return the columns that are counted."""
        return _numbers(self.path / COUNTED)

    def note_failure(self) -> None:
        """Remember that blocks have failed."""
        with contextlib.suppress(OSError):  # that they have is said in any case
            (self.path / FAILED).touch()

    def create_labels(self, create: Callable[[Path], None]) -> None:
        """Let `create` make an empty result at a path; it is complete or not there.

        Blocks that were written went to an earlier result, so they are to be written again.

        Raises
        ------
        WriteError
        """
        partial = self.path / f"{LABELS}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        create(partial)
        try:
            for mark in (self.path / WRITTEN).iterdir():
                mark.unlink()
            os.replace(partial, self.labels)
        except OSError as error:
            raise write_error(self.labels, error) from error

    def mark_written(self, block: int, seams: SeamCounts) -> None:
        """Remember that the labels of a block are in the result, and what was counted then."""
        with atomic_file(self._written(block), overwrite=True) as file:
            file.write(json.dumps(seams.to_json()).encode())

    def read_seams(self, block: int) -> SeamCounts:
        """Return what was counted when a block was written."""
        try:
            return SeamCounts(**json.loads(self._written(block).read_bytes()))
        except OSError as error:
            raise ReadError(f"Cannot read {self._written(block)}: {error}.") from error

    def written(self) -> set[int]:
        """Return the blocks whose labels are in the result."""
        return _numbers(self.path / WRITTEN)

    def finish(self, target: Path, *, overwrite: bool) -> None:
        """Give the result its name, and remove what is in the folder.

        Parameters
        ----------
        target : Path
        overwrite : bool
            Whether it may take the place of what has appeared there.

        Raises
        ------
        WriteError
            The result stays in the folder.
        """
        if target.exists() and not overwrite:
            raise WriteError(
                f"{target} has come into being during the run; move it, and the same call puts the "
                "result there."
            )
        replaced = self.path / "replaced"
        try:
            if target.exists():
                os.replace(target, replaced)
            os.replace(self.labels, target)
        except OSError as error:
            if replaced.exists() and not target.exists():
                with contextlib.suppress(OSError):
                    os.replace(replaced, target)
            raise write_error(target, error) from error
        with contextlib.suppress(WriteError):  # the result is where it should be
            self.remove()

    def remove(self) -> None:
        """Remove all but the lock; the plan first, as nothing counts without one.

        Raises
        ------
        WriteError
            Something stays, which another run would take for its own.
        """
        lock = self.path / LOCK
        try:
            (self.path / PLAN).unlink(missing_ok=True)
            for entry in self.path.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry)
                elif entry not in (lock, holder_file(lock)):
                    entry.unlink()
        except OSError as error:
            raise write_error(self.path, error) from error

    def _nuclei(self, block: int) -> Path:
        return self.path / NUCLEI / f"{block}.npz"

    def _counted(self, column: int) -> Path:
        return self.path / COUNTED / f"{column}.npz"

    def _written(self, block: int) -> Path:
        return self.path / WRITTEN / f"{block}.json"


def _numbers(folder: Path) -> set[int]:
    """Return the numbers that files are named by; partial ones are hidden files."""
    return {int(path.stem) for path in folder.iterdir() if path.stem.isdecimal()}
