"""An encoder-decoder of a Hugging Face folder with all that is needed to write with it.

    translator = opened_translator(read("path/to/opus-mt"), "float32")     # anyorder.load does it
    model, canvas = translator.begin(["hello"], max_new_tokens=40)

What begins and ends a target stands in the folder (`generation_config.json`, or `config.json`), as
`transformers` reads it. It knows nothing of the rest that stands there: lengths, repeated n-grams
and beams are the decoder's affair. Importing this module imports `transformers`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from anyorder.canvas import GIVEN, Canvas
from anyorder.models.files.checkpoint import Checkpoint
from anyorder.models.files.tokenizer import kept_units_of
from anyorder.models.hugging.network import network_of
from anyorder.models.hugging.seq2seq import HuggingFaceSeq2Seq, HuggingFaceSourceLM
from anyorder.models.writer import checked
from anyorder.units.text import TextUnits


@dataclass(frozen=True)
class Frame:
    """What stands around a target, and what never stands in it.

    `begins`: the tokens before the first that is written (a start, a language). `ends`: the token
    in the last cell there is, if one is forced. `eos_ids` end a text; `never` is not written.
    """

    begins: tuple[int, ...]
    ends: int | None
    eos_ids: tuple[int, ...]
    never: tuple[int, ...]


@dataclass(frozen=True)
class HuggingFaceTranslator:
    """An encoder-decoder, its units, and the frame of its targets. Satisfies `Writer`."""

    net: HuggingFaceSeq2Seq = field(repr=False)
    source_units: TextUnits = field(repr=False)
    units: TextUnits = field(repr=False)
    name: str
    frame: Frame
    precision: str = "float32"

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """What ends a text."""
        return self.frame.eos_ids

    @property
    def decoder(self) -> str:
        """The decoder that suits it."""
        return "left-to-right"

    def begin(
        self, prompts: Sequence[str], *, max_new_tokens: int, chat: bool | None = None
    ) -> tuple[HuggingFaceSourceLM, Canvas]:
        """The network after it has read these sources, and a canvas on which each target has begun.

        Raises ValueError for a source that is empty, and for one beyond the model's positions.
        """
        rows = []
        for which, prompt in zip(checked(prompts, max_new_tokens), prompts, strict=True):
            if not prompt.strip():  # its end alone would be read, and a text made up
                raise ValueError(f"{which} is empty; write at least one word")
            row = self.source_units.encode(prompt)
            if len(row) > self.net.max_length:
                raise ValueError(
                    f"{which} has {len(row)} tokens; {self.name} reads {self.net.max_length} "
                    "at most: shorten it"
                )
            rows.append(row)
        begins = list(self.frame.begins)
        cells = min(max_new_tokens, self.net.max_length - len(begins))
        canvas = Canvas.of_prompts([begins] * len(rows), new_cells=[cells] * len(rows))
        return self.having_read(rows), self._ended(canvas)

    def having_read(self, sources: Sequence[Sequence[int]]) -> HuggingFaceSourceLM:
        """The network after it has read these sources, as token ids."""
        return self.net.read(sources)

    def _ended(self, canvas: Canvas) -> Canvas:
        """With the end that is forced, if one is, in the last cell."""
        if self.frame.ends is None:
            return canvas
        tokens_BN, status_BN = canvas.tokens_BN.clone(), canvas.status_BN.clone()
        tokens_BN[:, -1], status_BN[:, -1] = self.frame.ends, GIVEN
        return replace(canvas, tokens_BN=tokens_BN, status_BN=status_BN)


def opened_translator(checkpoint: Checkpoint, precision: str) -> HuggingFaceTranslator:
    """The translator of a Hugging Face folder.

    Raises ValueError, with one sentence, where the folder lacks something, or holds another kind of
    model.
    """
    source_units = kept_units_of(checkpoint)
    frame = frame_of(checkpoint, source_units.eos_ids)
    model = network_of(checkpoint, precision, AutoModelForSeq2SeqLM, "encoder-decoder of texts")
    return HuggingFaceTranslator(
        net=HuggingFaceSeq2Seq(model, frame.never),
        source_units=source_units,
        units=_target_units(checkpoint, source_units),
        name=checkpoint.name,
        frame=frame,
        precision=precision,
    )


def frame_of(checkpoint: Checkpoint, eos_ids: tuple[int, ...]) -> Frame:
    """What the folder says of its targets; `eos_ids` if it does not say what ends them.

    Of `bad_words_ids` those of one token count, and all of `suppress_tokens`. Raises ValueError
    where nothing begins a target.
    """
    stated = _stated(checkpoint)
    start = stated("decoder_start_token_id")
    if start is None:
        start = stated("bos_token_id")
    if not isinstance(start, int):
        raise ValueError(
            f"{checkpoint.name} does not say which token begins a target: state "
            "decoder_start_token_id in its generation_config.json"
        )
    first, ends = stated("forced_bos_token_id"), stated("forced_eos_token_id")
    ends = ends[0] if isinstance(ends, list) else ends
    eos_ids = checkpoint.eos_ids or eos_ids
    bad = [word[0] for word in stated("bad_words_ids") or () if len(word) == 1]
    never = {*bad, *(stated("suppress_tokens") or ())} - {*eos_ids}
    return Frame(
        begins=(start,) if first is None else (start, int(first)),
        ends=ends,
        eos_ids=eos_ids,
        never=tuple(sorted(never)),
    )


def _stated(checkpoint: Checkpoint) -> Callable[[str], Any]:
    """Looks a name up in the generation config, then in the config."""
    path = _folder(checkpoint) / "generation_config.json"
    first = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def stated(name: str) -> Any:
        found = first.get(name)
        return checkpoint.config.get(name) if found is None else found

    return stated


def _target_units(checkpoint: Checkpoint, source_units: TextUnits) -> TextUnits:
    """Those of the source, but where the tokenizer has two sides (Marian): then of the second."""
    pieces = _folder(checkpoint) / "target.spm"
    if not pieces.is_file():
        return source_units
    vocabulary = pieces.with_name("target_vocab.json")
    own = {"vocab": str(vocabulary), "separate_vocabs": False} if vocabulary.is_file() else {}
    tokenizer = AutoTokenizer.from_pretrained(
        pieces.parent, source_spm=str(pieces), trust_remote_code=False, **own
    )
    return TextUnits(tokenizer, source_units.eos_ids)


def _folder(checkpoint: Checkpoint) -> Path:
    assert isinstance(checkpoint.tokenizer_source, Path), "no GGUF file holds an encoder-decoder"
    return checkpoint.tokenizer_source
