"""CTC for parallel translation: cells spell the target with blanks and repeats.

anyorder reproduce ctc-nat
"""

from anyorder.data.pronounce import Pronounce
from anyorder.data.translate import Translate
from anyorder.decode.one_shot.ctc import CTCBeam, CTCGreedy
from anyorder.models.parallel.one_shot import CTCTransformer
from anyorder.objectives.ctc import CTC
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.lessons import BASELINE, TAUGHT
from anyorder.systems.experiments.school import Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

SYSTEM = System(
    number=2,
    slug="ctc-nat",
    family="nat",
    paper="Libovický and Helcl 2018, arXiv:1811.04719",
    mechanism=(
        "Every state of the encoder is split into several cells, so that there are more cells than "
        "the target has tokens. All cells are written in one call; merging repeats and taking out "
        "blanks gives the text, whose length need not be known. Training sums over all ways in "
        "which the cells can spell the target."
    ),
    parts=(CTCTransformer, CTC, CTCGreedy, CTCBeam),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=(
        "tests/align/test_ctc.py::test_every_target_is_as_likely_as_all_its_paths",
        "tests/align/test_ctc.py::test_a_wide_beam_finds_all_texts_in_order",
    ),
    experiments=(
        Trained(
            Pronounce(),
            {
                "ctc-nat": Way("ctc"),
                "ctc-nat, beam": Way("ctc", "ctc-beam:width=8"),
                "ctc-nat, 6-1": Way("ctc-deep-shallow"),
                "vanilla-nat": Way("vanilla"),
                "deep-shallow": BASELINE,
            },
        ),
        Trained(
            Translate("de"),
            {
                "en-de: ctc-nat": Way("ctc"),
                "en-de: vanilla-nat": Way("vanilla"),
                "en-de, distilled: ctc-nat": Way("ctc", lessons=TAUGHT),
                "en-de, distilled: ctc-nat, 6-1": Way("ctc-deep-shallow", lessons=TAUGHT),
                "en-de, distilled: vanilla-nat": Way("vanilla", lessons=TAUGHT),
                "en-de: deep-shallow": BASELINE,
            },
        ),
    ),
    claims=(
        Claim(
            "It makes fewer errors than a parallel model that predicts the length.",
            Less("phoneme_error_rate", than="vanilla-nat"),
        ),
        Claim(
            "The beam makes fewer errors still.",
            Less("phoneme_error_rate", than="ctc-nat", of="ctc-nat, beam"),
        ),
        Claim(
            "With six encoder layers and one decoder layer it writes a word at least five times as "
            "quickly as a cached autoregressive model.",
            Less("latency_ms", than="deep-shallow", times=0.2, of="ctc-nat, 6-1"),
        ),
        Claim(
            "So it does a sentence.",
            Less(
                "latency_ms",
                than="en-de: deep-shallow",
                times=0.2,
                of="en-de, distilled: ctc-nat, 6-1",
            ),
        ),
        Claim(
            "In batches it writes at least 1.5 times as many sentences a second.",
            More(
                "per_second",
                than="en-de: deep-shallow",
                times=1.5,
                of="en-de, distilled: ctc-nat, 6-1",
            ),
        ),
        Claim(
            "It makes no more than 10 % more errors than the autoregressive model.",
            Less("phoneme_error_rate", than="deep-shallow", times=1.1),
        ),
        Claim(
            "It translates better than a parallel model that predicts the length, from raw data.",
            More("bleu", than="en-de: vanilla-nat", of="en-de: ctc-nat"),
        ),
        Claim(
            "From distilled data, too.",
            More("bleu", than="en-de, distilled: vanilla-nat", of="en-de, distilled: ctc-nat"),
        ),
    ),
    minutes=300,
)
