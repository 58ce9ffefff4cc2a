"""Says that models came, went or changed their names, to whoever shows a list of them."""

from psygnal import Signal, SignalInstance


class _Registry:
    changed = Signal(str, str)


changed: SignalInstance = _Registry().changed
"""Emitted as ``(old, new)`` after a model was added (old is ""), removed (new is "") or renamed.

Only by this process, and in the thread that did it: a widget must pass it on to the main thread.
"""
