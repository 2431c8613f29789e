"""Text as subwords: what a token id means, and back.

    units = TextUnits(tokenizer)                  # any tokenizer of `transformers`
    ids = units.encode("Once upon a time")
    stream = units.stream()
    text = "".join(stream.push(i) for i in ids) + stream.flush()

Knows nothing of models. A stream never shows half a character and never takes back what it showed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from jinja2 import TemplateError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BROKEN: Final = "\ufffd"  # what stands for bytes that are no UTF-8
_BYTE: Final = re.compile(r"<0x[0-9A-Fa-f]{2}>")  # a byte token of a SentencePiece vocabulary


def _signs() -> dict[str, int]:
    """The byte that each sign of a byte-level vocabulary stands for (GPT-2's table)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(others)}


_BYTE_OF: Final = _signs()


@dataclass(frozen=True)
class TextUnits:
    """Subword units of a tokenizer.

    `eos_ids`: the ids that end a text; left empty, the one that the tokenizer names.
    """

    tokenizer: "PreTrainedTokenizerBase"
    eos_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        stated = self.tokenizer.eos_token_id
        if not self.eos_ids and isinstance(stated, int):
            object.__setattr__(self, "eos_ids", (stated,))

    @cached_property
    def vocab_size(self) -> int:
        """All ids of the tokenizer lie below it; a model's own vocabulary may be padded further."""
        return max(self.tokenizer.get_vocab().values(), default=-1) + 1

    @cached_property
    def around(self) -> int:
        """How many tokens the tokenizer puts around a text by itself."""
        return len(self.encode(""))

    @property
    def has_chat(self) -> bool:
        """Whether there is a template for conversations."""
        return bool(self.tokenizer.chat_template)

    def chats(self, asked: bool | None, name: str) -> bool:
        """Whether prompts are put into the template: as asked; None: if there is one. Raises
        ValueError where it is asked for, and the model of this name has none.
        """
        if asked and not self.has_chat:
            raise ValueError(f"{name} has no chat template: leave chat out")
        return self.has_chat if asked is None else asked

    def encode(self, text: str, *, chat: bool = False) -> list[int]:
        """The ids of `text`, with what the tokenizer itself puts around one (a first token, say).

        `chat`: as one message of a user, ready for the answer; plain where there is no template.
        """
        if not (chat and self.has_chat):
            return list(self.tokenizer.encode(text))
        return self.encode_messages([{"role": "user", "content": text}])

    def encode_messages(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """The ids of a conversation (each turn with its `role` and `content`), ready for the
        answer. Raises ValueError where there is no template, and for what the template refuses.
        """
        if not self.has_chat:
            raise ValueError("this model has no chat template: give it a prompt, not messages")
        try:
            rendered = self.tokenizer.apply_chat_template(
                [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            raise ValueError(f"the model's chat template refuses this: {error}") from error
        assert isinstance(rendered, str), "one conversation gives one text"
        # A template writes the special tokens itself.
        return list(self.tokenizer.encode(rendered, add_special_tokens=False))

    def plain(self, text: str) -> list[int]:
        """The ids of `text`, and nothing around them."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`, as it was: special tokens are left out, spaces are not tidied."""
        return self._text(ids, special=False)

    def piece(self, token: int) -> str:
        """One token as it would stand in the middle of a text, for display.

        A special token shows its name, a broken character U+FFFD, an id beyond the vocabulary "".
        """
        piece = self._pieces.get(token)
        if piece is None:
            both = self._text([*self._anchor, token], special=True)
            piece = self._pieces[token] = both.removeprefix(self._anchor_text)
        return piece

    def bytes_of(self, token: int) -> bytes | None:
        """The bytes of one token as it would stand in the middle of a text; None if the tokenizer
        does not tell them (a broken character, of a vocabulary that is not one of bytes).
        """
        piece = self.piece(token)
        if BROKEN not in piece:
            return piece.encode()
        name = str(self.tokenizer.convert_ids_to_tokens(token))
        if token in self.byte_ids:
            return bytes([int(name[3:5], 16)])
        known = all(sign in _BYTE_OF for sign in name)
        return bytes(_BYTE_OF[sign] for sign in name) if known else None

    def stream(self) -> "TextStream":
        """A detokeniser for ids that come one by one."""
        return TextStream(self)

    @cached_property
    def shown_ids(self) -> frozenset[int]:
        """The tokens that `decode` does not pass over: known ones that are not special."""
        added = self.tokenizer.added_tokens_decoder
        special = {i for i, token in added.items() if token.special}
        return frozenset(self.tokenizer.get_vocab().values()) - special

    @cached_property
    def byte_ids(self) -> frozenset[int]:
        """Byte tokens of a SentencePiece vocabulary: a run is text only if all of it is UTF-8."""
        vocabulary = self.tokenizer.get_vocab()
        return frozenset(i for name, i in vocabulary.items() if _BYTE.fullmatch(name))

    @cached_property
    def _anchor(self) -> list[int]:
        """Some plain token: many decoders strip the space of the token that comes first."""
        return self.tokenizer.encode("a", add_special_tokens=False)[-1:]

    @cached_property
    def _anchor_text(self) -> str:
        return self._text(self._anchor, special=True)

    @cached_property
    def _pieces(self) -> dict[int, str]:
        """Pieces that were asked for: every trace asks for those of its tokens."""
        return {}

    def _text(self, ids: list[int], *, special: bool) -> str:
        text = self.tokenizer.decode(
            ids, skip_special_tokens=not special, clean_up_tokenization_spaces=False
        )
        assert isinstance(text, str), "one list of ids gives one text"
        return text


class TextStream:
    """Turns tokens into text as they come; made by `TextUnits.stream`.

    Only a window is decoded again at each token: from the last token that ended a character on,
    so that the work for a token does not grow with the text.
    """

    def __init__(self, units: TextUnits) -> None:
        self._units = units
        self._window: list[int] = []
        self._shown = 0  # characters of the window's text that were handed out

    def push(self, token: int, /) -> str:
        """The text that is certain now and was not before; often "" within a character."""
        if token not in self._units.shown_ids:
            return ""
        self._window.append(token)
        if token in self._units.byte_ids:
            return ""  # what follows may still break it
        text = self._units.decode(self._window)
        # Only the last sign may be the beginning of a character; one before it is broken for good.
        is_open = text.endswith(BROKEN)
        new = self._show(text[:-1] if is_open else text)
        self._forget(is_open)
        return new

    def flush(self) -> str:
        """The rest: a character that was never finished shows as U+FFFD."""
        rest = self._show(self._units.decode(self._window))
        self._window, self._shown = [], 0
        return rest

    def _show(self, text: str) -> str:
        new = text[self._shown :]
        self._shown = max(self._shown, len(text))
        return new

    def _forget(self, is_open: bool) -> None:
        """Shorten the window to what the tokens to come still need."""
        self._window = self._window[-4:] if is_open else self._window[-1:]  # a character: 4 bytes
        self._shown = len(self._units.decode(self._window)) - is_open
