"""How sure a cell must be to leave early: no more layers than allowed, and no fewer than needed."""

import math

import pytest
import torch

from anyorder.decode.one_shot.early_exit import EarlyExit
from anyorder.measure.translation import translate
from anyorder.models.kinds import Net
from anyorder.models.parallel.one_shot import CTCTransformer
from anyorder.models.translator import Translator
from anyorder.train.early_exit import layers_per_cell, learn_exit
from anyorder.units.training import letters
from tests.train.made import length_based, parallel

SOURCES = ["ab", "c", "fedcba", "bb", ""]


def translator(net: Net) -> Translator:
    units = letters(["abcdef"])
    return Translator(net.eval(), units, units, "made")


def deep() -> Translator:
    made = translator(length_based(decoder_layers=4))
    with torch.no_grad():
        made.net.target.table.weight.mul_(6)  # so that layers differ in what they are sure of
    return made


def test_layers_fall_as_less_is_asked_for() -> None:
    made = deep()
    found = [layers_per_cell(made, SOURCES, entropy=at) for at in (0.0, 0.5, 1.0, 1.5, 99.0)]
    assert found == sorted(found, reverse=True)
    assert (found[0], found[-1]) == (4.0, 1.0)
    apart = [layers_per_cell(made, SOURCES, entropy=1.0, batch=batch) for batch in (1, 2, 64)]
    assert apart[0] == apart[1] == apart[2]


@pytest.mark.parametrize("layers", [1.0, 2.0, 3.0])
def test_it_is_the_lowest_entropy_that_keeps_within(layers: float) -> None:
    made = deep()
    entropy = learn_exit(made, SOURCES, layers=layers, tries=14)
    assert layers_per_cell(made, SOURCES, entropy=entropy) <= layers
    assert layers_per_cell(made, SOURCES, entropy=entropy - 0.001) > layers


def test_as_many_layers_as_there_are_need_no_exit() -> None:
    assert learn_exit(deep(), SOURCES, layers=4.0) == 0.0
    made = deep()
    texts = [translate(made, SOURCES, decoder=EarlyExit(entropy=0.0), max_new_tokens=9)]
    texts.append(translate(made, SOURCES, decoder="parallel", max_new_tokens=9))
    assert texts[0] == texts[1]
    early = translate(made, SOURCES, decoder=EarlyExit(entropy=math.inf), max_new_tokens=9)
    assert early != texts[0]


def test_what_can_not_be() -> None:
    with pytest.raises(ValueError, match=r"1 layer or more, not 0\.5"):
        learn_exit(deep(), SOURCES, layers=0.5)
    with pytest.raises(ValueError, match="the cells of a 'ctc' model can't leave early"):
        layers_per_cell(translator(parallel(CTCTransformer)), SOURCES, entropy=1.0)
    with pytest.raises(ValueError, match="can read none"):
        layers_per_cell(deep(), [""], entropy=1.0)
    with pytest.raises(ValueError, match="0 or more"):
        EarlyExit(entropy=-1.0)
    with pytest.raises(ValueError, match="one length at least"):
        EarlyExit(candidates=0)
