"""The network, its config, its losses, and the folder it lies in."""
