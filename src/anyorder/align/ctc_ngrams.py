"""How often an n-gram stands in the text that a CTC lattice spells, on average over all paths.

    often_BP = expected_ngrams(lattice, grams_BPG)     # chosen n-grams, of any n
    often_BV = expected_unigrams(lattice)              # every token
    length_B = expected_length(lattice)

The cells are independent, so that these sums over all paths are exact and cheap; the objective of
non-monotonic latent alignments is made of them.
Source: Shao & Feng 2022 (arXiv:2210.03953), section 3; there n-grams of merged text end at n = 2,
here an automaton of 2 n states reads the cells and there is no such limit.
Shapes: B rows, M cells, V vocabulary, P n-grams of G tokens, H = G - 1.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.align.lattice import CTCLattice


def expected_ngrams(lattice: CTCLattice, grams_BPG: Int[Tensor, "B P G"]) -> Float[Tensor, "B P"]:
    """E[how often each n-gram stands in the spelled text], over all paths.

    After each cell, for each token g of the n-gram: `run` is the expected number of times that its
    first g tokens were just read and the last of them is still going on, `wait` that blanks
    followed. An n-gram that holds the blank is read 0 times: fill what is padding with it.

    >>> half_BMV = torch.full((1, 2, 2), 0.5).log()                 # two cells: blank or token 1
    >>> lattice = CTCLattice(half_BMV, torch.tensor([2]), blank=0)
    >>> expected_ngrams(lattice, torch.tensor([[[1]]])).tolist()    # 1-, -1 and 11 of four
    [[0.75]]
    """
    B, M, _ = lattice.logp_BMV.shape
    _, P, G = grams_BPG.shape
    ids_B1C = F.pad(grams_BPG.flatten(1), (1, 0), value=lattice.blank)[:, None]
    logp_BMC = lattice.logp_BMV.gather(2, ids_B1C.expand(-1, M, -1))
    p_BMC = logp_BMC.where(lattice.real_BM[..., None], -torch.inf).exp()
    blanks = p_BMC[..., :1, None].unbind(1)
    cells = p_BMC[..., 1:].unflatten(2, (P, G)).unbind(1)
    # Where two tokens are equal a blank must part them: without one it is a single token.
    parted_BPH = grams_BPG[..., 1:] != grams_BPG[..., :-1]
    run_BPH = torch.zeros_like(cells[0][..., 1:])
    wait_BPH, often_BP = run_BPH, torch.zeros_like(cells[0][..., 0])
    before_BP1 = torch.zeros_like(cells[0][..., :1])
    for p_BPG, blank_B11 in zip(cells, blanks, strict=True):
        # The first token begins wherever the cell before does not hold it already.
        ready_BPG = torch.cat([1 - before_BP1, wait_BPH + run_BPH * parted_BPH], -1)
        read_BPG = p_BPG * ready_BPG
        often_BP = often_BP + read_BPG[..., -1]
        wait_BPH = blank_B11 * (wait_BPH + run_BPH)
        run_BPH = read_BPG[..., :-1] + p_BPG[..., :-1] * run_BPH
        before_BP1 = p_BPG[..., :1]
    return often_BP.where((grams_BPG != lattice.blank).all(-1), 0.0)


def expected_unigrams(lattice: CTCLattice) -> Float[Tensor, "B V"]:
    """E[how often each token stands in the spelled text]; 0 for the blank.

    sum over m of p_m(v) (1 - p_(m-1)(v)): it begins where the cell before does not hold it.
    Source: Shao & Feng 2022 (arXiv:2210.03953), section 3.1.

    >>> half_BMV = torch.full((1, 2, 2), 0.5).log()
    >>> expected_unigrams(CTCLattice(half_BMV, torch.tensor([2]), blank=0)).tolist()
    [[0.0, 0.75]]
    """
    p_BMV = lattice.logp_BMV.where(lattice.real_BM[..., None], -torch.inf).exp()
    often_BV = p_BMV.sum(1) - (p_BMV[:, 1:] * p_BMV[:, :-1]).sum(1)
    token_V = torch.arange(often_BV.shape[1], device=often_BV.device)
    return often_BV.where(token_V != lattice.blank, 0.0)


def expected_length(lattice: CTCLattice) -> Float[Tensor, " B"]:
    """E[number of tokens in the spelled text].

    >>> half_BMV = torch.full((1, 2, 2), 0.5).log()
    >>> expected_length(CTCLattice(half_BMV, torch.tensor([2]), blank=0)).tolist()
    [0.75]
    """
    return expected_unigrams(lattice).sum(-1)
