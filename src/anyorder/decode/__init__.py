"""Decoders: ways to generate. One folder per loop, one small file per decoder."""

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
from anyorder.decode.draft_verify.from_models.through_text import ThroughText
from anyorder.decode.draft_verify.from_text.aggressive import AggressiveDecoding
from anyorder.decode.draft_verify.from_text.alignment_sampling import AlignmentSampling
from anyorder.decode.draft_verify.from_text.jacobi import Jacobi
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.from_text.token_recycling import TokenRecycling
from anyorder.decode.draft_verify.from_text.trigram_search import TrigramSearch
from anyorder.decode.draft_verify.judges.grouped import Grouped
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.in_order.any_subset import AnySubset, Unchecked
from anyorder.decode.left_to_right.beam import Beam
from anyorder.decode.left_to_right.plain import LeftToRight

__all__ = [
    "AggressiveDecoding",
    "AlignmentSampling",
    "AnySubset",
    "Auto",
    "Beam",
    "BlockDraft",
    "Blockwise",
    "FixedTree",
    "Grouped",
    "HeadTree",
    "Jacobi",
    "LeftToRight",
    "Lenient",
    "LookingBackward",
    "OptTree",
    "ParallelDraft",
    "PromptCopy",
    "RecursiveHead",
    "Space",
    "Speculative",
    "ThroughText",
    "TokenRecycling",
    "TrigramSearch",
    "Unchecked",
]
