"""Cross-attention that looks around: near the source token that is attended most, once more.

anyorder reproduce context-aware-cross-attention
"""

from anyorder.data.pronounce import Pronounce
from anyorder.decode.one_shot.ctc import CTCGreedy
from anyorder.decode.one_shot.parallel import Parallel
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.models.parallel.one_shot import CTCTransformer
from anyorder.nets.local_attention import AroundPeak
from anyorder.systems.claims import AtMost, Claim, Less
from anyorder.systems.experiments.inside import Inside, Locality
from anyorder.systems.experiments.school import Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

TRAINED = Trained(
    Pronounce(),
    {
        "context-aware-cross-attention": Way("context-aware"),
        "vanilla-nat": Way("vanilla"),
        "context-aware-cross-attention, CTC": Way("ctc-context-aware"),
        "ctc-nat": Way("ctc"),
    },
)

SYSTEM = System(
    number=12,
    slug="context-aware-cross-attention",
    family="nat",
    paper="Ding et al. 2020, arXiv:2011.00770",
    mechanism=(
        "Cells that are written at once know each other little and hang on the source, and their "
        "attention to it is diffuse. Each layer, head and cell looks at the source twice: at all "
        "of it, and at a window around the token with the highest score. A learnt gate mixes both."
    ),
    parts=(AroundPeak, LengthTransformer, CTCTransformer, Parallel, CTCGreedy),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=(
        "tests/nets/test_local_attention.py::test_it_is_what_the_loops_say",
        "tests/nets/test_local_attention.py::test_a_network_whose_gates_are_global_is_the_plain_one",
    ),
    experiments=(TRAINED, Inside(TRAINED, Locality())),
    claims=(
        Claim("One call writes the whole target.", AtMost("calls", 1.0)),
        Claim(
            "It makes fewer errors than the same model with global attention alone.",
            Less("phoneme_error_rate", than="vanilla-nat"),
        ),
        Claim(
            "With CTC, too.",
            Less("phoneme_error_rate", than="ctc-nat", of="context-aware-cross-attention, CTC"),
        ),
        Claim(
            "Its attention to the source is less diffuse.",
            Less("locality_entropy", than="vanilla-nat"),
        ),
    ),
    minutes=70,
)
