"""A head with one hidden layer, taught by gradient descent.

torch is imported inside; what the layers say is `head.Head.logits`, in numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

HIDDEN, EPOCHS, BATCH = 256, 60, 256
LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 2e-3, 1e-2, 0.3
"""AdamW's, with a cosine down to nought; the decay and the dropout keep a few hundred pictures from being learned by heart."""


def fit_layered(
    vectors: np.ndarray, of: np.ndarray, k: int, weights: np.ndarray, seed: int, hidden: int = HIDDEN, epochs: int = EPOCHS
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of the head and what it was taught with; the same for the same seed on the CPU."""
    import torch

    mean = np.average(vectors, axis=0, weights=weights)
    spread = float(np.sqrt(np.mean((vectors - mean) ** 2))) or 1.0
    random = torch.Generator().manual_seed(seed)
    inputs = torch.from_numpy(((vectors - mean) / spread).astype(np.float32))  # numbers about 1
    labels, counts = torch.from_numpy(of.astype(np.int64)), torch.from_numpy(weights.astype(np.float32))
    layers = _layers(inputs.shape[1], hidden, k, random)
    optimiser = torch.optim.AdamW(layers, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(epochs, 1))
    for _ in range(epochs):
        for rows in torch.randperm(len(labels), generator=random).split(BATCH):
            kept = torch.rand((len(rows), hidden), generator=random) >= DROPOUT
            inner = torch.relu(inputs[rows] @ layers[0].T + layers[1]) * kept / (1 - DROPOUT)  # (b, hidden)
            losses = torch.nn.functional.cross_entropy(inner @ layers[2].T + layers[3], labels[rows], reduction="none")
            optimiser.zero_grad()
            (losses * counts[rows]).mean().backward()
            optimiser.step()
        schedule.step()
    first, first_bias, last, last_bias = (layer.detach().numpy() for layer in layers)
    arrays = {"mean": mean, "hidden_weight": first / spread, "hidden_bias": first_bias, "weight": last, "bias": last_bias}
    return arrays, {"hidden": hidden, "epochs": epochs}


def _layers(d: int, hidden: int, k: int, random: Any) -> list[Any]:
    """Weights as He et al. (ICCV 2015) begin with, biases nought."""
    import torch

    first = torch.randn((hidden, d), generator=random) * (2 / d) ** 0.5
    last = torch.randn((k, hidden), generator=random) * (1 / hidden) ** 0.5
    return [layer.requires_grad_() for layer in (first, torch.zeros(hidden), last, torch.zeros(k))]
