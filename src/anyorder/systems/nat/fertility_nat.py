"""Fertilities: how many target tokens each source token becomes is decided first.

anyorder reproduce fertility-nat
"""

from anyorder.align.words import Aligner
from anyorder.data.pronounce import Pronounce
from anyorder.data.translate import Translate
from anyorder.decode.one_shot.fertility import FertilityArgmax, FertilityAverage, NoisyParallel
from anyorder.models.parallel.fertility import FertilityTransformer
from anyorder.objectives.fertility import Fertility
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.decoders import Rescored
from anyorder.systems.experiments.lessons import BASELINE, TAUGHT
from anyorder.systems.experiments.school import Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

SYSTEM = System(
    number=11,
    slug="fertility-nat",
    family="nat",
    paper="Gu et al. 2018, arXiv:1711.02281",
    mechanism=(
        "An aligner says how many target tokens belong to each source token, and the encoder "
        "learns to predict these fertilities. Each source token is copied that often, and all "
        "copies become target tokens in one call. Noisy parallel decoding draws several plans of "
        "fertilities, writes all of them at once, and lets an autoregressive teacher choose."
    ),
    parts=(
        FertilityTransformer,
        Fertility,
        Aligner,
        FertilityArgmax,
        FertilityAverage,
        NoisyParallel,
    ),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=(
        "tests/decode/test_fertility.py::test_a_text_is_as_long_as_its_fertilities_sum_to",
        "tests/decode/test_fertility.py::test_one_sample_is_argmax",
    ),
    experiments=(
        Trained(
            Pronounce(),
            {
                "fertility-nat": Way("fertility"),
                "fertility-nat, teacher": Way("fertility", Rescored(10, BASELINE)),
                "fertility-nat, own score": Way("fertility", Rescored(10)),
                "vanilla-nat": Way("vanilla"),
                "deep-shallow": BASELINE,
            },
        ),
        Trained(
            Translate("de"),
            {
                "en-de: fertility-nat": Way("fertility"),
                "en-de, distilled: fertility-nat": Way("fertility", lessons=TAUGHT),
            },
        ),
    ),
    claims=(
        Claim(
            "It makes fewer errors than a model that predicts the length alone.",
            Less("phoneme_error_rate", than="vanilla-nat"),
        ),
        Claim(
            "Ten plans and a teacher make fewer errors than the likeliest plan.",
            Less("phoneme_error_rate", than="fertility-nat", of="fertility-nat, teacher"),
        ),
        Claim("It is quicker than the teacher.", Less("latency_ms", than="deep-shallow")),
        Claim(
            "It translates better after distillation: at least a fifth more BLEU.",
            More(
                "bleu",
                than="en-de: fertility-nat",
                times=1.2,
                of="en-de, distilled: fertility-nat",
            ),
        ),
    ),
    minutes=190,
)
