"""A masked language model of a Hugging Face folder: BERT, RoBERTa, XLM-RoBERTa and their kin.

    lm = opened_masked_lm(read("path/to/xlm-roberta"))
    logp_BNV = lm.fill(canvas)                    # of a canvas of the tokens of `lm.units`

It stands where a `MaskedLM` that was trained here stands, for those that fill holes; its layers are
of another shape, so it lends none. Importing this module imports `transformers`.
Shapes: B rows, N cells, V vocabulary.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoModelForMaskedLM, PreTrainedModel

from anyorder.canvas import OPEN, PAD, Canvas
from anyorder.models.checkpoint import Checkpoint
from anyorder.models.hugging_network import network_of
from anyorder.models.tokenizer import units_of
from anyorder.units.text import TextUnits


@dataclass(frozen=True)
class HuggingFaceMaskedLM:
    """Satisfies `Denoiser`. `mask`: the token that its holes hold."""

    model: PreTrainedModel = field(repr=False)
    units: TextUnits = field(repr=False)
    name: str
    mask: int

    @torch.no_grad()
    def fill(self, canvas: Canvas) -> Float[Tensor, "B N V"]:
        """Log-probabilities of every cell, given those that are not open; all of them matter that
        the tokenizer puts around a text.
        """
        real_BN = canvas.status_BN != PAD
        # XLM-RoBERTa counts the places of what is no padding by its token
        padding = self.model.config.pad_token_id or 0
        tokens_BN = canvas.tokens_BN.masked_fill(canvas.status_BN == OPEN, self.mask)
        out = self.model(
            input_ids=tokens_BN.masked_fill(~real_BN, padding).to(self.model.device),
            attention_mask=real_BN.long().to(self.model.device),
        )
        return out.logits.float().log_softmax(-1).to(canvas.tokens_BN.device)


def opened_masked_lm(checkpoint: Checkpoint, precision: str = "float32") -> HuggingFaceMaskedLM:
    """The masked language model of a folder.

    Raises ValueError, with one sentence, for another kind of model, and a tokenizer that has no
    token for holes.
    """
    units = units_of(checkpoint)
    mask = units.tokenizer.mask_token_id
    if not isinstance(mask, int):
        raise ValueError(
            f"{checkpoint.name} has a tokenizer without a mask token: it hides nothing"
        )
    model = network_of(checkpoint, precision, AutoModelForMaskedLM, "masked language model")
    return HuggingFaceMaskedLM(model.eval(), units, checkpoint.name, mask)
