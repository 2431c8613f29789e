"""Cascades: all texts are pruned with no context, then with one token of it, then with two.

anyorder reproduce cascaded-markov-transformer
"""

from anyorder.align.cascade import Spans
from anyorder.data.pronounce import Pronounce
from anyorder.decode.search.cascade import Cascade
from anyorder.models.left_to_right.markov import MarkovTransformer
from anyorder.objectives.markov import Markov
from anyorder.systems.claims import AtMost, Claim, Less
from anyorder.systems.experiments.lessons import BASELINE
from anyorder.systems.experiments.school import Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

SYSTEM = System(
    number=13,
    slug="cascaded-markov-transformer",
    family="nat",
    paper="Deng and Rush 2020, arXiv:2006.01112",
    mechanism=(
        "A causal decoder is trained with barriers, so that it knows what follows after no token, "
        "after one, and so on up to a few. Its texts of order m are the paths through a chain, "
        "whose max-marginals and best path take O(log N) steps in sequence. Each call scores all "
        "spans that are left with one token more of context, and the spans with the best "
        "max-marginals go on to the next."
    ),
    parts=(MarkovTransformer, Markov, Spans, Cascade),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=(
        "tests/align/test_cascade.py::test_without_pruning_it_is_the_best_of_all_texts",
        "tests/align/test_cascade.py::test_with_all_context_it_is_the_best_text_of_the_model",
        "tests/align/test_cascade.py::test_max_marginals_are_those_of_all_texts",
        "tests/models/test_markov.py::test_a_span_is_what_stands_behind_a_barrier",
    ),
    experiments=(
        Trained(
            Pronounce(),
            {
                "cascaded-markov-transformer": Way("markov", "cascade:order=2,states=8"),
                "cascade, one token of context": Way("markov", "cascade:order=1,states=8"),
                "cascade, no context": Way("markov", "cascade:order=0"),
                "vanilla-nat": Way("vanilla"),
                "deep-shallow": BASELINE,
            },
        ),
    ),
    claims=(
        Claim(
            "It makes fewer errors than a model that writes all cells without context.",
            Less("phoneme_error_rate", than="vanilla-nat"),
        ),
        Claim(
            "One token of context makes fewer errors than none.",
            Less(
                "phoneme_error_rate",
                than="cascade, no context",
                of="cascade, one token of context",
            ),
        ),
        Claim(
            "Two tokens of context make fewer errors than one.",
            Less("phoneme_error_rate", than="cascade, one token of context"),
        ),
        Claim(
            "It comes near an autoregressive model: at most a tenth more errors.",
            Less("phoneme_error_rate", than="deep-shallow", times=1.1),
        ),
        Claim("Two tokens of context are three calls.", AtMost("calls", 3.0)),
        Claim(
            "It needs less than half the calls of an autoregressive model.",
            Less("calls", than="deep-shallow", times=0.5),
        ),
    ),
    minutes=60,
)
