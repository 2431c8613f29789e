"""Who must obey: every decoder, in one line each. A new decoder joins here.

A factory gets a draft model that has nothing to do with the target, and the size of the vocabulary.
Drafters come again under each judge of guesses that fits them.
"""

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

from anyorder.decode.draft_verify.by_cost.auto import Auto
from anyorder.decode.draft_verify.from_heads.blockwise import Blockwise
from anyorder.decode.draft_verify.from_heads.head_tree import HeadTree
from anyorder.decode.draft_verify.from_heads.looking_backward import LookingBackward
from anyorder.decode.draft_verify.from_heads.recursive_head import RecursiveHead
from anyorder.decode.draft_verify.from_heads.space import Space
from anyorder.decode.draft_verify.from_models.block_draft import BlockDraft
from anyorder.decode.draft_verify.from_models.draft_tree import FixedTree, OptTree
from anyorder.decode.draft_verify.from_models.parallel_draft import ParallelDraft
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.from_models.tandem_draft import TandemDraft
from anyorder.decode.draft_verify.from_models.through_text import ThroughText
from anyorder.decode.draft_verify.from_text.aggressive import AggressiveDecoding
from anyorder.decode.draft_verify.from_text.alignment_sampling import AlignmentSampling
from anyorder.decode.draft_verify.from_text.jacobi import Jacobi
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.from_text.token_recycling import TokenRecycling
from anyorder.decode.draft_verify.from_text.trigram_search import TrigramSearch
from anyorder.decode.draft_verify.from_text.trigrams import Trigrams
from anyorder.decode.draft_verify.judges.grouped import Grouped
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.in_order.any_subset import AnySubset, Unchecked
from anyorder.decode.left_to_right.beam import Beam
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.left_to_right.tandem import Tandem
from anyorder.decode.refine.set_block import SetBlock
from anyorder.models.tables.language_model import TableLM
from tests.laws.sources import FromSource
from tests.laws.tongues import WITH_PAIRS, Speaking, alphabet

Factory = Callable[[Any, int], Any]


def sized(vocab_size: int) -> TableLM:
    """A draft model with a vocabulary of its own size."""
    return TableLM.random(seed=5, vocab_size=vocab_size, order=1)


