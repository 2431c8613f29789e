"""Decoders: ways to generate. One folder per loop, one small file per decoder."""

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
from anyorder.decode.draft_verify.through_text import ThroughText
from anyorder.decode.draft_verify.token_recycling import TokenRecycling
from anyorder.decode.draft_verify.trigram_search import TrigramSearch
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
