"""Rare words for a distilled model: real pairs first, then a teacher's of both directions.

anyorder reproduce low-frequency-rejuvenation
"""

from dataclasses import replace

from anyorder.data.mixtures import Reversed
from anyorder.data.translate import Translate
from anyorder.decode.refine.mask_predict import MaskPredict
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.objectives.length_based import Masked
from anyorder.systems.claims import Claim, More
from anyorder.systems.experiments.lessons import TAUGHT, TaughtBack, Together
from anyorder.systems.experiments.school import LAPTOP, Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.experiments.words import RareWords
from anyorder.systems.system import System

HALF = replace(LAPTOP, steps=600)

SYSTEM = System(
    number=139,
    slug="low-frequency-rejuvenation",
    family="nat",
    paper="Ding et al. 2021, arXiv:2106.00903",
    mechanism=(
        "A teacher's targets are easier to learn, but the teacher seldom writes rare words. So the "
        "model learns the real pairs first. Then it learns the teacher's targets, together with "
        "real targets whose sources a teacher of the other direction has written."
    ),
    parts=(LengthTransformer, Masked, Reversed, TaughtBack, Together, MaskPredict),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=(
        "tests/train/test_distill.py::test_a_backward_teacher_writes_sources_for_real_targets",
        "tests/systems/test_lessons.py::test_both_directions_are_learnt_together",
    ),
    experiments=(
        Trained(
            Translate("de"),
            {
                "low-frequency-rejuvenation": Way(
                    "masked",
                    lessons=Together((TAUGHT, TaughtBack())),
                    recipe=HALF,
                    begins_with=Way("masked", recipe=HALF),
                ),
                "distillation": Way("masked", lessons=TAUGHT),
            },
            test=400,  # ten calls for each of five lengths take their time
            timed=48,
            also=(RareWords(),),
        ),
    ),
    claims=(
        Claim(
            "It writes more of the rare words than a model that learns a teacher's targets alone.",
            More("recall_low", than="distillation"),
        ),
        Claim("It translates better.", More("bleu", than="distillation")),
    ),
    minutes=175,
)