SUBJECTS: dict[str, Factory] = {
    "left to right": lambda draft, V: LeftToRight(),
    "prompt copy": lambda draft, V: PromptCopy(),
    "prompt copy, single tokens": lambda draft, V: PromptCopy(ngram=1, width=1),
    "prompt copy, long n-grams": lambda draft, V: PromptCopy(ngram=5, shortest=2, width=4),
    "alignment sampling": lambda draft, V: AlignmentSampling(),
    "alignment sampling, one cell": lambda draft, V: AlignmentSampling(size=1, ranks=1),
    "alignment sampling, long n-grams": lambda draft, V: AlignmentSampling(
        size=5, ranks=V, ngram=4, shortest=2
    ),
    "recycling": lambda draft, V: TokenRecycling(),
    "recycling, one cell": lambda draft, V: TokenRecycling(size=1),
    "recycling, cold": lambda draft, V: TokenRecycling(size=7, warm=False),
    "recycling, two ranks": lambda draft, V: TokenRecycling(size=5, rank_odds=(0.5, 0.4)),
    "Jacobi, Gauss-Seidel": lambda draft, V: Jacobi(block=4),
    "Jacobi, plain": lambda draft, V: Jacobi(block=64),
    "Jacobi, hybrid": lambda draft, V: Jacobi(block=3, horizon=5),
    "Jacobi, sliding": lambda draft, V: Jacobi(block=4, sliding=True),
    "aggressive": lambda draft, V: AggressiveDecoding(),
    "aggressive, placed": lambda draft, V: AggressiveDecoding(width=3, ngram=2, begin_at=1),
    "aggressive, of a source": lambda draft, V: FromSource(AggressiveDecoding(source=True)),
    "aggressive, of a source, placed": lambda draft, V: FromSource(
        AggressiveDecoding(width=2, ngram=2, begin_at=1, source=True)
    ),
    "speculative": lambda draft, V: Speculative(draft),
    "speculative, width one": lambda draft, V: Speculative(draft, width=1),
    "speculative, as wide as pays": lambda draft, V: Speculative(draft, width=None, cost=0.1),
    "speculative, two drafts": lambda draft, V: Speculative(draft, width=3, drafts=2),
    "speculative, many drafts": lambda draft, V: Speculative(draft, width=2, drafts=5),
    "speculative, smaller vocabulary": lambda draft, V: Speculative(sized(V - 2), width=3),
    "speculative, padded vocabulary": lambda draft, V: Speculative(sized(V + 3), width=3),
    "parallel draft": lambda draft, V: ParallelDraft(draft),
    "parallel draft, width one": lambda draft, V: ParallelDraft(draft, width=1),
    "parallel draft, other vocabulary": lambda draft, V: ParallelDraft(sized(V + 3), 3, mask=V + 1),
    "block draft": lambda draft, V: BlockDraft(draft, width=4),
    "block draft, one mask": lambda draft, V: BlockDraft(draft, width=1),
    "block draft, other vocabulary": lambda draft, V: BlockDraft(sized(V + 3), width=3),
    "through text": lambda draft, V: ThroughText(Speaking.of(sized(V)), 4, alphabet(V)),
    "through text, pairs of letters": lambda draft, V: ThroughText(
        Speaking.of(sized(9), WITH_PAIRS), width=2, units=alphabet(V)
    ),
    "OPT-tree": lambda draft, V: OptTree(draft, size=6, threshold=0.0),
    "OPT-tree, shallow": lambda draft, V: OptTree(sized(V - 2), size=9, threshold=0.3, depth=2),
    "fixed tree": lambda draft, V: FixedTree(sized(V + 3), size=5),
    "blockwise": lambda draft, V: Blockwise(),
    "blockwise, one guess": lambda draft, V: Blockwise(width=1),
    "head tree": lambda draft, V: HeadTree(),
    "head tree, one cell": lambda draft, V: HeadTree(size=1),
    "head tree, shallow": lambda draft, V: HeadTree(size=9, depth=1),
    "head tree, of one shape": lambda draft, V: HeadTree(size=7, rank_odds=(0.5, 0.4)),
    "looking backward": lambda draft, V: LookingBackward(),
    "looking backward, three guesses": lambda draft, V: LookingBackward(width=3),
    "recursive head": lambda draft, V: RecursiveHead(),
    "recursive head, all tokens": lambda draft, V: RecursiveHead(width=6, frequent=False),
    "recursive head, while it is sure": lambda draft, V: RecursiveHead(width=5, sure=0.2),
    "recursive head, one guess": lambda draft, V: RecursiveHead(width=1),
    "SPACE": lambda draft, V: Space(width=3),
    "SPACE, one mask": lambda draft, V: Space(width=1),
    "SPACE, in two calls": lambda draft, V: Space(width=4, fused=False),
    "trigram search": lambda draft, V: TrigramSearch(size=6, searches=20),
    "trigram search, of a corpus": lambda draft, V: TrigramSearch(
        size=4, searches=9, depth=2, corpus=Trigrams.of([[0, 1, 2, 3, 1, 2]]), rate=0.0
    ),
    "auto": lambda draft, V: Auto(costs=((1, 1.0), (64, 1.2))),
    "auto, where every cell costs": lambda draft, V: Auto(costs=((1, 1.0), (64, 40.0))),
    "set block": lambda draft, V: SetBlock(block=4, gamma=1.0),
    "set block, one by one": lambda draft, V: SetBlock(block=3, gamma=0.0),
    "set block, leftmost": lambda draft, V: SetBlock(block=4, gamma=1.0, leftmost=True),
    "any subset": lambda draft, V: AnySubset(width=4),
    "any subset, one by one": lambda draft, V: AnySubset(width=1),
    "unchecked": lambda draft, V: Unchecked(),
    "unchecked, three a call": lambda draft, V: Unchecked(width=3),
    "tandem draft": lambda draft, V: TandemDraft(),
    "tandem draft, one guess": lambda draft, V: TandemDraft(width=1),
    "tandem alone": lambda draft, V: Tandem(block=3),
    "tandem alone, one by one": lambda draft, V: Tandem(block=1),
    "tandem alone, one free": lambda draft, V: Tandem(block=4, free=True),
    "beam": lambda draft, V: Beam(width=3),
    "beam, narrow": lambda draft, V: Beam(width=1),
}
LENIENCIES: tuple[dict[str, Any], ...] = (
    {"top": 2, "gap": 1.0},
    {"share": 0.5},
    {"top": 3},
    {"distance": 1},
    {"least": 2},
)
GROUPINGS: tuple[dict[str, Any], ...] = ({"reach": 1}, {"distance": 9.0}, {"gap": 1.0})


def drafter(name: str) -> DraftVerify | None:
    """One that guesses; None for the others."""
    made = SUBJECTS[name](sized(6), 6)
    return made if isinstance(made, DraftVerify) else None


def grouping(by: DraftVerify) -> bool:
    """Whether it draws one chain, the guesses of which may be judged as groups."""
    return by.draws and by.of_the_row and getattr(by, "drafts", 1) == 1


def judged(
    kind: Any, options: Sequence[dict[str, Any]], names: Sequence[str]
) -> dict[str, Factory]:
    """Drafters under a judge, with one set of options after the other."""

    def under(make: Factory, chosen: dict[str, Any]) -> Factory:
        return lambda draft, V: kind(make(draft, V), **chosen)

    word = kind.__name__.lower()
    turns = zip(names, cycle(options), strict=False)
    return {f"{word}, {name}": under(SUBJECTS[name], chosen) for name, chosen in turns}


DRAFTERS = {name: by for name in SUBJECTS if (by := drafter(name)) is not None}
OF_THE_ROW = [name for name, by in DRAFTERS.items() if by.of_the_row]
CHAINS = [name for name, by in DRAFTERS.items() if grouping(by)]
SUBJECTS |= judged(Lenient, LENIENCIES, OF_THE_ROW) | judged(Grouped, GROUPINGS, CHAINS)

GREEDY = {name for name in SUBJECTS if name.startswith("beam")}  # they weigh texts and draw none
LENIENT = {name for name in SUBJECTS if name.startswith("lenient")}  # what is guessed counts
IN_BLOCKS = ("set block", "tandem alone")  # the last ends with the row; a new run begins a new one
BLOCKS = {name for name in SUBJECTS if name.startswith(IN_BLOCKS)}
RESTARTS = GREEDY | LENIENT | BLOCKS  # what they know of a text is not all on the canvas
DRAWN = ("speculative", "parallel draft", "block draft", "tandem draft")  # drafts drawn by chance
DRAWS = {name for name in SUBJECTS if name.startswith(DRAWN)}
EXACT = [name for name, make in SUBJECTS.items() if make(sized(6), 6).exact]
