"""What the cost of a call of a `transformers` model depends on, beside the machine.

    fingerprint(AutoModelForCausalLM.from_pretrained(folder))     # llama-30x576-134515008-...

Models of one kind and size are alike in that. Importing this module imports `transformers`.
"""

import transformers
from transformers import PreTrainedModel


def fingerprint(model: PreTrainedModel) -> str:
    """A name for a file of the cache folder; see `decode.draft_verify.by_cost.cost`."""
    config = model.config.get_text_config()
    parts = (
        config.model_type,
        f"{config.num_hidden_layers}x{config.hidden_size}",
        model.num_parameters(),
        str(model.dtype).removeprefix("torch."),
        model.device.type,
        getattr(config, "_attn_implementation", None) or "eager",
        transformers.__version__,
    )
    return "-".join(map(str, parts)).replace("/", ".")
