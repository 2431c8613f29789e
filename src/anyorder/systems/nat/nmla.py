"""Non-monotonic alignments: n-grams of the target may stand anywhere.

anyorder reproduce nmla
"""

from anyorder.data.pronounce import Pronounce
from anyorder.data.translate import Translate
from anyorder.decode.one_shot.ctc import CTCGreedy
from anyorder.models.parallel.one_shot import CTCTransformer
from anyorder.objectives.nmla import NonMonotonic
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.lessons import TAUGHT
from anyorder.systems.experiments.school import FINE, Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

TAUGHT_CTC = Way("ctc", lessons=TAUGHT)

SYSTEM = System(
    number=7,
    slug="nmla",
    family="nat",
    paper="Shao and Feng 2022, arXiv:2210.03953",
    mechanism=(
        "CTC sums over alignments in the order of the target, so a model that writes the right "
        "words in another order learns nothing from them. After training with CTC the model is "
        "tuned to the expected F1 of the bigrams that it writes, wherever they stand, computed "
        "exactly over the lattice; or to the best matching of cells and words in any order."
    ),
    parts=(CTCTransformer, NonMonotonic, CTCGreedy),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=("tests/align/test_ctc.py::test_ngrams_stand_as_often_as_in_all_texts",),
    experiments=(
        Trained(
            Pronounce(),
            {
                "nmla": Way("nmla", begins_with=Way("ctc"), recipe=FINE),
                "ctc-nat, as long": Way("ctc", begins_with=Way("ctc"), recipe=FINE),
                "ctc-nat": Way("ctc"),
            },
        ),
        Trained(
            Translate("de"),
            {
                "en-de: nmla": Way("nmla", begins_with=Way("ctc"), recipe=FINE),
                "en-de: ctc-nat, as long": Way("ctc", begins_with=Way("ctc"), recipe=FINE),
                "en-de, distilled: nmla": Way(
                    "nmla", begins_with=TAUGHT_CTC, recipe=FINE, lessons=TAUGHT
                ),
                "en-de, distilled: ctc-nat, as long": Way(
                    "ctc", begins_with=TAUGHT_CTC, recipe=FINE, lessons=TAUGHT
                ),
            },
            timed=128,
        ),
    ),
    claims=(
        Claim("It makes fewer errors than CTC alone.", Less("phoneme_error_rate", than="ctc-nat")),
        Claim(
            "It makes fewer errors than CTC that is trained as long.",
            Less("phoneme_error_rate", than="ctc-nat, as long"),
        ),
        Claim(
            "It translates real pairs better than CTC that is trained as long: their words often "
            "stand in another order.",
            More("bleu", than="en-de: ctc-nat, as long", of="en-de: nmla"),
        ),
        Claim(
            "So it does after distillation.",
            More("bleu", than="en-de, distilled: ctc-nat, as long", of="en-de, distilled: nmla"),
        ),
    ),
    minutes=110,
)
