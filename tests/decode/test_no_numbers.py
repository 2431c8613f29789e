"""A model whose logits are no numbers at some token: one sentence, whatever the decoder."""

from typing import Any

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.from_models.draft_tree import OptTree
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.from_text.jacobi import Jacobi
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.left_to_right.beam import Beam
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.models.tables.language_model import TableLM

V = 6
DRAFT = TableLM.random(seed=4, vocab_size=V)
CANVAS = Canvas.of_prompts([[1, 2, 0], [5, 0]], new_cells=[9, 9])  # 1 2 0 1 2 ... and 5 0 1 2 ...
DECODERS: tuple[Any, ...] = (
    LeftToRight(),
    PromptCopy(ngram=1),
    Jacobi(block=4),
    Speculative(DRAFT, width=3),
    Speculative(DRAFT, width=2, drafts=2),
    OptTree(DRAFT, size=5),
    Lenient(PromptCopy(ngram=1), top=2),
)


def dumb_after(token: int, says: float, odd: int | None) -> TableLM:
    """It counts up from each token; after `token` it says nothing: of one token, or of all."""
    logits_HV = torch.full((V, V), -60.0)
    logits_HV[range(V), [(at + 1) % V for at in range(V)]] = 0.0
    logits_HV[token, slice(None) if odd is None else odd] = says
    return TableLM(logits_HV)


@pytest.mark.parametrize(
    ("says", "odd"),
    [(torch.nan, None), (torch.nan, 4), (torch.inf, None), (torch.inf, 2), (-torch.inf, None)],
)
@pytest.mark.parametrize(
    ("decoder", "temperature"),
    [*((decoder, t) for decoder in DECODERS for t in (0.0, 1.0)), (Beam(width=2), 0.0)],
)
def test_it_is_told_where(says: float, odd: int | None, decoder: Any, temperature: float) -> None:
    """Also where the token that comes of it would have ended the text."""
    model = dumb_after(2, says, odd)
    sampler = Sampler(Sampling(temperature=temperature), Coins.of_seeds([0, 1], cells=12))
    for stops in (Stops(), Stops(eos_ids=(4,)), Stops(eos_ids=(0,))):
        with pytest.raises(ValueError, match=r"^the model's logits are no numbers at token 3 of t"):
            run(decoder, model, CANVAS, sampler, stops)


def test_of_several_texts_it_is_told_which() -> None:
    sampler = Sampler(Sampling(), Coins.of_seeds([0, 1], cells=12))
    model = dumb_after(5, torch.nan, 3)
    with pytest.raises(ValueError, match="at token 1 of text 2 "):
        run(LeftToRight(), model, Canvas.of_prompts([[0], [5]], new_cells=[4, 4]), sampler)
    with pytest.raises(ValueError, match="at token 1 of the text "):
        run(LeftToRight(), model, Canvas.of_prompts([[5]], new_cells=[4]), sampler)
    ended = Stops(eos_ids=(3,))  # a text that has ended may have any logits
    run(LeftToRight(), model, Canvas.of_prompts([[0], [1]], new_cells=[4, 4]), sampler, ended)
