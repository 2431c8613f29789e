"""Jacobi decoding: a block of guesses is corrected all at once until it stands still.

    anyorder reproduce jacobi-decoding

The paper measures encoder-decoder models on translation. So does this, with a deep encoder and a
shallow decoder that we train; and a causal language model, on translation and on open text.
"""

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_text.jacobi import Jacobi
from anyorder.systems.claims import AtLeast, Claim, Less, More
from anyorder.systems.experiments.lessons import BASELINE
from anyorder.systems.experiments.prompted import Prompted
from anyorder.systems.experiments.school import read
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

SYSTEM = System(
    number=101,
    slug="jacobi-decoding",
    family="draft",
    paper="Santilli et al. 2023, arXiv:2305.10427",
    mechanism=(
        "Greedy decoding is a system of equations, one for each cell, and is solved by fixed-point "
        "iteration: a call corrects every guess, given the guesses before it. "
        "Plain Jacobi iterates over the whole text, Gauss-Seidel over block after block, and the "
        "hybrid form goes on left to right after a number of cells."
    ),
    parts=(Jacobi,),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=("tests/systems/test_jacobi_decoding.py::test_all_three_forms_reach_the_fixed_point",),
    experiments=(
        Prompted(
            kinds=("translation", "story"),
            decoders={
                "jacobi-decoding": Jacobi(block=8),
                "plain Jacobi": Jacobi(block=64),
                "hybrid": Jacobi(block=8, horizon=32),
            },
            max_new_tokens=64,
            by_kind=True,
        ),
        Trained(
            Translate("de"),
            {
                "sentences": read(BASELINE, "jacobi:block=4"),
                "sentences, plain Jacobi": read(BASELINE, "jacobi:block=64"),
                "sentences, left to right": read(BASELINE, "left-to-right"),
            },
            timed=64,
        ),
    ),
    claims=(
        Claim("Block by block, the text is that of greedy decoding.", AtLeast("same_text", 1.0)),
        Claim(
            "Plain, the text is that of greedy decoding.",
            AtLeast("same_text", 1.0, of="plain Jacobi"),
        ),
        Claim(
            "Hybrid, the text is that of greedy decoding.", AtLeast("same_text", 1.0, of="hybrid")
        ),
        Claim("Block by block, it needs fewer calls.", Less("calls", than="left-to-right")),
        Claim(
            "Plain, it needs fewer calls.", Less("calls", than="left-to-right", of="plain Jacobi")
        ),
        Claim("Hybrid, it needs fewer calls.", Less("calls", than="left-to-right", of="hybrid")),
        Claim(
            "Block by block, it is faster than left to right.",
            More("tokens_per_s", than="left-to-right"),
        ),
        Claim(
            "An encoder-decoder that translates needs fewer calls, too.",
            Less("calls", than="sentences, left to right", of="sentences"),
        ),
        Claim(
            "Plain, it needs fewer still.",
            Less("calls", than="sentences", of="sentences, plain Jacobi"),
        ),
        Claim(
            "It translates a sentence in less time than left to right.",
            Less("latency_ms", than="sentences, left to right", of="sentences"),
        ),
    ),
    minutes=25,
)
