"""Pre-training of graph models: fragments of a text are written at once, from what is left of it.

anyorder reproduce predat
"""

from anyorder.corrupt.spans import Spans
from anyorder.data.joint import Joint
from anyorder.data.pronounce import Pronounce
from anyorder.data.translate import Translate
from anyorder.decode.one_shot.dag import DAGBeam, DAGGreedy, DAGLookahead, DAGViterbi
from anyorder.models.ngram_lm import NGramModel
from anyorder.models.parallel.fragments import Fragments
from anyorder.models.parallel.one_shot import DAGTransformer
from anyorder.objectives.dag import DAG
from anyorder.objectives.infilling import Infilling
from anyorder.systems.claims import AtMost, Claim, Less, More
from anyorder.systems.experiments.decoders import NGramBeam
from anyorder.systems.experiments.lessons import BASELINE, TAUGHT
from anyorder.systems.experiments.school import Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

SYSTEM = System(
    number=8,
    slug="predat",
    family="nat",
    paper="Huang et al. 2023, arXiv:2304.11791; the graph: Huang et al. 2022, arXiv:2205.07459",
    mechanism=(
        "The cells of the decoder are vertices of a graph; a target is a path from the first to "
        "the last, and training sums over all paths. Before it learns a task, the model reads "
        "texts with gaps and fills all gaps of a text at once, each with a graph of its own, so "
        "that what it writes agrees with the text and with itself."
    ),
    parts=(
        DAGTransformer,
        DAG,
        Spans,
        Fragments,
        Infilling,
        DAGGreedy,
        DAGLookahead,
        DAGViterbi,
        DAGBeam,
        NGramModel,
    ),
    laws=(3, 4, 5, 6, 7, 8, 9),
    own_laws=(
        "tests/align/test_dag.py::test_every_target_is_as_likely_as_all_its_paths",
        "tests/align/test_dag.py::test_a_chain_is_as_likely_as_its_cells",
        "tests/laws/test_parallel_models.py::test_a_graph_that_is_a_chain_is_parallel",
        "tests/objectives/test_infilling.py::test_it_is_the_sum_over_the_paths_of_each_fragment",
    ),
    experiments=(
        Trained(
            Pronounce(),
            {
                "dag, raw data": Way("dag-glancing"),
                "dag, n-gram beam": Way("dag-glancing", NGramBeam()),
                "deep-shallow": BASELINE,
            },
        ),
        Trained(
            Joint(Translate("de")),
            {
                "predat": Way("dag-glancing", begins_with=Way("dag-infilling")),
                "dag, no pre-training": Way("dag-glancing"),
            },
        ),
        Trained(
            Translate("de"),
            {
                "en-de: dag": Way("dag-glancing"),
                "en-de, distilled: dag": Way("dag-glancing", lessons=TAUGHT),
                "en-de: deep-shallow": BASELINE,
            },
        ),
    ),
    claims=(
        Claim(
            "Without distillation the graph makes at most 10 % more errors than a cached "
            "autoregressive model.",
            Less("phoneme_error_rate", than="deep-shallow", times=1.1, of="dag, raw data"),
        ),
        Claim(
            "A beam with n-grams makes fewer errors than lookahead.",
            Less("phoneme_error_rate", than="dag, raw data", of="dag, n-gram beam"),
        ),
        Claim(
            "Pre-training helps over random weights, with equal fine-tuning.",
            More("bleu", than="dag, no pre-training"),
        ),
        Claim("One call writes the whole target.", AtMost("calls", 1.0)),
        Claim(
            "From raw data it translates nearly as well as the autoregressive model: 0.9 of its "
            "BLEU.",
            More("bleu", than="en-de: deep-shallow", times=0.9, of="en-de: dag"),
        ),
    ),
    minutes=520,
)
