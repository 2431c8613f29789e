"""Adaptive draft-verification: trigrams that learn what the model writes, searched for a draft.

anyorder reproduce adaptive-draft-verification
"""

from anyorder.data.translate import Translate
from anyorder.decode.draft_verify.from_text.trigram_search import TrigramSearch
from anyorder.decode.draft_verify.from_text.trigrams import Trigrams
from anyorder.systems.claims import AtLeast, Claim, More
from anyorder.systems.experiments.conversation import Conversation
from anyorder.systems.system import System

CORPUS = Translate("de")  # its English side

SYSTEM = System(
    number=113,
    slug="adaptive-draft-verification",
    family="draft",
    paper="Liu et al. 2024, arXiv:2407.12021",
    mechanism=(
        "Triples of tokens, counted in a corpus and in the text so far, say what may follow the "
        "last two. A Monte-Carlo tree search over them, led by the PUCT rule, chooses between what "
        "is likely and what was seldom tried; the cells that it passes most often are checked in "
        "one call. All that is written is counted, so that the guesses become the model's own."
    ),
    parts=(Trigrams, TrigramSearch),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/decode/test_trigram_search.py::test_learning_bit_by_bit_is_counting_from_scratch",
        "tests/decode/test_trigram_search.py::test_the_search_is_the_papers",
    ),
    experiments=(
        Conversation(
            kinds=("story", "question"),
            decoders={
                "adaptive-draft-verification": TrigramSearch(),
                "no corpus": TrigramSearch(),
                "static corpus": TrigramSearch(rate=0.0),
            },
            corpora={"adaptive-draft-verification": CORPUS, "static corpus": CORPUS},
            gain=("adaptive-draft-verification", "static corpus"),
        ),
    ),
    claims=(
        Claim("The text is that of greedy decoding.", AtLeast("same_text", 1.0)),
        Claim(
            "It writes more tokens a call than the same corpus that learns nothing.",
            More("tokens_per_call", than="static corpus"),
        ),
        Claim(
            "What it gains by learning grows along a conversation: it is more in the last turn "
            "than in the first.",
            More("gain", than="turn 1", of="last turn"),
        ),
        Claim("It is faster than left to right.", More("tokens_per_s", than="left-to-right")),
    ),
    minutes=10,
)
