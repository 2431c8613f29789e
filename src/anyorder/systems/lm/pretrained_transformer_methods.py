"""A masked language model lends its layers to the encoder and the decoder of a parallel model.

anyorder reproduce pretrained-transformer-methods
"""

from anyorder.data.joint import Joint
from anyorder.data.translate import Translate
from anyorder.decode.one_shot.dag import DAGLookahead
from anyorder.models.masked_lm import MaskedLM
from anyorder.models.parallel.one_shot import DAGTransformer
from anyorder.objectives.masked_lm import MaskedTexts
from anyorder.systems.claims import AtMost, Claim, More
from anyorder.systems.experiments.school import Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

SYSTEM = System(
    number=55,
    slug="pretrained-transformer-methods",
    family="lm",
    paper="Yoshida 2023, Making the Most of your Model (thesis): its parallel part",
    mechanism=(
        "A masked language model learns from the texts of both sides, without their pairs. Its "
        "embedding and layers are the first weights of the encoder, and once more of the decoder: "
        "both see in two directions, as it does. Only the attention to the source begins at random."
    ),
    parts=(MaskedLM, MaskedTexts, DAGTransformer, DAGLookahead),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=(
        "tests/models/test_masked_lm.py::test_it_lends_what_fits",
        "tests/models/test_masked_lm.py::test_the_encoder_it_has_lent_to_reads_as_it_does",
    ),
    experiments=(
        Trained(
            Joint(Translate("de")),
            {
                "pretrained-transformer-methods": Way("dag-glancing", begins_with=Way("masked-lm")),
                "dag, no pre-training": Way("dag-glancing"),
            },
        ),
    ),
    claims=(
        Claim("One call writes the whole target.", AtMost("calls", 1.0)),
        Claim(
            "With equal training on pairs it translates better (BLEU) than from random weights.",
            More("bleu", than="dag, no pre-training"),
        ),
        Claim(
            "More of its letters are right (chrF), too.",
            More("chrf", than="dag, no pre-training"),
        ),
    ),
    minutes=190,
)
