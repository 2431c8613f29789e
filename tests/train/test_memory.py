import resource
import sys

import pytest
import torch

from anyorder.train.memory import kept

MIB = 2**20
PAGES = 288 * MIB // resource.getpagesize()

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone")


def faults_of_a_step() -> int:
    """Pages that the system had to fill while 288 MiB were taken, written, and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [torch.ones(12 * MIB // 4) for _ in range(24)]
    del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_a_step_finds_the_memory_of_the_last_one() -> None:
    with kept():
        faults_of_a_step()
        assert faults_of_a_step() < PAGES // 4


def test_afterwards_memory_is_given_back() -> None:
    with kept():
        faults_of_a_step()
    faults_of_a_step()
    assert faults_of_a_step() > PAGES // 2
