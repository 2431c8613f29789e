"""The vocabulary of a GGUF file as llama.cpp reads it, with the file's own chat template.

    units = units_of(weights)
    units.encode("Once upon a time", chat=True)

`Vocabulary` answers what `TextUnits` asks of a tokenizer of `transformers`, by the same names.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

from anyorder.models.llamacpp.library import Weights, library
from anyorder.units.text import TextUnits

_SPECIAL: Final = 1 | 8  # of the attributes of a token: it stands for no text (unknown, control)
_SENTENCEPIECE: Final = 1  # the kind of vocabulary whose texts begin with a space of their own


def units_of(weights: Weights) -> TextUnits:
    """The text units of a file; a text ends where llama.cpp would end it."""
    vocabulary = Vocabulary(weights)
    return TextUnits(cast(Any, vocabulary), vocabulary.end_ids)


@dataclass(frozen=True)
class Added:
    """What `transformers` tells of a token beside its name."""

    special: bool


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The tokens of an opened file."""

    weights: Weights

    @property
    def bos_token_id(self) -> int | None:
        return self._known(library().llama_vocab_bos(self._pointer))

    @property
    def eos_token_id(self) -> int | None:
        return self._known(library().llama_vocab_eos(self._pointer))

    @property
    def unk_token_id(self) -> int | None:
        """The first that stands for what is unknown."""
        return next((token for token in range(self._size) if self._attributes(token) & 1), None)

    @cached_property
    def end_ids(self) -> tuple[int, ...]:
        """Every token at which llama.cpp ends a text, the file's own end first."""
        ends = [i for i in range(self._size) if library().llama_vocab_is_eog(self._pointer, i)]
        return tuple(sorted(ends, key=lambda token: token != self.eos_token_id))

    @cached_property
    def chat_template(self) -> str | None:
        """The file's own, in Jinja."""
        found = library().llama_model_chat_template(self.weights.pointer, None)
        return found.decode() if found else None

    @cached_property
    def added_tokens_decoder(self) -> Mapping[int, Added]:
        """Of the special tokens, that they are."""
        special = [i for i in range(self._size) if self._attributes(i) & _SPECIAL]
        return dict.fromkeys(special, Added(special=True))

    def get_vocab(self) -> Mapping[str, int]:
        """The number of each token by its name."""
        return {name: token for token, name in enumerate(self._names)}

    def convert_ids_to_tokens(self, token: int) -> str:
        """The name of a token, "" beyond the vocabulary."""
        return self._names[token] if 0 <= token < self._size else ""

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """The tokens of a text; special ones that it names are found in it."""
        raw = text.encode(errors="replace")
        room = len(raw) + 2  # a token has a byte at least, and two may stand around the text
        tokens = (ctypes.c_int32 * room)()
        count = library().llama_tokenize(
            self._pointer, raw, len(raw), tokens, room, add_special_tokens, True
        )
        assert count >= 0, "more tokens than bytes"
        return list(tokens[:count])

    def decode(
        self,
        ids: Sequence[int],
        *,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool = False,
    ) -> str:
        """The text of tokens, bytes that are no UTF-8 shown as U+FFFD."""
        assert not clean_up_tokenization_spaces, "a text is shown as it was written"
        raw = b"".join(self._bytes(i, special=not skip_special_tokens) for i in ids)
        text = raw.decode(errors="replace")
        return text.removeprefix(" ") if self._begins_with_space else text

    def apply_chat_template(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        tokenize: bool = False,
        add_generation_prompt: bool = False,
    ) -> str:
        """A conversation as the file's template writes it. Raises Jinja's TemplateError."""
        from transformers.utils.chat_template_utils import render_jinja_template  # seconds

        assert self.chat_template, "there is a template"
        assert not tokenize, "a template makes a text"
        render: Any = render_jinja_template  # it takes whatever templates may name
        rendered, _ = render(
            conversations=[list(messages)],
            chat_template=self.chat_template,
            add_generation_prompt=add_generation_prompt,
            bos_token=self._name(self.bos_token_id),
            eos_token=self._name(self.eos_token_id),
        )
        return rendered[0]

    @property
    def _pointer(self) -> Any:
        return self.weights.vocabulary

    @cached_property
    def _size(self) -> int:
        return library().llama_vocab_n_tokens(self._pointer)

    @cached_property
    def _names(self) -> list[str]:
        get = library().llama_vocab_get_text
        return [get(self._pointer, i).decode(errors="replace") for i in range(self._size)]

    def _name(self, token: int | None) -> str:
        return "" if token is None else self._names[token]

    @cached_property
    def _begins_with_space(self) -> bool:
        """Whether a space is put before each text when it is read."""
        api, answer = library(), ctypes.create_string_buffer(8)
        api.llama_model_meta_val_str(
            self.weights.pointer, b"tokenizer.ggml.add_space_prefix", answer, len(answer)
        )
        is_of_pieces = api.llama_vocab_type(self._pointer) == _SENTENCEPIECE
        return answer.value == b"true" or (is_of_pieces and answer.value != b"false")

    @cached_property
    def _known_bytes(self) -> dict[tuple[int, bool], bytes]:
        """Those that were asked for."""
        return {}

    def _bytes(self, token: int, *, special: bool) -> bytes:
        if not 0 <= token < self._size:
            return b""
        found = self._known_bytes.get((token, special))
        if found is None:
            most = 4 * len(self._names[token].encode()) + 8
            buffer = ctypes.create_string_buffer(most)
            count = library().llama_token_to_piece(self._pointer, token, buffer, most, 0, special)
            assert count >= 0, "a piece is no longer than its name"
            found = self._known_bytes[token, special] = buffer.raw[:count]
        return found

    def _attributes(self, token: int) -> int:
        return library().llama_vocab_get_attr(self._pointer, token)

    def _known(self, token: int) -> int | None:
        return token if token >= 0 else None
