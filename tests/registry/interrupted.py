"""Does one thing to many registries; in each a step later something bad happens.

Run as ``python interrupted.py kill|full save|rename|remove|import BASE``. Each try gets a copy of
``BASE/start`` as ``BASE/0``, ``BASE/1`` ... and a process of its own, which is killed (kill -9)
before that step, or finds the disk full from that step on. The last try goes through. Steps are
whatever changes the disk; copying a file has one in its middle. What the user is told is written to
``BASE/<i>.txt``.
"""

import errno
import os
import shutil
import signal
import sys
from pathlib import Path

from napari_nucseg import registry
from napari_nucseg.errors import NucsegError

how, action, base = sys.argv[1], sys.argv[2], Path(sys.argv[3])

ACTIONS = {
    "save": lambda: registry.save_model(base / "source", "new"),
    "rename": lambda: registry.rename_model("old", "new"),
    "remove": lambda: registry.remove_model("old"),
    "import": lambda: registry.import_model(base / "new.zip", "new"),
}


def attempt(number):
    """Return whether it went through without meeting anything bad."""
    root = base / str(number)
    os.environ["NAPARI_NUCSEG_MODELS"] = str(root)
    steps = iter(range(10_000))
    hit = False

    def step(writes):
        nonlocal hit
        if next(steps) < number:
            return
        hit = True
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if writes:
            raise OSError(errno.ENOSPC, "No space left on device")

    def watch(event, arguments):
        if event in ("os.rename", "os.remove", "os.rmdir"):  # in folders that are deleted, relative
            step(writes=False)
        elif event == "os.mkdir":
            step(writes=True)
        elif event == "open" and str(arguments[0]).startswith(f"{root}{os.sep}"):
            opens_to_write = arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if opens_to_write:
                step(writes=True)

    def copy(read, written, _length):
        content = read.read()
        written.write(content[: len(content) // 2])
        written.flush()
        step(writes=True)
        written.write(content[len(content) // 2 :])

    sync = os.fsync

    def fsync(handle):
        step(writes=True)
        sync(handle)

    registry.archive.check_runs = lambda folder: None
    shutil.copyfileobj, os.fsync = copy, fsync
    sys.addaudithook(watch)
    try:
        ACTIONS[action]()
    except NucsegError as error:
        (base / f"{number}.txt").write_text(f"{type(error).__name__}: {error}")
    return not hit


for number in range(1000):
    shutil.copytree(base / "start", base / str(number))
    child = os.fork()
    if not child:
        os._exit(0 if attempt(number) else 1)
    if os.waitpid(child, 0)[1] == 0:
        break
