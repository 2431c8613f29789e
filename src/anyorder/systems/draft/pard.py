"""PARD: a draft model learns to guess all its tokens in one call, and serves a family of targets.

    anyorder reproduce pard

The targets, of 6-6 and of 3-3 layers, and the draft model, of 6-1, are translators of the same
units. All of them run in the same engine, and the draft model reads the source with an encoder of
its own. It learns from real targets, not from what one of the models writes: it is to serve both.
It begins with the draft model that writes left to right, and learns 1200 steps more.
As in the authors' code, places of far guesses are dropped and those that are left weigh no more
for it; `pard-even` divides by the share that is left, which keeps the gradient's expectation.

What was found: the first guess, which the old cells make, is as often right as before; of the
second, which a mask makes, a quarter is right where the first was, and of the same model's second
one left to right more than half. So four guesses in one call reach less far than two in two, and
take as long.
"""

from typing import Final

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_models.parallel_draft import ParallelDraft
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.objectives.masked_ahead import MaskedAhead
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.cells_read import CellsRead
from anyorder.systems.experiments.decoders import Drafted, DraftedAtOnce
from anyorder.systems.experiments.lessons import BASELINE, DEEP
from anyorder.systems.experiments.school import SERIAL, TUNING, Way, read
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

PARD: Final = Way("pard", begins_with=BASELINE, recipe=TUNING)
WHOLE: Final = Way("pard-whole", begins_with=BASELINE, recipe=TUNING)
SMALLER: Final = Way("autoregressive", recipe=SERIAL)


SYSTEM = System(
    number=160,
    slug="pard",
    family="draft",
    paper="An et al. 2025, arXiv:2504.18583",
    mechanism=(
        "A draft model that writes left to right learns on until it says several tokens in one "
        "call: behind the text it reads mask tokens, and each says the token that follows it. "
        "While it learns, the further ahead a token is the fewer places it is learnt from, so "
        "that most cells are never read; what a kept cell must see is kept, too. The draft model "
        "knows nothing of its target, so that one serves all targets of its vocabulary."
    ),
    parts=(ParallelDraft, Speculative, MaskedAhead),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/decode/test_parallel_draft.py::test_a_round_is_one_call_of_the_draft_model",
        "tests/decode/test_parallel_draft.py::test_one_draft_model_serves_a_family",
        "tests/objectives/test_masked_ahead.py::test_a_cell_says_what_it_says_in_a_draft",
        "tests/objectives/test_masked_ahead.py::test_what_dropping_does_to_the_gradient",
    ),
    experiments=(
        Trained(
            Translate("de"),
            {
                "pard": read(DEEP, DraftedAtOnce(PARD, width=4)),
                "seven guesses": read(DEEP, DraftedAtOnce(PARD, width=7)),
                "left to right": read(DEEP, "left-to-right"),
                "draft left to right, two guesses": read(DEEP, Drafted(BASELINE, width=2)),
                "draft left to right, four guesses": read(DEEP, Drafted(BASELINE, width=4)),
                "its draft, left to right": read(DEEP, Drafted(PARD, width=4)),
                "3-3": read(SMALLER, DraftedAtOnce(PARD, width=4)),
                "3-3, seven guesses": read(SMALLER, DraftedAtOnce(PARD, width=7)),
                "3-3, left to right": read(SMALLER, "left-to-right"),
                "3-3, draft left to right, two guesses": read(SMALLER, Drafted(BASELINE, width=2)),
                "3-3, draft left to right, four guesses": read(SMALLER, Drafted(BASELINE, width=4)),
            },
            test=600,
            timed=128,
            guesses=True,
        ),
        CellsRead(Translate("de"), {"pard": PARD, "nothing dropped": WHOLE}),
    ),
    claims=(
        Claim("It is quicker than the target alone.", Less("latency_ms", than="left to right")),
        Claim(
            "It is quicker than a draft model that writes two guesses left to right.",
            Less("latency_ms", than="draft left to right, two guesses"),
        ),
        Claim(
            "It is quicker than one that writes four.",
            Less("latency_ms", than="draft left to right, four guesses"),
        ),
        Claim(
            "It is quicker than the same draft model that writes its guesses left to right.",
            Less("latency_ms", than="its draft, left to right"),
        ),
        Claim(
            "The same draft model is quicker than another target alone, too.",
            Less("latency_ms", than="3-3, left to right", of="3-3"),
        ),
        Claim(
            "There it is quicker than a draft model that writes two guesses left to right.",
            Less("latency_ms", than="3-3, draft left to right, two guesses", of="3-3"),
        ),
        Claim(
            "It needs at most half of the calls of the target alone.",
            Less("calls", than="left to right", times=0.5),
        ),
        Claim(
            "Four guesses in one call reach nine tenths as far as the same model's one by one.",
            More("acceptance_length", than="its draft, left to right", times=0.9),
        ),
        Claim(
            "Seven guesses take fewer calls than four.",
            Less("calls", than="pard", of="seven guesses"),
        ),
        Claim(
            "With dropping, a training reads at most half of the cells.",
            Less("training_cells", than="nothing dropped", times=0.5),
        ),
    ),
    minutes=90,
)
