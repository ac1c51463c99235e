"""A kind of model from outside Drumline: the next step's hits from the last step alone."""

from dataclasses import dataclass

import keras
import tensorflow as tf
from drumline.models.encoding import hits_of_combinations
from drumline.models.forecaster import Forecaster
from drumline.models.gate import Threshold
from drumline.models.kinds import ModelKind


@dataclass(frozen=True)
class BigramSizes:
    bias: bool = True


class Bigram(ModelKind):
    Sizes = BigramSizes
    search_space = {"bias": (True, False)}

    def build_network(self, bars, sizes):
        return BigramNetwork(bars, sizes)

    def metrics(self):
        from drumline.models.tfma_metrics import WindowMean

        return [WindowMean("hits_of_last_step", of="hits_of_last_step")]

    def thresholds(self, gate):
        return {"hits_of_last_step": Threshold(0.0)}


class BigramNetwork(Forecaster):
    def __init__(self, bars, sizes):
        super().__init__(bars)
        self.dense = keras.layers.Dense(9, use_bias=sizes.bias)

    def call(self, combinations, training=False):
        hits = hits_of_combinations(combinations)
        return self.dense(tf.pad(hits[:, :-1], [[0, 0], [1, 0], [0, 0]]))

    def step(self, hits, state):
        return self.dense(hits), state

    def prime(self, hits):
        return self.dense(tf.pad(hits, [[0, 0], [1, 0], [0, 0]])[:, -1]), tf.zeros([tf.shape(hits)[0], 1])

    def evaluate_windows(self, combinations):
        last = tf.reduce_sum(hits_of_combinations(combinations[:, -1]), axis=-1)
        return super().evaluate_windows(combinations) | {"hits_of_last_step": last}
