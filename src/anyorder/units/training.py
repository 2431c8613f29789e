"""Units that are learned from texts: letters, words, subwords; and the file that keeps them.

    units = subwords(texts, size=4000)
    units.decode(units.encode("Grüße"))           # the same text
    save_units(units, Path("target.json"))
    units = load_units(Path("target.json"))

All begin with the four tokens of `units.special`, and put none of them around a text by themselves.
The same texts give the same units, on every machine. Units that come from elsewhere keep their own
special tokens in the file, but not what those are for. Knows nothing of tasks or models.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from anyorder.units.special import BOS, EOS, SPECIAL, UNKNOWN
from anyorder.units.text import TextUnits

_BYTES: Final = [f"<0x{byte:02X}>" for byte in range(256)]
SMALLEST: Final = 300  # tokens of a subword vocabulary: the special ones, the bytes, a few letters
# Words with the space before them, single digits, runs of other signs, spaces that are left over.
_PARTS: Final = (
    r" ?[\p{L}\p{M}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s+(?!\S)|\s+"  # they cover every text
)


def letters(texts: Iterable[str]) -> TextUnits:
    """One token a character; a character that `texts` lack is unknown.

    Raises ValueError where there is no text.

    >>> units = letters(["abc"])
    >>> units.encode("cab"), units.decode([6, 4, 5])
    ([6, 4, 5], 'cab')
    """
    tokenizer = _listed(sorted(set().union(*texts)))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return _wrapped(tokenizer)


def words(texts: Iterable[str]) -> TextUnits:
    """One token for each word between white space; a word that `texts` lack is unknown.

    Decoding joins words with one space. Raises ValueError where there is no text.

    >>> units = words(["K AE T", "T AE K S"])
    >>> units.decode(units.encode("S AE T"))
    'S AE T'
    """
    found = {word for text in texts for word in text.split()}
    tokenizer = _listed(sorted(found - set(SPECIAL)))
    # else a word that is called like a special token would be one
    tokenizer.normalizer = normalizers.Replace(Regex("|".join(SPECIAL[1:])), SPECIAL[UNKNOWN])
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return _wrapped(tokenizer)


def subwords(texts: Iterable[str], *, size: int) -> TextUnits:
    """At most `size` tokens: byte-pair encoding within words, digits and signs, and bytes.

    Decoding gives every text back as it was: a character that the vocabulary lacks is written as
    its UTF-8 bytes. Raises ValueError where there is no text, or `size` is below `SMALLEST`.

    Source: Sennrich et al. 2016 (arXiv:1508.07909), section 3.2; byte fallback as in SentencePiece.
    """
    if size < SMALLEST:
        raise ValueError(f"{size} subwords are too few; bytes and letters alone need {SMALLEST}")
    texts = list(texts)
    counts = Counter[str]()
    for text in texts:
        counts.update(text)
    if not counts:
        raise ValueError("there is no text to learn units from")
    counts[" "] += len(texts)  # the one in front, see `_pipeline`
    # The trainer would break ties between rare characters by chance, so they are chosen here.
    room = (size - len(SPECIAL) - len(_BYTES)) // 2  # the rest is for what is merged
    common = sorted(counts, key=lambda character: (-counts[character], character))[:room]
    trained = _pipeline(Tokenizer(models.BPE()))
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[*SPECIAL, *_BYTES],
        initial_alphabet=common,
        limit_alphabet=len(common),
        show_progress=False,
    )
    trained.train_from_iterator(texts, trainer)
    return _wrapped(_pipeline(Tokenizer(_with_bytes(trained))))


def save_units(units: TextUnits, path: Path) -> None:
    """Write the file that `load_units` reads, all of it or nothing."""
    backend = getattr(units.tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ValueError("only units of a tokenizer of the `tokenizers` library can be saved")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part-{os.getpid()}")
    part.write_text(backend.to_str() + "\n", encoding="utf-8")
    os.replace(part, path)


def load_units(path: Path) -> TextUnits:
    """The units of a file. Raises OSError where there is none, ValueError for another kind."""
    text = path.read_text(encoding="utf-8")
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing more special
        raise ValueError(f"{path} holds no tokenizer that can be read") from error
    if tuple(map(tokenizer.id_to_token, range(len(SPECIAL)))) != SPECIAL:
        return foreign(tokenizer)
    return _wrapped(tokenizer)


def foreign(tokenizer: Tokenizer) -> TextUnits:
    """Units of a tokenizer from elsewhere: what is called like a special token is text here, too,
    and no token ends one.
    """
    from transformers import PreTrainedTokenizerFast  # seconds

    return TextUnits(PreTrainedTokenizerFast(tokenizer_object=tokenizer, split_special_tokens=True))


def _listed(tokens: list[str]) -> Tokenizer:
    """A tokenizer of whole tokens, in this order after the special ones."""
    if not tokens:
        raise ValueError("there is no text to learn units from")
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *tokens])}
    return Tokenizer(models.WordLevel(vocabulary, SPECIAL[UNKNOWN]))


def _pipeline(tokenizer: Tokenizer) -> Tokenizer:
    """What stands before and after byte-pair encoding. Spaces are parts of tokens.

    A text gets a space in front, so that a word is the same token wherever it stands.
    """
    tokenizer.normalizer = normalizers.Prepend(" ")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PARTS), "isolated")
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def _with_bytes(trained: Tokenizer) -> models.BPE:
    """The trained model again, in which bytes are tokens like others: decoding must show them."""
    model = json.loads(trained.to_str())["model"]
    merges = [(left, right) for left, right in model["merges"]]
    return models.BPE(model["vocab"], merges, unk_token=SPECIAL[UNKNOWN], byte_fallback=True)


def _wrapped(tokenizer: Tokenizer) -> TextUnits:
    from transformers import PreTrainedTokenizerFast  # seconds

    tokenizer.add_special_tokens(list(SPECIAL))
    names = dict(zip(("unk_token", "bos_token", "eos_token"), SPECIAL, strict=False))
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        split_special_tokens=True,  # "<eos>" in a text is five characters, not the end
        **names,
    )
    assert (wrapped.bos_token_id, wrapped.eos_token_id) == (BOS, EOS), "special tokens come first"
    return TextUnits(wrapped)
