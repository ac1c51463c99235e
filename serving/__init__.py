"""Clients of the pushed models, and a server of TensorFlow Serving's API for one machine."""
