"""The optimizer that teaches the encoder more slowly."""

import keras
import numpy as np

from napari_nucseg.training.average import WeightAverage
from napari_nucseg.training.optimizer import LayerwiseAdam


def _variables():
    return [
        keras.Variable(np.zeros(3, np.float32), name=name, trainable=True)
        for name in ("slow", "fast")
    ]


def test_slow_variables_move_by_the_rate():
    slow, fast = _variables()
    optimizer = LayerwiseAdam({slow.path}, 0.2, learning_rate=0.1)
    optimizer.build([slow, fast])
    gradient = np.array([1.0, -5.0, 0.01], np.float32)

    for _ in range(3):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)] * 2, [slow, fast])

    # Adam's first steps have the size of the learning rate, whatever the gradient's size.
    np.testing.assert_allclose(np.asarray(fast), -0.3 * np.sign(gradient), rtol=1e-3)
    np.testing.assert_allclose(np.asarray(slow), 0.2 * np.asarray(fast), rtol=1e-4)


def test_a_rate_of_zero_stops_a_variable():
    slow, fast = _variables()
    optimizer = LayerwiseAdam({slow.path}, 0.0, learning_rate=0.1)
    optimizer.build([slow, fast])

    optimizer.apply([keras.ops.ones(3)] * 2, [slow, fast])

    assert not np.asarray(slow).any()
    assert np.asarray(fast).all()


def _scalar_network(value):
    network = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    network.set_weights([np.array([[value]], np.float32)])
    return network


def test_the_average_lies_between_start_and_now_and_swaps_back():
    network = _scalar_network(0.0)
    average = WeightAverage(network, 0.9)
    network.set_weights([np.array([[1.0]], np.float32)])

    for _ in range(5):
        average.update()

    # One update after five steps, with momentum (5 / 15) ** 5: the start is soon forgotten.
    expected = 1 - (5 / 15) ** 5
    np.testing.assert_allclose(average.weights[0], expected, rtol=1e-5)
    average.swap()
    np.testing.assert_allclose(network.get_weights()[0], expected, rtol=1e-5)
    average.swap()
    np.testing.assert_array_equal(network.get_weights()[0], 1.0)
    np.testing.assert_allclose(average.weights[0], expected, rtol=1e-5)


def test_an_average_that_is_off_never_touches_the_network():
    network = _scalar_network(3.0)
    average = WeightAverage(network, 0.0)
    network.set_weights([np.array([[7.0]], np.float32)])

    average.swap()

    np.testing.assert_array_equal(network.get_weights()[0], 7.0)
