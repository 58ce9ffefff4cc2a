"""Unpacking of a zip that may come from anyone.

What is written are files of known names, in a folder that the caller made: no path of the zip is
ever used as one. Sizes are counted while reading, whatever the zip claims.
"""

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from napari_nucseg._types import CancelCheck
from napari_nucseg.cancelling import check_cancelled
from napari_nucseg.errors import ModelError
from napari_nucseg.model.folder import LITERT, WEIGHTS
from napari_nucseg.registry.folders import CHUNK
from napari_nucseg.registry.provenance import PROVENANCE
from napari_nucseg.registry.store import FILES, REQUIRED

MB = 1 << 20
MAX_NETWORK = 512 * MB
MAX_SIZES = {WEIGHTS: MAX_NETWORK, LITERT: MAX_NETWORK, PROVENANCE: 16 * MB}
"""Bytes of the large files at most."""
MAX_SIZE = 4 * MB
"""Bytes of any other file at most."""
MAX_TOTAL = 1024 * MB
MAX_RATIO = 100
"""Times the size of the zip that its content may have; a model's arrays hardly compress."""
FREE = 10 * MB
"""Content that may have any ratio."""
MAX_ENTRIES = 32

FINDER_FOLDER, FINDER_FILE = "__MACOSX", ".DS_Store"
"""What macOS' Finder adds to a folder that it zips; it is neither read nor written."""

_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
)
"""What `zipfile` raises for files that are damaged, or made to confuse it."""


class UntrustedZip:
    """A zip that claims to hold a model. A context manager.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    members : dict of str to ZipInfo
        By the name of the file; all of them belong to a model and none is dangerous.

    Raises
    ------
    ModelError
        It is no zip, or holds anything but a model.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._total = 0
        try:
            self._file = _SmallReads(io.FileIO(path))
            self._size = path.stat().st_size
        except OSError as error:
            raise ModelError(f"Cannot read {path}: {error.strerror or error}.") from error
        try:
            self._zip = zipfile.ZipFile(self._file)
            self.members = self._check_entries(self._zip.infolist())
        except ModelError:
            self._file.close()
            raise
        except _UNREADABLE as error:
            self._file.close()
            raise ModelError(
                f"{path} is not a zip file, or is damaged ({_cause(error)})."
            ) from error

    def __enter__(self) -> "UntrustedZip":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
        self._file.close()

    def read(self, name: str) -> bytes:
        """Return the content of one file."""
        content = io.BytesIO()
        self._copy(name, content, None)
        return content.getvalue()

    def unpack(self, folder: Path, cancelled: CancelCheck | None) -> None:
        """Write all files into a folder.

        Raises
        ------
        ModelError
            A file is damaged or too large.
        OSError
            The folder cannot be written to.
        Cancelled
        """
        self._total = 0
        for name in self.members:
            with (folder / name).open("xb") as target:
                self._copy(name, target, cancelled)

    def _copy(self, name: str, target: Any, cancelled: CancelCheck | None) -> None:
        """Copy what a file of the zip really holds to an open file."""
        try:
            source = self._zip.open(self.members[name])
        except _UNREADABLE as error:
            raise self._damaged(name, error) from error
        limit = MAX_SIZES.get(name, MAX_SIZE)
        size = 0
        with source:
            while True:
                check_cancelled(
                    cancelled, "Importing the model was cancelled; nothing was changed."
                )
                try:
                    chunk = source.read(CHUNK // 2)
                except _UNREADABLE as error:
                    raise self._damaged(name, error) from error
                if not chunk:
                    break
                size += len(chunk)
                self._total += len(chunk)
                self._check_size(name, size, limit)
                target.write(chunk)
        if size != self.members[name].file_size:
            raise self._damaged(name, "its size is not the one stated")

    def _check_size(self, name: str, size: int, limit: int) -> None:
        if size > limit:
            raise self._refused(f"its {name} is larger than {limit // MB} MB")
        if self._total > MAX_TOTAL:
            raise self._refused(f"its content is larger than {MAX_TOTAL // MB} MB")
        if self._total > max(FREE, MAX_RATIO * self._size):
            raise self._refused(
                f"its content is more than {MAX_RATIO} times as large as itself, which no model is"
            )

    def _check_entries(self, entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        """Return the entries by the name of their file; refuse anything unexpected."""
        if len(entries) > MAX_ENTRIES:
            raise self._refused(f"it has {len(entries):,} entries, a model at most {len(FILES)}")
        members: dict[str, zipfile.ZipInfo] = {}
        folders: set[tuple[str, ...]] = set()
        for entry in entries:
            self._check_kind(entry)
            *folder, name = parts = self._safe_parts(entry)
            if parts[0] == FINDER_FOLDER or name == FINDER_FILE:
                continue
            if not _is_folder(entry):
                if name not in FILES or len(folder) > 1:
                    raise self._refused(
                        f"it holds {_show(entry)}, which does not belong to a model; expected are "
                        f"{', '.join(FILES)}, in one folder at most"
                    )
                if name in members:
                    raise self._refused(f"it holds {name} twice")
                members[name] = entry
            elif folder:
                raise self._refused(f"it holds {_show(entry)}, a folder within a folder")
            folders.add((name,) if _is_folder(entry) else tuple(folder))
        if len(folders) > 1:
            raise self._refused("its files lie in more than one folder")
        missing = [name for name in REQUIRED if name not in members]
        if missing:
            raise self._refused(f"it has no {' and no '.join(missing)}")
        return members

    def _check_kind(self, entry: zipfile.ZipInfo) -> None:
        """Refuse links, devices, encryption, and methods that take much memory to unpack."""
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFDIR if _is_folder(entry) else stat.S_IFREG):
            raise self._refused(f"it holds {_show(entry)}, which is a link or another special file")
        if entry.flag_bits & 0x2041:  # encrypted, strongly encrypted, header encrypted
            raise self._refused(f"it holds {_show(entry)}, which is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._refused(
                f"it holds {_show(entry)}, which is compressed in another way than 'deflate'"
            )

    def _safe_parts(self, entry: zipfile.ZipInfo) -> list[str]:
        """Return folder and name of an entry; refuse what could lead out of the model's folder."""
        name = entry.orig_filename  # `filename` is what zipfile made of it
        parts = name.removesuffix("/").split("/") if _is_folder(entry) else name.split("/")
        unsafe = "\\" in name or ":" in name or not name.isprintable()
        if unsafe or any(part in ("", ".", "..") for part in parts):
            raise self._refused(f"it holds {_show(entry)}, a path that leads out of its folder")
        return parts

    def _refused(self, reason: str) -> ModelError:
        return ModelError(f"{self.path} was not imported: {reason}.")

    def _damaged(self, name: str, cause: object) -> ModelError:
        return self._refused(f"its {name} is damaged ({_cause(cause)})")


class _SmallReads(io.BufferedReader):
    """Reads at most a megabyte at once: a list of a million entries would fill the memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read; ValueError if there is more than anyone but an attacker asks for."""
        wanted = MB + 1 if size is None or size < 0 or size > MB else size
        content = super().read(wanted)
        if len(content) > MB:
            raise ValueError("its table of contents is too large")
        return content


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    """Tell what zipfile's own method tells, also if the name is empty or begins with a zero."""
    return entry.orig_filename.endswith("/")


def _show(entry: zipfile.ZipInfo) -> str:
    """Return the name of an entry for a message: it may hold anything."""
    return ascii(entry.orig_filename[:100])


def _cause(error: object) -> str:
    return str(error).strip(". ")[:200] or type(error).__name__
