"""The Frobenius norm of a convolution's Jacobian, the other side of the Toeplitz identity.

The convolution is linear: its Jacobian has the images of the basis images as columns. They are sent through the
network's own convolution, in double precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import numpy as np
from jaxtyping import Float

from ...models.plain_cnn import Architecture, PlainCNN, patches

_patches = partial(jax.jit, static_argnums=(1, 2, 3))(patches)


def jacobian_norms(
    params: Sequence[PlainCNN], architecture: Architecture, side: int
) -> Float[np.ndarray, "nets depth"]:
    """|J|_F of every convolution of these networks, on images of `side` pixels."""
    found = []
    with jax.enable_x64(True):
        for layer, at in enumerate(architecture.sides(side)[:-1]):
            weights = [np.asarray(net.kernels[layer], float) for net in params]
            channels = weights[0].shape[0] // architecture.kernel**2
            basis = np.eye(at * at * channels).reshape(-1, at, at, channels)
            # All networks see the same patches, (basis image, row, column, tap and channel).
            seen = np.asarray(_patches(basis, architecture.kernel, architecture.stride, architecture.padding))
            found.append([float(np.linalg.norm(seen @ weight)) for weight in weights])
    return np.array(found).T
