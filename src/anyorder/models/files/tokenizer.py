"""The tokenizer of a checkpoint, built by `transformers` from its folder or its GGUF file."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anyorder.models.files.checkpoint import Checkpoint
from anyorder.models.files.gguf_file import GGUFFile
from anyorder.units.text import TextUnits

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

# Byte-level vocabularies whose digits stand alone. `transformers` 5.23 lets them be drawn into a
# run with the spaces before them: "  7" would be other tokens than those that were learned.
_SINGLE_DIGITS: Final = frozenset(
    ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")
)
_ADVICE: Final = (
    "copy tokenizer.json and what else begins with tokenizer there from the original model"
)
_CONTROL, _OWN = 3, 4  # types of a token: no text at all; text that is always found whole


def units_of(checkpoint: Checkpoint) -> TextUnits:
    """The text units of a checkpoint. Raises ValueError where there is no tokenizer to build, or
    none of its files are there: of some kinds `transformers` makes an empty one up.
    """
    source = checkpoint.tokenizer_source
    try:
        made = _of_gguf(source) if isinstance(source, GGUFFile) else _of_folder(source)
    except (ValueError, OSError, KeyError, TypeError, ImportError) as error:
        where = source.path if isinstance(source, GGUFFile) else source
        advice = f"; {_ADVICE}" if isinstance(source, Path) and not _kept(source, made=None) else ""
        raise ValueError(f"{where} has no tokenizer that transformers can build{advice}") from error
    if isinstance(source, Path) and not _kept(source, made):
        raise ValueError(f"{source} has no tokenizer: {_ADVICE}")
    return TextUnits(made, checkpoint.eos_ids)


def _kept(folder: Path, made: "PreTrainedTokenizerBase | None") -> bool:
    """Whether there is a file that a tokenizer (of this kind) is made of, or none is needed."""
    names = set(made.vocab_files_names.values()) if made is not None else {"tokenizer.json"}
    kinds = ("tokenizer.json", "*.model", "*.spm", "*.tiktoken", "tekken.json", *sorted(names))
    return not names or any(any(folder.glob(kind)) for kind in kinds)


def kept_units_of(checkpoint: Checkpoint) -> TextUnits:
    """The same of a folder. Raises ValueError, too, for pieces that no library here reads."""
    folder = checkpoint.tokenizer_source
    assert isinstance(folder, Path), "a GGUF file holds its tokenizer"
    pieces = [*folder.glob("*.spm"), *folder.glob("*.model")]
    if pieces and not (folder / "tokenizer.json").is_file() and find_spec("sentencepiece") is None:
        raise ValueError(
            f"{checkpoint.name} has {pieces[0].name}: install sentencepiece to read it"
        )
    return units_of(checkpoint)


def _of_folder(folder: Path) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def _of_gguf(file: GGUFFile) -> "PreTrainedTokenizerBase":
    # AutoTokenizer would read the config first, with a reader that takes seconds.
    from transformers import PreTrainedTokenizerFast

    if file.metadata.get("tokenizer.ggml.pre") not in _SINGLE_DIGITS:
        return PreTrainedTokenizerFast.from_pretrained(file.path.parent, gguf_file=file.path.name)
    data = {
        key.removeprefix("tokenizer.").removeprefix("ggml."): value
        for key, value in file.metadata.items()
        if key.startswith("tokenizer.")
    }
    ids = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    named = {f"{short}_token": data.get(f"{long}_token_id") for short, long in ids.items()}
    return PreTrainedTokenizerFast(
        tokenizer_object=_single_digits(data),
        chat_template=data.get("chat_template"),
        add_bos_token=data.get("add_bos_token", False),
        **{name: data["tokens"][i] for name, i in named.items() if i is not None},
    )


def _single_digits(data: dict[str, Any]) -> "Tokenizer":
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens, kinds = data["tokens"], data["token_type"]
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in data["merges"])]
    made = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, pairs))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    for token, kind in zip(tokens, kinds, strict=True):
        if kind == _CONTROL:
            made.add_special_tokens([AddedToken(token, normalized=False, special=True)])
        elif kind == _OWN:
            made.add_tokens([AddedToken(token, normalized=False)])
    return made
