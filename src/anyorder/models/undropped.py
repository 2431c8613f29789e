"""A network that drops nothing out for a while, whatever its mode is.

    with undropped(net), torch.no_grad():
        features_BNC = net.features(source_BS, source_B, read_BN)

What a model gives to parts of it that learn alone is computed so.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def undropped(net: nn.Module) -> Iterator[None]:
    """In evaluation mode; afterwards, an error or not, in the mode that it was in."""
    training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(training)
