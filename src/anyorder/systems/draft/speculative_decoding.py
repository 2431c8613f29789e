"""Speculative decoding: a cheap model drafts, the target checks all guesses in one call.

    anyorder reproduce speculative-decoding

The draft here is one that every user has at hand: the same weights in int8.
"""

from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.systems.claims import AtLeast, AtMost, Claim, More
from anyorder.systems.experiments.speculation import Forecast, IidTables
from anyorder.systems.system import System

SYSTEM = System(
    number=66,
    slug="speculative-decoding",
    family="draft",
    paper="Leviathan, Kalman and Matias 2023, arXiv:2211.17192",
    mechanism=(
        "A draft model writes a few tokens one by one; the target scores all of them in one call. "
        "Each guess is kept with probability min(1, p/q), and the first that is refused is drawn "
        "again from what p has more than q, so that the distribution is the target's own. "
        "How many tokens to draft follows from the acceptance rate and the cost of the draft."
    ),
    parts=(Speculative,),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/systems/test_speculation.py::test_iid_tables_give_equation_1",
        "tests/systems/test_speculation.py::test_the_best_width_is_the_best_of_all",
    ),
    experiments=(
        IidTables(widths=(2, 4, 8)),
        Forecast(kinds=("story", "question", "summary", "code", "translation")),
    ),
    claims=(
        Claim("The text is that of greedy decoding.", AtLeast("same_text", 1.0)),
        Claim(
            "Where acceptance is independent, a call writes (1 - a^(g+1)) / (1 - a) tokens "
            "(measured within 5 %).",
            AtMost("error", 0.05, of="i.i.d. tables"),
        ),
        Claim("It is faster than left to right.", More("tokens_per_s", than="left-to-right")),
        Claim(
            "It is at least twice as fast as left to right.",
            More("tokens_per_s", than="left-to-right", times=2.0),
        ),
        Claim(
            "The walltime formula predicts the speed-up within 20 %.",
            AtMost("prediction_error", 0.2),
        ),
        Claim(
            "A width that follows each text is as quick as the best one known beforehand (95 %).",
            More("tokens_per_s", than="speculative-decoding", of="width as it goes", times=0.95),
        ),
    ),
    minutes=10,
)
