"""CTC beams with an ear for fluency: a language model and the number of blanks have a say.

anyorder reproduce ctc-beam-fluency
"""

from anyorder.data.pronounce import Pronounce
from anyorder.decode.one_shot.ctc_fluency import CTCFluency
from anyorder.models.ngram_lm import NGramModel
from anyorder.systems.claims import Claim, Less
from anyorder.systems.experiments.decoders import Fluent
from anyorder.systems.experiments.lessons import BASELINE
from anyorder.systems.experiments.school import Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

SYSTEM = System(
    number=24,
    slug="ctc-beam-fluency",
    family="nat",
    paper="Kasner, Libovický and Helcl 2020, arXiv:2004.03227",
    mechanism=(
        "The cells of a CTC model are independent, so their likeliest tokens may not go together. "
        "A beam over prefixes adds the score of an n-gram model of targets, and features for too "
        "many blanks. The weights are tuned on held-out pairs by a structured perceptron."
    ),
    parts=(CTCFluency, NGramModel),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=("tests/align/test_ctc_fluency.py::test_without_weights_it_is_the_plain_beam",),
    experiments=(
        Trained(
            Pronounce(),
            {
                "ctc-beam-fluency": Way("ctc", Fluent(width=8)),
                "ctc-nat, beam": Way("ctc", "ctc-beam:width=8"),
                "ctc-nat": Way("ctc"),
                "deep-shallow": BASELINE,
            },
        ),
    ),
    claims=(
        Claim(
            "It makes fewer errors than the likeliest tokens.",
            Less("phoneme_error_rate", than="ctc-nat"),
        ),
        Claim(
            "It makes fewer errors than the plain beam.",
            Less("phoneme_error_rate", than="ctc-nat, beam"),
        ),
        Claim(
            "It is still quicker than a cached autoregressive model.",
            Less("latency_ms", than="deep-shallow"),
        ),
    ),
    minutes=45,
)
