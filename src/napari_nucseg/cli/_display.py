"""Whether windows can be opened; asked before Qt, which aborts the process where they cannot."""

import os
import socket
import sys

SOCKETS = "/tmp/.X11-unix"
TCP_BASE = 6000
PATIENCE = 3.0
"""Seconds that a remote display has to answer."""


def display_problem() -> str | None:
    """Return why no window can be opened, or None if one can."""
    if sys.platform != "linux" or os.environ.get("WAYLAND_DISPLAY"):
        return None
    name = os.environ.get("DISPLAY")
    if not name:
        return "DISPLAY and WAYLAND_DISPLAY are not set"
    return None if _answers(name) else f"no display answers at DISPLAY={name}"


def _answers(name: str) -> bool:
    """Tell whether an X server listens at ``host:display.screen``."""
    host, _, rest = name.rpartition(":")
    number = rest.partition(".")[0]
    if not number.isdigit():
        return False
    if host in ("", "unix"):
        path = f"{SOCKETS}/X{number}"
        return any(_connects(socket.AF_UNIX, address) for address in (path, f"\0{path}"))
    return _connects(socket.AF_INET, (host, TCP_BASE + int(number)))


def _connects(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE)
        try:
            client.connect(address)
        except OSError:
            return False
    return True
