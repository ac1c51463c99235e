"""Inputs that several signatures have."""

import tensorflow as tf

TEMPERATURE = tf.TensorSpec([None], tf.float32, "temperature")
SEED = tf.TensorSpec([None, 2], tf.int64, "seed")
