"""Deep encoder, shallow decoder: the autoregressive baseline that parallel models must beat.

anyorder reproduce deep-shallow
"""

from anyorder.data.pronounce import Pronounce
from anyorder.data.translate import Translate
from anyorder.decode.left_to_right.beam import Beam
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.lessons import BASELINE, DEEP
from anyorder.systems.experiments.school import SERIAL, Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

SYSTEM = System(
    number=3,
    slug="deep-shallow",
    family="nat",
    paper="Kasai et al. 2021, arXiv:2006.10369",
    mechanism=(
        "An autoregressive model spends its time in the decoder, once a token. Layers are moved "
        "from there to the encoder, which reads the source once: one decoder layer is enough. "
        "Speed is measured twice, for one source alone and at the best batch."
    ),
    parts=(Seq2Seq, LeftToRight, Beam),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/models/test_seq2seq.py::test_a_cache_changes_nothing_however_a_target_is_cut",
    ),
    experiments=(
        Trained(
            Pronounce(),
            {
                "deep-shallow": BASELINE,
                "autoregressive": Way("autoregressive", recipe=SERIAL),
                "deep-shallow, beam": Way("deep-shallow", "beam:width=4", recipe=SERIAL),
                "ctc-nat": Way("ctc"),
            },
        ),
        Trained(
            Translate("de"),
            {
                "en-de: twelve and one": Way("deep-shallow-12", recipe=SERIAL),
                "en-de: six and six": DEEP,
            },
            timed=128,
        ),
    ),
    claims=(
        Claim(
            "Its errors are at most 5 % more than those of as many layers, shared out evenly.",
            Less("phoneme_error_rate", than="autoregressive", times=1.05),
        ),
        Claim(
            "A source alone takes at most 0.6 of the time.",
            Less("latency_ms", than="autoregressive", times=0.6),
        ),
        Claim(
            "With twelve and one layers it keeps the BLEU of six and six, but for a twentieth.",
            More("bleu", than="en-de: six and six", times=0.95, of="en-de: twelve and one"),
        ),
        Claim(
            "It takes at most 0.6 of the time of six and six.",
            Less("latency_ms", than="en-de: six and six", times=0.6, of="en-de: twelve and one"),
        ),
        Claim(
            "At the best batch it is faster than a parallel model.",
            More("per_second", than="ctc-nat"),
        ),
    ),
    minutes=65,
)
