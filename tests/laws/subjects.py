"""Who must obey: every decoder, in one line each. A new decoder joins here.

A factory gets a draft model that has nothing to do with the target, and the size of the vocabulary.
"""

from collections.abc import Callable
from typing import Any

from anyorder.decode.draft_verify.aggressive import AggressiveDecoding
from anyorder.decode.draft_verify.alignment_sampling import AlignmentSampling
from anyorder.decode.draft_verify.auto import Auto
from anyorder.decode.draft_verify.block_draft import BlockDraft
from anyorder.decode.draft_verify.blockwise import Blockwise
from anyorder.decode.draft_verify.draft_tree import FixedTree, OptTree
from anyorder.decode.draft_verify.grouped import Grouped
from anyorder.decode.draft_verify.head_tree import HeadTree
from anyorder.decode.draft_verify.jacobi import Jacobi
from anyorder.decode.draft_verify.lenient import Lenient
from anyorder.decode.draft_verify.looking_backward import LookingBackward
from anyorder.decode.draft_verify.parallel_draft import ParallelDraft
from anyorder.decode.draft_verify.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.recursive_head import RecursiveHead
from anyorder.decode.draft_verify.space import Space
from anyorder.decode.draft_verify.speculative import Speculative
from anyorder.decode.draft_verify.tandem_draft import TandemDraft
from anyorder.decode.draft_verify.through_text import ThroughText
from anyorder.decode.draft_verify.token_recycling import TokenRecycling
from anyorder.decode.draft_verify.trigram_search import TrigramSearch
from anyorder.decode.draft_verify.trigrams import Trigrams
from anyorder.decode.in_order.any_subset import AnySubset, Unchecked
from anyorder.decode.left_to_right.beam import Beam
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.left_to_right.tandem import Tandem
from anyorder.decode.refine.set_block import SetBlock
from anyorder.models.table import TableLM
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
    "lenient, recursive head": lambda draft, V: Lenient(RecursiveHead(width=4), top=3),
    "lenient, looking backward": lambda draft, V: Lenient(LookingBackward(width=4), top=3),
    "SPACE": lambda draft, V: Space(width=3),
    "SPACE, one mask": lambda draft, V: Space(width=1),
    "SPACE, in two calls": lambda draft, V: Space(width=4, fused=False),
    "lenient": lambda draft, V: Lenient(Blockwise(), top=2, gap=1.0),
    "lenient, alignment sampling": lambda draft, V: Lenient(AlignmentSampling(size=6), share=0.5),
    "lenient, SPACE": lambda draft, V: Lenient(Space(width=2), top=2),
    "lenient, SPACE in two calls": lambda draft, V: Lenient(Space(width=3, fused=False), top=3),
    "lenient, with a tree": lambda draft, V: Lenient(FixedTree(draft, size=6), distance=1),
    "lenient, drawn": lambda draft, V: Lenient(Speculative(draft, width=3), top=3),
    "lenient, block draft": lambda draft, V: Lenient(BlockDraft(draft, width=3), top=2),
    "lenient, through text": lambda draft, V: Lenient(
        ThroughText(Speaking.of(sized(9), WITH_PAIRS), width=3, units=alphabet(V)), top=3
    ),
    "grouped": lambda draft, V: Grouped(Speculative(draft, width=3), reach=1),
    "grouped, near": lambda draft, V: Grouped(Speculative(draft, width=2), distance=9.0),
    "grouped, in one call": lambda draft, V: Grouped(ParallelDraft(draft, width=2), gap=1.0),
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
    "lenient, tandem draft": lambda draft, V: Lenient(TandemDraft(width=3), top=2),
    "tandem alone": lambda draft, V: Tandem(block=3),
    "tandem alone, one by one": lambda draft, V: Tandem(block=1),
    "tandem alone, one free": lambda draft, V: Tandem(block=4, free=True),
    "beam": lambda draft, V: Beam(width=3),
    "beam, narrow": lambda draft, V: Beam(width=1),
}
GREEDY = {name for name in SUBJECTS if name.startswith("beam")}  # they weigh texts and draw none
LENIENT = {name for name in SUBJECTS if name.startswith("lenient")}  # what is guessed counts
IN_BLOCKS = ("set block", "tandem alone")  # the last ends with the row; a new run begins a new one
BLOCKS = {name for name in SUBJECTS if name.startswith(IN_BLOCKS)}
RESTARTS = GREEDY | LENIENT | BLOCKS  # what they know of a text is not all on the canvas
DRAWN = ("speculative", "parallel draft", "block draft", "tandem draft")  # drafts drawn by chance
DRAWS = {name for name in SUBJECTS if name.startswith(DRAWN)}
EXACT = [name for name, make in SUBJECTS.items() if make(sized(6), 6).exact]
