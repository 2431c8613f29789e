"""Paradigms that write left to right and learn to guess ahead: heads, masks, pseudo cells, fewer
layers; and one that only guesses.

    guessing()["blockwise"]

Shapes do not appear here.
"""

from collections.abc import Mapping
from typing import Any

from anyorder.objectives.ahead import Ahead, Leaps
from anyorder.objectives.block_draft import BlockDrafting
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.objectives.foretell import Foretell
from anyorder.objectives.masked_ahead import MaskedAhead
from anyorder.objectives.multi_token import MultiToken
from anyorder.objectives.next_and_ahead import NextAndAhead
from anyorder.objectives.recursive import Recursive
from anyorder.objectives.semi_autoregressive import SemiAutoregressiveTuning
from anyorder.objectives.set_block import SetBlockTuning
from anyorder.objectives.tandem import TandemTuning
from anyorder.objectives.token_order import TokenOrder
from anyorder.train.paradigm import Paradigm, extended
from anyorder.units.special import BLANK, BOS, EOS


def guessing() -> Mapping[str, Paradigm]:
    """By name; sizes of a laptop."""
    return {
        **_headed(),
        **_looking_ahead(),
        **_skipping(),
        **_masked_ahead(),
        **_foretelling(),
        **_masking(),
        **_in_tandem(),
    }


def _headed() -> dict[str, Paradigm]:
    """Left to right, with heads that guess what stands further ahead."""
    headed = {"encoder_layers": 6, "decoder_layers": 1, "kind": "headed"}
    framed = {"bos": BOS, "eos": EOS}
    again = {**headed, "kind": "recursive", "more": {**framed, "frequent": 512}}
    leaping = {**headed, "kind": "leaping", "more": {**framed, "heads": 7, "stride": 2}}
    headed |= {"more": {**framed, "heads": 7}}
    return {
        "blockwise": Paradigm(objective=Ahead(), **headed),
        "blockwise-tuned": Paradigm(objective=NextAndAhead(), **headed),
        "blockwise-frozen": Paradigm(objective=Ahead(frozen=True), **headed),
        "leaps": Paradigm(objective=Leaps(), **leaping),
        "leaps-frozen": Paradigm(objective=Leaps(frozen=True), **leaping),
        "fastmtp": Paradigm(objective=Recursive(), **again),
        "fastmtp-one-step": Paradigm(objective=Recursive(steps=1), **again),
    }


def _looking_ahead() -> dict[str, Paradigm]:
    """As `autoregressive`; what comes later is learnt, too, and not asked when they write."""
    framed = {"bos": BOS, "eos": EOS}
    return {
        "token-order": Paradigm(
            kind="token-order",
            objective=TokenOrder(),
            encoder_layers=3,
            decoder_layers=3,
            more=framed,
        ),
        "multi-token": Paradigm(
            kind="headed",
            objective=MultiToken(),
            encoder_layers=3,
            decoder_layers=3,
            more={**framed, "heads": 3},
            decoder="left-to-right",
        ),
    }


def _skipping() -> dict[str, Paradigm]:
    """As `deep`, with fewer layers for later tokens, or the same few for all: on top, or below."""

    def of(most: int, least: int, warmup: int = 1) -> Paradigm:
        depths = {"most": most, "least": least, "until": 24, "warmup": warmup}
        return Paradigm(
            kind="skipping",
            objective=CrossEntropy(),
            encoder_layers=6,
            decoder_layers=6,
            more={"bos": BOS, "eos": EOS, **depths},
        )

    return {
        "skip-4": of(6, 2),
        "skip-3": of(4, 2),
        "skip-2": of(3, 1),
        **{f"truncated-{n}": of(n, n, warmup=n) for n in (6, 4, 3, 2)},
        "skip-evenly-3": of(3, 3),
    }


def _masked_ahead() -> dict[str, Paradigm]:
    """Left to right, and several tokens at once off masks: draft models. The blank, which no text
    here has, is the mask.
    """
    shallow = {"encoder_layers": 6, "decoder_layers": 1, "kind": "seq2seq"}
    shallow |= {"more": {"bos": BOS, "eos": EOS}}
    return {
        "pard": Paradigm(objective=MaskedAhead(BLANK), **shallow),
        "pard-even": Paradigm(objective=MaskedAhead(BLANK, even=True), **shallow),
        "pard-whole": Paradigm(objective=MaskedAhead(BLANK, keep=1.0), **shallow),
    }


def _foretelling() -> dict[str, Paradigm]:
    """A deep model that stays as it is, and what guesses three tokens behind its next one: heads on
    its last layer, or cells that pass some of its layers.
    """
    deep = {"encoder_layers": 6, "decoder_layers": 6, "objective": Foretell()}
    deep |= {"more": {"bos": BOS, "eos": EOS}}
    transfer = extended(Paradigm(kind="transfer", **deep), transfers=3)
    return {
        "deep-heads": extended(Paradigm(kind="headed", **deep), heads=3),
        "hidden-transfer": extended(transfer, passes=3),
        "hidden-transfer-early": extended(transfer, passes=5),
        "hidden-transfer-late": extended(transfer, passes=1),
    }


def _masking() -> dict[str, Paradigm]:
    """Left to right, and several tokens at once where masks are read, begun from a `deep`; and a
    draft model that does nothing but fill blocks of masks, begun from a `deep-shallow`.
    """
    more = {"bos": BOS, "eos": EOS, "mask": BLANK}
    foretelling, blocks = SemiAutoregressiveTuning(), SetBlockTuning()
    kinds = {"space": ("semi-autoregressive", foretelling), "set-block": ("set-block", blocks)}
    found = {
        name: Paradigm(kind=kind, objective=tuning, encoder_layers=6, decoder_layers=6, more=more)
        for name, (kind, tuning) in kinds.items()
    }
    drafter = Paradigm(
        kind="set-block",
        objective=BlockDrafting(),
        encoder_layers=6,
        decoder_layers=1,
        more={**more, "longest_block": 8},
    )
    return {**found, "block-draft": drafter}


def _in_tandem() -> dict[str, Paradigm]:
    """A deep model that stays as it is, and a small one beside it, which sees what that knows of
    the text; or of the source alone.
    """
    deep: dict[str, Any] = {"encoder_layers": 6, "decoder_layers": 6}
    deep |= {"more": {"bos": BOS, "eos": EOS, "small_layers": 1}}
    drawn, twos = TandemTuning(), TandemTuning(longest=2)
    return {
        "tandem": Paradigm(kind="tandem", objective=drawn, **deep),
        "tandem-alone": Paradigm(kind="tandem-alone", objective=drawn, **deep),
        "tandem-twos": Paradigm(kind="tandem", objective=twos, **deep),
    }
