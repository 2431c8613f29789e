"""Any decoder here in Spec-Bench (Xia et al. 2024, arXiv:2401.07851): its `forward_func`.

    from anyorder.interop.spec_bench import forward

    run_eval(model=model, tokenizer=tokenizer, forward_func=forward("token-recycling"), ...)

Its contract, as its `evaluation/eval.py` has it: `forward_func(inputs, model, tokenizer,
max_new_tokens, **options)` returns `output_ids` (prompt and text), `new_token` (how many are new),
`steps` (calls of the model) and `accept_lengths` (tokens that each step wrote).
Importing this module imports `transformers`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxtyping import Int
from torch import Tensor
from transformers import BatchEncoding, PreTrainedModel

from anyorder.decode.run import Decoder
from anyorder.interop.transformers import decoder
from anyorder.trace import Trace

Forwarded = tuple[Int[Tensor, "1 N"], int, int, list[int]]


def forward(
    chosen: Decoder | str,
    *,
    precision: str | None = None,
    head: str | Path | None = None,
    **asked: Any,
) -> Callable[..., Forwarded]:
    """A `forward_func` for a decoder, or the name of one.

    `precision` and `head` as in `interop.transformers.decoder`; `asked`: further arguments of
    `generate`. Of Spec-Bench's own options `temperature` counts; above 0 the text is drawn. Raises
    ValueError for what is no decoder of causal models.
    """
    traces = list[Trace]()
    plug = decoder(chosen, precision=precision, head=head, on_trace=traces.append)

    def forward_func(
        inputs: BatchEncoding,
        model: PreTrainedModel,
        tokenizer: Any,
        max_new_tokens: int,
        temperature: float = 0.0,
        **options: Any,
    ) -> Forwarded:
        drawn = {"do_sample": True, "temperature": temperature, "top_k": 0}
        traces.clear()
        net: Any = model
        pad = tokenizer.pad_token_id  # may be 0
        output_ids = net.generate(
            inputs.input_ids,
            attention_mask=inputs.attention_mask,
            max_new_tokens=max_new_tokens,
            pad_token_id=pad if pad is not None else tokenizer.eos_token_id,
            custom_generate=plug,
            **(drawn if temperature else {"do_sample": False}),
            **asked,
        )
        trace = traces[0]
        lengths = [sum(step.written.values()) for step in trace.steps]
        new = output_ids.shape[1] - inputs.input_ids.shape[1]
        return output_ids, new, trace.cost.calls, [n for n in lengths if n]

    return forward_func
