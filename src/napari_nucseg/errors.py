"""Every error that a user can meet.

A message is one sentence or two: what is wrong, what was expected, what was received, and where.
"""


class NucsegError(Exception):
    """Base of all errors that napari-nucseg raises on purpose."""


class InputError(NucsegError, ValueError):
    """An image, a label array or a parameter that cannot be used as it is."""


class ReadError(NucsegError):
    """A file that cannot be read as an image."""


class WriteError(NucsegError):
    """A file or folder that cannot be written, or that exists and must not be overwritten."""


class DiskFull(WriteError):
    """There is no space left where a result goes; the files that come next would fail alike."""


class NameTaken(WriteError):
    """The name of a new model belongs to another one; the way on is another name."""


class ModelError(NucsegError):
    """A model that is unknown, incomplete, corrupt or of an unknown format."""


class DatasetError(NucsegError):
    """A training or evaluation folder that does not hold what is needed."""


class CheckpointError(DatasetError):
    """A checkpoint that cannot be gone on with; the way on is a new training."""


class TrainingError(NucsegError):
    """A training process that failed, was killed or ran out of memory."""


class WorkerError(NucsegError):
    """Worker processes, or a scheduler, that cannot be started, reached or used."""


class WorkerDied(NucsegError):
    """A worker process that died at one piece of work, several times."""


class BlocksFailed(NucsegError):
    """Blocks of a large image that failed; the message says where, finished blocks are kept."""


class EngineError(NucsegError):
    """An inference engine that was asked for and is not available."""


class Cancelled(NucsegError):
    """The caller's `cancelled()` returned true; nothing was written."""


def first_line(error: BaseException) -> str:
    """Return the first line of what a library says went wrong; the kind of error if it is empty."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
