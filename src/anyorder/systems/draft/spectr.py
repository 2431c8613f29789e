"""SpecTr: several drafts at once, and the rule that keeps as many of their tokens as it can.

anyorder reproduce spectr
"""

from functools import partial

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.systems.claims import Claim, More
from anyorder.systems.experiments.lessons import EARLY, MIDDLE
from anyorder.systems.experiments.pairs import DraftPair
from anyorder.systems.experiments.speculation import SeveralDrafts
from anyorder.systems.system import System

SYSTEM = System(
    number=41,
    slug="spectr",
    family="draft",
    paper="Sun et al. 2023, arXiv:2310.15141",
    mechanism=(
        "The draft model draws several texts, and the target reads them all in one call, those "
        "that begin alike once. Of the guesses for a token each in turn is kept with probability "
        "min(1, p / (rho q)), where rho is as small as the distribution of the target allows; this "
        "keeps at least 63 % of what the best plan of transport would keep."
    ),
    parts=(Speculative,),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/decode/test_selection.py::test_the_token_that_is_written_is_drawn_from_the_target",
        "tests/decode/test_selection.py::test_it_keeps_at_least_as_many_as_the_paper_promises",
        "tests/decode/test_selection.py::test_one_guess_is_speculative_sampling",
    ),
    experiments=(
        SeveralDrafts(drafts=(1, 2, 4, 8)),
        DraftPair(
            task=Translate("de"),
            target=MIDDLE,
            draft=EARLY,
            decoders={
                "speculative-decoding": partial(Speculative, width=4),
                "spectr, 2 drafts": partial(Speculative, width=4, drafts=2),
                "spectr": partial(Speculative, width=4, drafts=4),
                "spectr, 8 drafts": partial(Speculative, width=4, drafts=8),
            },
        ),
    ),
    claims=(
        Claim(
            "Four drafts write more tokens a call than one of the same length: a translator, "
            "drafted for by itself after half its training.",
            More("tokens_per_call", than="speculative-decoding"),
        ),
        Claim(
            "And so they do where acceptance is independent.",
            More("tokens_per_call", than="i.i.d. tables, 1 at once", of="i.i.d. tables, 4 at once"),
        ),
        Claim(
            "Eight write more than four.",
            More("tokens_per_call", than="spectr", of="spectr, 8 drafts"),
        ),
    ),
    minutes=75,
)
