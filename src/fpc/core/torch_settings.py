"""Settings of torch for every process that runs networks."""

from __future__ import annotations

import numpy as np
import torch


def configure_torch() -> None:
    """For a process that trains or plays alone: one thread, and no denormals.

    Adam's moments become denormal, which is 1.6 times slower.
    """
    np.finfo(np.float32), np.finfo(np.float64)  # cached before flushing: numpy warns if it finds no denormals
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    configure_gpu()


def configure_gpu() -> None:
    """Compute in full float32 on a GPU, in training and in acting alike.

    By default cuDNN's LSTM and convolutions round to TensorFloat-32, and matrix products do not. A learner
    runs the LSTM by cuDNN, acting runs it as matrix products: PPO's ratio would not be 1 at equal weights.
    """
    torch.backends.cudnn.allow_tf32 = (
        False  # the older name of the next setting: reading it raises if they differ
    )
    torch.backends.cudnn.fp32_precision = "ieee"
    torch.backends.cuda.matmul.fp32_precision = "ieee"
