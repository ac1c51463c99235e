"""Drumline: folders of MIDI in, served drum generators out.

The folders at the top of the repository are the subpackages: `drumline.pipeline` is `pipeline/`, and so on. In a
checkout they are found beside this folder; an installed wheel holds them inside it. They have no `__init__.py`, so that
in a checkout none of them hides another package of its name, such as Kubeflow's SDK (`kubeflow`).
"""

import os
import warnings
from pathlib import Path

__version__ = "0.2.0"

_CHECKOUT = Path(__file__).resolve().parent.parent
if (_CHECKOUT / "pyproject.toml").is_file():
    __path__.append(str(_CHECKOUT))

# TensorFlow Probability 0.25 uses tf_keras, the networks use Keras 3. TFX would set the first too late, after it has
# imported TensorFlow; so `drumline` is imported before either.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# note_seq imports pydub, which warns that ffmpeg is missing; nothing here uses it.
warnings.filterwarnings("ignore", category=RuntimeWarning, module="pydub.utils")
