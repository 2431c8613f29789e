"""Aggressive decoding: for editing the input is the draft; elsewhere a model drafts whole blocks.

    anyorder reproduce aggressive-decoding

Input-guided, a language model edits texts. Generalised, a translator of 6-6 layers is checked
against; its drafter has 6-1 layers, begins as a translator that writes left to right, and learns
1200 steps from what the large one writes. So does the drafter that stays one. The paper's drafter
is as large as its target, and its blocks have 25 masks; sentences here have 21 tokens in the mean.
"""

from dataclasses import replace
from typing import Final

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_models.block_draft import BlockDraft
from anyorder.decode.draft_verify.from_text.aggressive import AggressiveDecoding
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.objectives.block_draft import BlockDrafting
from anyorder.systems.claims import AtLeast, Claim, Less, More
from anyorder.systems.experiments.decoders import Drafted, DraftedInBlocks
from anyorder.systems.experiments.lessons import BASELINE, DEEP, SelfTaught
from anyorder.systems.experiments.prompted import Prompted
from anyorder.systems.experiments.school import TUNING, Way, read
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

DRAFTER: Final = Way(
    "block-draft", begins_with=BASELINE, recipe=TUNING, lessons=SelfTaught(model=DEEP)
)
SERIAL: Final = replace(DRAFTER, paradigm="deep-shallow")

SYSTEM = System(
    number=57,
    slug="aggressive-decoding",
    family="draft",
    paper="Ge et al. 2022, arXiv:2205.10350",
    mechanism=(
        "An edited text mostly repeats its input, so the input is the draft: many cells of it are "
        "copied and checked in one call. "
        "Where the output leaves the input, the model's own token is taken, and the place in the "
        "input is found again by matching the last tokens. Elsewhere another model fills a block "
        "of masks in one call, and the model checks it: strictly, or so that a guess near the "
        "likeliest token will do."
    ),
    parts=(AggressiveDecoding, BlockDraft, BlockDrafting, Lenient),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    experiments=(
        Prompted(
            kinds=("edit",),
            decoders={"aggressive-decoding": AggressiveDecoding(), "prompt-copy": PromptCopy()},
            max_new_tokens=128,
        ),
        Trained(
            Translate("de"),
            {
                "generalised": read(DEEP, DraftedInBlocks(DRAFTER)),
                "relaxed, top 3": read(DEEP, DraftedInBlocks(DRAFTER, top=3, gap=1.0)),
                "relaxed, top 5": read(DEEP, DraftedInBlocks(DRAFTER, top=5, gap=3.0)),
                "blocks of four": read(DEEP, DraftedInBlocks(DRAFTER, width=4)),
                "two guesses left to right": read(DEEP, Drafted(SERIAL, width=2)),
                "four guesses left to right": read(DEEP, Drafted(SERIAL, width=4)),
                "translator, left to right": read(DEEP, "left-to-right"),
            },
            test=600,
            timed=128,
            guesses=True,
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
        Claim(
            "A drafter of blocks: at most half of the calls of the translator alone.",
            Less("calls", than="translator, left to right", times=0.5, of="generalised"),
        ),
        Claim(
            "It is at least 3 times as quick as the translator alone.",
            Less("latency_ms", than="translator, left to right", times=1 / 3, of="generalised"),
        ),
        Claim(
            "It is quicker than a drafter that writes two guesses left to right.",
            Less("latency_ms", than="two guesses left to right", of="generalised"),
        ),
        Claim(
            "It is quicker than one that writes four.",
            Less("latency_ms", than="four guesses left to right", of="generalised"),
        ),
        Claim(
            "Relaxed, its guesses reach further.",
            More("acceptance_length", than="generalised", of="relaxed, top 3"),
        ),
        Claim(
            "Relaxed, it keeps 95 % of the BLEU.",
            More("bleu", than="generalised", times=0.95, of="relaxed, top 3"),
        ),
    ),
    own_laws=(
        "tests/systems/test_aggressive_decoding.py::test_a_copied_text_takes_few_calls",
        "tests/decode/test_block_draft.py::test_a_round_is_one_call_of_the_draft_model",
        "tests/decode/test_block_draft.py::test_its_guesses_are_those_of_a_plain_loop",
        "tests/objectives/test_block_draft.py::test_the_loss_is_that_of_what_a_drafter_reads",
    ),
    minutes=45,
)
