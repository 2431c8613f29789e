"""Glancing: while it trains, the model is shown some of what it got wrong.

anyorder reproduce glancing-transformer
"""

from anyorder.corrupt.glancing import Glancing
from anyorder.data.pronounce import Pronounce
from anyorder.data.translate import Translate
from anyorder.decode.one_shot.ctc import CTCGreedy
from anyorder.decode.one_shot.parallel import Parallel
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.objectives.length_based import LengthBased
from anyorder.systems.claims import AtMost, Claim, Less, More
from anyorder.systems.experiments.lessons import BASELINE, TAUGHT
from anyorder.systems.experiments.school import PATIENT, Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

SYSTEM = System(
    number=78,
    slug="glancing-transformer",
    family="nat",
    paper="Qian et al. 2021, arXiv:2008.07905",
    mechanism=(
        "The model first writes the whole target on its own. As many cells as a share of its "
        "mistakes are then drawn and shown to it, and it learns the others from them. The share "
        "falls while it trains, so that it ends with writing everything in one call."
    ),
    parts=(LengthTransformer, LengthBased, Glancing, Parallel, CTCGreedy),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=(
        "tests/objectives/test_lattices.py::test_a_ratio_of_nothing_is_plain",
        "tests/objectives/test_lattices.py::test_cells_that_are_shown_carry_no_loss",
    ),
    experiments=(
        Trained(
            Pronounce(),
            {
                "glancing-transformer": Way("glancing"),
                "vanilla-nat": Way("vanilla"),
                "glancing-transformer, CTC": Way("ctc-glancing"),
                "ctc-nat": Way("ctc"),
                "deep-shallow": BASELINE,
            },
        ),
        Trained(
            Translate("de"),
            {
                "en-de, distilled: glancing-transformer": Way("glancing", lessons=TAUGHT),
                "en-de, distilled: vanilla-nat": Way("vanilla", lessons=TAUGHT),
                "en-de, distilled: glancing-transformer, CTC": Way("ctc-glancing", lessons=TAUGHT),
                "en-de, distilled: ctc-nat": Way("ctc", lessons=TAUGHT),
                "en-de: deep-shallow": BASELINE,
                "en-de, distilled, 3600 steps: glancing-transformer, CTC": Way(
                    "ctc-glancing", lessons=TAUGHT, recipe=PATIENT
                ),
                "en-de, distilled, 3600 steps: ctc-nat": Way("ctc", lessons=TAUGHT, recipe=PATIENT),
            },
        ),
    ),
    claims=(
        Claim("One call writes the whole target.", AtMost("calls", 1.0)),
        Claim(
            "It makes fewer errors than the same model without glancing.",
            Less("phoneme_error_rate", than="vanilla-nat"),
        ),
        Claim(
            "With CTC, too.",
            Less("phoneme_error_rate", than="ctc-nat", of="glancing-transformer, CTC"),
        ),
        Claim(
            "It is at least five times as quick as a cached autoregressive model.",
            Less("latency_ms", than="deep-shallow", times=0.2),
        ),
        Claim(
            "It translates better than the same model without glancing, both from distilled data.",
            More(
                "bleu",
                than="en-de, distilled: vanilla-nat",
                of="en-de, distilled: glancing-transformer",
            ),
        ),
        Claim(
            "With CTC, too, from distilled data.",
            More(
                "bleu",
                than="en-de, distilled: ctc-nat",
                of="en-de, distilled: glancing-transformer, CTC",
            ),
        ),
        Claim(
            "With CTC, so it does after three times as many steps.",
            More(
                "bleu",
                than="en-de, distilled, 3600 steps: ctc-nat",
                of="en-de, distilled, 3600 steps: glancing-transformer, CTC",
            ),
        ),
    ),
    minutes=600,
)
