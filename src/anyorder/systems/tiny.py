"""A language model without weights, for quick runs: bytes as units, a random table as network.

lm = tiny("float32")
lm = tiny("int8")          # the same table, a little worn: a draft that is often right
"""

from functools import cache
from typing import TYPE_CHECKING, cast

import torch

from anyorder.models.capability import CausalLM
from anyorder.models.language_model import LanguageModel
from anyorder.models.tables.language_model import TableLM
from anyorder.units.text import TextUnits

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

END = "<|end|>"
OFTEN = "abcdefgh"  # letters that follow any other: so texts run in circles, as drafters like it
WEAR = {"float32": 0.0, "bfloat16": 0.1, "int8": 0.5}  # noise on logits of standard deviation 3


def tiny(precision: str = "float32") -> LanguageModel:
    """The table of this precision: each is the float32 one with noise added to its logits."""
    tokenizer = byte_tokenizer()
    V = len(tokenizer)
    table = TableLM.random(seed=0, vocab_size=V, order=1, dtype=torch.float32)
    logits_VV = table.logits_HV.clone()
    logits_VV[:, tokenizer.encode(OFTEN)] += 8.0
    logits_VV[:, tokenizer.encode(END)] = -20.0  # texts run to their full length
    noise_VV = torch.randn(V, V, generator=torch.Generator().manual_seed(1))
    worn = cast(CausalLM, TableLM(logits_VV + WEAR[precision] * noise_VV))
    units = TextUnits(tokenizer)
    return LanguageModel(worn, units, f"tiny-{precision}", units.eos_ids, precision)


@cache
def byte_tokenizer() -> "PreTrainedTokenizerBase":
    """One token a byte, and an end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast  # seconds

    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({sign: i for i, sign in enumerate(signs)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END)
