"""The order in which the images of a batch are worked on."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from napari_nucseg.batch.executors import Executor, Finished
from napari_nucseg.batch.items import Item
from napari_nucseg.batch.outcome import Outcome, Status


def run_items(
    items: Sequence[Item], known: Mapping[str, Outcome | None], executor: Executor
) -> Iterator[Finished]:
    """Yield what becomes of the items; the first failure of an item is not yielded but repaired.

    Never more items are in flight than the executor takes. An item during which a worker died is
    tried again when no other is in flight, so that it cannot take others with it.

    Parameters
    ----------
    items : sequence of Item
    known : mapping
        By file, the outcome of items that need no work.
    executor : Executor
    """
    waiting, again, alone = iter(items), deque[Item](), deque[Item]()
    tried: set[str] = set()
    left = True
    while True:
        while left and not again and executor.free > 0:
            item = next(waiting, None)
            if item is None:
                left = False
            elif (outcome := known[item.file]) is not None:
                yield item, outcome
            else:
                executor.submit(item)
        while again and executor.free > 0:
            executor.submit(again.popleft())
        if alone and not left and not executor.busy:
            executor.submit(alone.popleft())
        if not executor.busy:
            return
        for item, outcome in executor.wait():
            repairable = outcome.status is Status.FAILED and not outcome.disk_full
            if repairable and item.file not in tried:
                tried.add(item.file)
                (alone if outcome.died else again).append(item)
            else:
                yield item, outcome
