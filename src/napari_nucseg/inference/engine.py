"""What runs the network: LiteRT on the CPU, or TensorFlow on a GPU."""

import os
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np

from napari_nucseg._types import FloatArray
from napari_nucseg.errors import EngineError, ModelError
from napari_nucseg.model.folder import LITERT, ModelFolder, open_model
from napari_nucseg.preprocessing.tiling import STRIDE


class Engine(Protocol):
    """Runs one model on single tiles."""

    name: str

    def predict(self, tile: FloatArray) -> FloatArray:
        """Predict one tile.

        Parameters
        ----------
        tile : array (Y, X, 3), float32
            Normalised; Y and X are multiples of 32.

        Returns
        -------
        array (Y, X, channels), float32
            The network's outputs in the order of its config.
        """
        ...


class LiteRTEngine:
    """LiteRT (XNNPACK, all cores): no TensorFlow, a model loads in milliseconds.

    Parameters
    ----------
    model : ModelFolder
    threads : int, optional
        All cores by default.
    """

    name = "litert"

    def __init__(self, model: ModelFolder, threads: int | None = None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        content = model.litert.read_bytes()
        try:
            self._interpreter = Interpreter(
                model_content=content, num_threads=threads or os.cpu_count() or 1
            )
            self._input = self._interpreter.get_input_details()[0]["index"]
            output = self._interpreter.get_output_details()[0]
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{model.litert} is not a LiteRT model: {error}.") from error
        self._output = output["index"]
        channels = int(output["shape"][-1])
        if channels != model.config.network.channels:
            raise ModelError(
                f"{model.litert} has {channels} output channels, but its config.json states "
                f"{model.config.network.channels} ({', '.join(model.config.network.outputs)})."
            )
        self._path = model.litert
        self._shape: tuple[int, ...] = ()
        self._lock = Lock()  # an interpreter holds one tile's state

    def predict(self, tile: FloatArray) -> FloatArray:
        """Predict one tile, see `Engine.predict`."""
        with self._lock:
            try:
                if tile.shape != self._shape:
                    self._resize(tile.shape)
                self._interpreter.set_tensor(self._input, tile[None])
                self._interpreter.invoke()
                return np.asarray(self._interpreter.get_tensor(self._output)[0])
            except (ValueError, RuntimeError) as error:
                raise EngineError(
                    f"LiteRT cannot run {self._path} on a tile of {tile.shape[0]} x "
                    f"{tile.shape[1]} pixels: {str(error).strip('. ')}."
                ) from error

    def _resize(self, shape: tuple[int, ...]) -> None:
        self._shape = ()  # what holds if this fails
        self._interpreter.resize_tensor_input(self._input, (1, *shape), strict=True)
        self._interpreter.allocate_tensors()
        self._shape = shape


class TensorFlowEngine:
    """TensorFlow, for machines whose GPU it sees.

    Parameters
    ----------
    model : ModelFolder
    """

    name = "tensorflow"

    def __init__(self, model: ModelFolder) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        try:
            import tensorflow as tf
        except ImportError as error:
            raise EngineError(
                f"engine='tensorflow' needs TensorFlow, which cannot be imported here ({error}); "
                "install it or use engine='litert'."
            ) from error
        from napari_nucseg.model.network import load_network

        network = load_network(model)
        size = model.config.fixed_size
        signature = [tf.TensorSpec((1, size, size, 3), tf.float32)]
        self._run = tf.function(
            lambda tile: network(tile, training=False), input_signature=signature
        )

    def predict(self, tile: FloatArray) -> FloatArray:
        """Predict one tile, see `Engine.predict`."""
        return np.asarray(self._run(tile[None])[0])


_threads: int | None = None


def limit_threads(threads: int | None) -> None:
    """Let engines that this process makes from now on use so many threads; None: all cores.

    A process that shares the machine with others is faster with its share only.
    """
    global _threads
    _threads = threads


def make_engine(model: ModelFolder, name: str = "auto") -> Engine:
    """Return an engine for a model; the last ones used stay loaded.

    Parameters
    ----------
    model : ModelFolder
    name : str
        ``litert``, ``tensorflow``, or ``auto``, which is LiteRT: looking for a GPU would mean
        importing TensorFlow, which alone takes longer than segmenting most images.
    """
    chosen = "litert" if name == "auto" else name
    return _cached_engine(model.path, model.hashes[LITERT], chosen, _threads)


def start_engine(model: ModelFolder, name: str = "auto") -> Engine:
    """Return an engine as `make_engine` does, which has run once.

    LiteRT greets on stderr only then, and what cannot run says so before anything is done.
    """
    engine = make_engine(model, name)
    size = model.config.fixed_size or STRIDE
    engine.predict(np.zeros((size, size, 3), np.float32))
    return engine


@lru_cache(maxsize=4)
def _cached_engine(path: Path, digest: str, name: str, threads: int | None) -> Engine:
    del digest  # part of the cache's key: a model that was replaced is loaded anew
    model = open_model(path)
    return TensorFlowEngine(model) if name == "tensorflow" else LiteRTEngine(model, threads)
