"""Items that end the process that reads them; workers import this module."""

import os
import signal
from dataclasses import dataclass

from napari_nucseg.batch.file_item import FileItem
from napari_nucseg.batch.zarr_items import ZarrItem
from napari_nucseg.errors import DiskFull
from napari_nucseg.io.leftovers import PARTIAL, hidden_beside


@dataclass(frozen=True)
class DeadlyItem(FileItem):
    """Kills the first process that reads it; with `always`, each."""

    always: bool = False

    def read(self, axes):
        mark = self.output / f"{self.stem}.died"
        if self.always or not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(axes)


@dataclass(frozen=True)
class ShortLivedItem(FileItem):
    """Kills the first process that wrote it, before that can tell."""

    def write(self, result, image, *, overwrite):
        super().write(result, image, overwrite=overwrite)
        os.kill(os.getpid(), signal.SIGKILL)


class DeadlyZarrItem(ZarrItem):
    """Kills the first process that writes it, when a part is written."""

    def write(self, result, image, *, overwrite):
        mark = self.output / f"{self.stem}.died"
        if not mark.exists():
            mark.touch()
            hidden_beside(self.labels, PARTIAL).mkdir()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().write(result, image, overwrite=overwrite)


class FullDiskItem(FileItem):
    """An image whose result does not fit on the disk."""

    def write(self, result, image, *, overwrite):
        raise DiskFull(f"Cannot write {self.labels}: No space left on device.")


class OddError(Exception):
    """Cannot be unpickled."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


class OddItem(FileItem):
    """An image at which a library raises an error of its own."""

    def read(self, axes):
        raise OddError(1, 2)
