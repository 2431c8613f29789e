"""Token recycling: what the model nearly said after a token is the draft for its next time.

    anyorder reproduce token-recycling

Every prompt begins with an empty matrix here; the paper hands it on from query to query.
"""

from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.from_text.token_recycling import TokenRecycling
from anyorder.systems.claims import AtLeast, AtMost, Claim, Less, More
from anyorder.systems.experiments.memory import Memory
from anyorder.systems.experiments.prompted import Prompted
from anyorder.systems.experiments.ranks import Ranks
from anyorder.systems.prompts import kinds
from anyorder.systems.system import System

SYSTEM = System(
    number=174,
    slug="token-recycling",
    family="draft",
    paper="Luo et al. 2024, arXiv:2408.08696",
    mechanism=(
        "A matrix keeps, for each token, the tokens that the model last held likeliest after it. "
        "A draft tree of fixed shape is filled from it level by level and checked in one call. "
        "All that the model says of any cell, right or wrong, renews the matrix."
    ),
    parts=(TokenRecycling,),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=("tests/systems/test_memory.py::test_the_matrix_is_as_large_as_it_says",),
    experiments=(
        Prompted(
            kinds=("story", "question", "translation"),
            decoders={
                "token-recycling": TokenRecycling(),
                "eight cells": TokenRecycling(size=8),
                "four cells": TokenRecycling(size=4),
                "prompt-copy": PromptCopy(),
            },
            by_kind=True,
        ),
        Ranks(row="token-recycling", kinds=tuple(kinds())),
        Memory({"token-recycling": TokenRecycling()}),
    ),
    claims=(
        Claim("The text is that of greedy decoding.", AtLeast("same_text", 1.0)),
        Claim(
            "On open text it needs fewer calls than copying from the text so far.",
            Less("calls", than="prompt-copy"),
        ),
        Claim(
            "On open text it is faster than copying from the text so far.",
            More("tokens_per_s", than="prompt-copy"),
        ),
        Claim(
            "It is about twice as fast as left to right.",
            More("tokens_per_s", than="left-to-right", times=2.0),
        ),
        Claim("It stores less than 2 MB.", AtMost("memory_mb", 2.0)),
    ),
    minutes=10,
)
