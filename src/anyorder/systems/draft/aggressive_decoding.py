"""Aggressive decoding, its input-guided half: for editing, the input is the draft.

    anyorder reproduce aggressive-decoding

The paper's other half, a drafter of whole blocks, is `BlockDraft`; it is not measured yet.
"""

from anyorder.decode.draft_verify.aggressive import AggressiveDecoding
from anyorder.decode.draft_verify.prompt_copy import PromptCopy
from anyorder.systems.claims import AtLeast, Claim, Less, More
from anyorder.systems.experiments.prompted import Prompted
from anyorder.systems.system import System

SYSTEM = System(
    number=57,
    slug="aggressive-decoding",
    family="draft",
    paper="Ge et al. 2022, arXiv:2205.10350",
    mechanism=(
        "An edited text mostly repeats its input, so the input is the draft: many cells of it are "
        "copied and checked in one call. "
        "Where the output leaves the input, the model's own token is taken, and the place in the "
        "input is found again by matching the last tokens."
    ),
    parts=(AggressiveDecoding,),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    experiments=(
        Prompted(
            kinds=("edit",),
            decoders={"aggressive-decoding": AggressiveDecoding(), "prompt-copy": PromptCopy()},
            max_new_tokens=128,
        ),
    ),
    claims=(
        Claim("The text is that of greedy decoding.", AtLeast("same_text", 1.0)),
        Claim(
            "Editing a text takes many times fewer calls than left to right (at least 3 times).",
            Less("calls", than="left-to-right", times=1 / 3),
        ),
        Claim(
            "It is at least 7 times as fast as left to right.",
            More("tokens_per_s", than="left-to-right", times=7.0),
        ),
    ),
    own_laws=("tests/systems/test_aggressive_decoding.py::test_a_copied_text_takes_few_calls",),
    minutes=8,
)
