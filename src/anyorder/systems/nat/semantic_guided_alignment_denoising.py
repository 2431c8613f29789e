"""A masked language model learns to write: it aligns, then denoises, and few weights are new.

anyorder reproduce semantic-guided-alignment-denoising
"""

from anyorder.corrupt.drafts import DraftNoise
from anyorder.data.joint import Joint
from anyorder.data.translate import Translate
from anyorder.decode.refine.align_denoise import AlignDenoise
from anyorder.models.bert import Bert
from anyorder.models.masked_lm import MaskedLM
from anyorder.models.parallel.semantic_guided import SemanticGuided
from anyorder.objectives.align_denoise import AlignThenDenoise
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.school import SERIAL, Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

TEXTS = Way("masked-lm")
GUIDED = Way("semantic-guided", begins_with=TEXTS)

SYSTEM = System(
    number=47,
    slug="semantic-guided-alignment-denoising",
    family="nat",
    paper="Wu et al. 2023, arXiv:2305.13140",
    mechanism=(
        "A masked language model stays as it is, and reads the source with a learnt prompt. With "
        "another prompt, and the states of the source beside every layer, it fills a blank "
        "sentence by CTC. With a third one it writes the cells again over their draft, until the "
        "text stays. Prompts, one projection of the states and the blank are all that is trained."
    ),
    parts=(MaskedLM, Bert, SemanticGuided, AlignThenDenoise, DraftNoise, AlignDenoise),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=(
        "tests/laws/test_parallel_models.py::test_no_step_of_denoising_is_align_only",
        "tests/laws/test_parallel_models.py::test_a_text_that_settled_is_not_denoised_again",
        "tests/models/test_semantic_guided.py::test_it_is_what_is_written_out",
        "tests/models/test_semantic_guided.py::"
        "test_what_it_adopts_stays_as_it_is_and_all_that_is_new_learns",
        "tests/models/test_hugging_masked.py::test_its_numbers_are_those_of_transformers",
    ),
    experiments=(
        Trained(
            Joint(Translate("de")),
            {
                "semantic-guided-alignment-denoising": GUIDED,
                "align only": Way("semantic-guided", "ctc-greedy", begins_with=TEXTS),
                "autoregressive, initialised": Way(
                    "autoregressive", begins_with=TEXTS, recipe=SERIAL
                ),
                "ctc-nat, initialised": Way("ctc", begins_with=TEXTS),
            },
            timed=128,
        ),
    ),
    claims=(
        Claim(
            "It translates better (BLEU) than an autoregressive model that begins with the same "
            "weights and trains all of them.",
            More("bleu", than="autoregressive, initialised"),
        ),
        Claim(
            "So it does against a parallel model that begins with them.",
            More("bleu", than="ctc-nat, initialised"),
        ),
        Claim("Denoising makes the texts better.", More("bleu", than="align only")),
        Claim(
            "It is at least three times as quick as the autoregressive model.",
            Less("latency_ms", than="autoregressive, initialised", times=1 / 3),
        ),
    ),
    minutes=160,
)
