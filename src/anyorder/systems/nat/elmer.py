"""Tokens that are easy leave the decoder early, and the others learn from them.

anyorder reproduce elmer
"""

from anyorder.data.pronounce import Pronounce
from anyorder.decode.one_shot.early_exit import EarlyExit
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.objectives.early_exit import LayerPermutation, OffRamps
from anyorder.systems.claims import AtMost, Claim, Less
from anyorder.systems.experiments.early_exit import ExitsWithin, Layers
from anyorder.systems.experiments.inside import Inside
from anyorder.systems.experiments.school import FINE, Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

PRE_TRAINED, WITHIN = Way("elmer-pretraining"), ExitsWithin(layers=3.0)
TRAINED = Trained(
    Pronounce(),
    {
        "elmer": Way("elmer", WITHIN, begins_with=PRE_TRAINED, recipe=FINE),
        "elmer, all layers": Way("elmer", "parallel", begins_with=PRE_TRAINED, recipe=FINE),
        "elmer, no pre-training": Way("elmer", WITHIN, begins_with=Way("elmer"), recipe=FINE),
        "elmer, tuned longer": Way("elmer", WITHIN, begins_with=PRE_TRAINED),
        "elmer, tuned longer, no pre-training": Way("elmer", WITHIN, begins_with=Way("elmer")),
        "vanilla-nat": Way("vanilla", begins_with=Way("vanilla"), recipe=FINE),  # as long
    },
)

SYSTEM = System(
    number=14,
    slug="elmer",
    family="nat",
    paper="Li et al. 2022, arXiv:2210.13304",
    mechanism=(
        "Every layer of the decoder can tell tokens, with one norm and head for all. A cell that "
        "is sure enough leaves there: its state is copied to the layers above, where the other "
        "cells see it, so that tokens of one call depend on each other. In pre-training each cell "
        "leaves at a layer of chance. Here six layers with early exits face three without."
    ),
    parts=(LengthTransformer, LayerPermutation, OffRamps, EarlyExit),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=(
        "tests/nets/test_early_exit.py::test_if_all_leave_at_last_it_is_the_plain_stack",
        "tests/nets/test_early_exit.py::test_it_is_what_all_layers_for_all_cells_would_be",
        "tests/laws/test_parallel_models.py::test_no_early_exit_is_parallel",
    ),
    experiments=(TRAINED, Inside(TRAINED, Layers(), test=2000)),
    claims=(
        Claim("One call writes the whole target.", AtMost("calls", 1.0)),
        Claim(
            "With as many layers a token as a plain model, what it costs to leave included, it "
            "makes fewer errors.",
            Less("phoneme_error_rate", than="vanilla-nat"),
        ),
        Claim(
            "A token costs it about half of its six layers, keys and values above its own layer "
            "and the head at each one included.",
            AtMost("layers", 3.1),
        ),
        Claim(
            "That costs it few errors: at most 5 % more than with all layers.",
            Less("phoneme_error_rate", than="elmer, all layers", times=1.05),
        ),
        Claim(
            "Pre-training with exits of chance helps over training as long without it.",
            Less("phoneme_error_rate", than="elmer, no pre-training"),
        ),
        Claim(
            "So it does when the model is tuned four times as long.",
            Less(
                "phoneme_error_rate",
                than="elmer, tuned longer, no pre-training",
                of="elmer, tuned longer",
            ),
        ),
    ),
    minutes=130,
)
