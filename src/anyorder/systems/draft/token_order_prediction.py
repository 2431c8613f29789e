"""Token order prediction: a model learns in which order the next tokens come, beside the next one.

    anyorder reproduce token-order-prediction

The paper trains language models of 340 million weights and more, and asks them questions; here it
is a translator of two million, asked how likely it finds the references. The heads of multi-token
prediction are small feed-forward parts, not the paper's layers of attention.

What was found: to learn the order takes nothing from the next token, and gives it nothing: seeds
differ more. To learn several tokens ahead, at this size and so shortly, costs it 0.9 nats.
"""

from anyorder.data.translate import Translate
from anyorder.decode.left_to_right.beam import Beam
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.models.left_to_right.token_order import TokenOrderSeq2Seq
from anyorder.objectives.multi_token import MultiToken
from anyorder.objectives.token_order import TokenOrder
from anyorder.systems.claims import Claim, Less, More
from anyorder.systems.experiments.school import SERIAL, Way
from anyorder.systems.experiments.trained import Trained
from anyorder.systems.system import System

SYSTEM = System(
    number=165,
    slug="token-order-prediction",
    family="draft",
    paper="Zuhri et al. 2025, arXiv:2508.19228",
    mechanism=(
        "Beside the next token the model learns to rank the vocabulary: the sooner a token comes, "
        "the higher, and what does not come within the window last. The ranking has one more "
        "unembedding and a loss for lists, which is added to that of the next token. When the "
        "model writes, nobody asks for the ranking: it is an ordinary left-to-right model."
    ),
    parts=(TokenOrderSeq2Seq, TokenOrder, MultiToken, LeftToRight, Beam),
    laws=(1, 2, 3, 4, 5, 6, 7, 9),
    own_laws=(
        "tests/objectives/test_token_order.py::test_the_target_is_the_ranking_that_is_written_out",
        "tests/objectives/test_token_order.py::test_a_target_holds_as_many_numbers_as_the_window",
        "tests/objectives/test_token_order.py::test_a_model_that_writes_has_no_use_for_the_head",
        "tests/train/test_likelihood.py::test_batches_and_their_padding_change_nothing",
    ),
    experiments=(
        Trained(
            Translate("de"),
            {
                "token-order-prediction": Way("token-order", recipe=SERIAL),
                "next token": Way("autoregressive", recipe=SERIAL),
                "multi-token": Way("multi-token", recipe=SERIAL),
            },
            likelihood=True,
        ),
    ),
    claims=(
        Claim(
            "It tells the next token of held-out texts better than plain training.",
            Less("nats_per_token", than="next token"),
        ),
        Claim(
            "It tells it better than a model that learns several tokens ahead.",
            Less("nats_per_token", than="multi-token"),
        ),
        Claim(
            "It translates better than the model of plain training.",
            More("bleu", than="next token"),
        ),
        Claim(
            "It translates better than the model that learns several tokens ahead.",
            More("bleu", than="multi-token"),
        ),
        Claim(
            "When it writes, it costs what the plain model costs.",
            Less("latency_ms", than="next token", times=1.05),
        ),
    ),
    minutes=100,
)
