"""Masked language models of Hugging Face folders, small enough for a test, tokenizers included.

Each knows digits, some letters and words of the pairs that `tests.cli.test_train` makes.
"""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    BertTokenizer,
    PreTrainedTokenizerBase,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

LETTERS = "0123456789adnu"
SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}


def xlm_roberta() -> XLMRobertaTokenizer:
    """Pieces of which the last one is called like the hole, as in the real one."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "\u2581", *LETTERS, "\u2581and", "\u2581und"]
    vocab = [(piece, -2.0 - len(pieces) / 9 + len(piece) / 9) for piece in pieces]
    return XLMRobertaTokenizer(vocab=[*vocab, ("<mask>", 0.0)])


def bert() -> BertTokenizer:
    """Whole numbers are cut into digits."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, "and", "und"]
    pieces += [f"##{letter}" for letter in LETTERS]
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)})


def roberta() -> RobertaTokenizer:
    """Bytes, and the words that are made of them."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *LETTERS, "\u0120", "nd", "and", "und", "<mask>"]
    merges: Any = [("n", "d"), ("a", "nd"), ("u", "nd")]
    vocab: Any = {piece: i for i, piece in enumerate(pieces)}
    return RobertaTokenizer(vocab=vocab, merges=merges)


TOKENIZERS = {"bert": bert, "roberta": roberta, "xlm-roberta": xlm_roberta}


def folder(
    path: Path,
    kind: str = "xlm-roberta",
    *,
    dtype: str = "float32",
    seed: int = 0,
    **changes: Any,
) -> Path:
    """The folder of a random one."""
    made: PreTrainedTokenizerBase = TOKENIZERS[kind]()
    made.save_pretrained(path)
    config = AutoConfig.for_model(
        kind, vocab_size=len(made), **{**SIZES, **changes}, initializer_range=0.3
    )
    torch.manual_seed(seed)
    AutoModelForMaskedLM.from_config(config).to(getattr(torch, dtype)).save_pretrained(path)
    return path
