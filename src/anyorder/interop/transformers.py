"""Any decoder here, inside `generate` of `transformers`.

    from anyorder.interop.transformers import decoder, network

    model.generate(**inputs, max_new_tokens=64, custom_generate=decoder(TokenRecycling()))
    model.generate(**inputs, custom_generate=decoder(Speculative(network(small_model))))

The generation config, logits processors, stopping criteria and streamers are those of the call, and
mean what they mean there; rows may accept different numbers of tokens. Seeds come from torch's
generator, so `torch.manual_seed` fixes a sampled text. Beams stay with `transformers`. It hands no
tokenizer to what it calls (5.23), and refuses `stop_strings`: pass
`stopping_criteria=[StopStringCriteria(tokenizer, strings)]`, which is the same.
Importing this module imports `transformers`.
Shapes: B rows, W cells of the padded prompts, N cells of the canvas.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedModel
from transformers.generation.configuration_utils import GenerationConfig
from transformers.generation.logits_process import LogitsProcessorList
from transformers.generation.stopping_criteria import StoppingCriteriaList
from transformers.generation.utils import (
    GenerateDecoderOnlyOutput,
    GenerateEncoderDecoderOutput,
    GenerationMixin,
)
from transformers.utils.generic import ModelOutput

from anyorder.canvas import Canvas
from anyorder.decode.generate import meant
from anyorder.decode.left_to_right.beam import Beam
from anyorder.decode.run import Decoder, steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.interop.criteria import Ends
from anyorder.interop.processors import Processed, Scores
from anyorder.interop.prompts import Prompts
from anyorder.models.capability import CausalLM
from anyorder.models.files.checkpoint import Checkpoint
from anyorder.models.files.head_file import open_head, written_at
from anyorder.models.further import RecursiveLM
from anyorder.models.hugging.adapter import HuggingFaceLM
from anyorder.models.hugging.seq2seq import HuggingFaceSeq2Seq, HuggingFaceSourceLM
from anyorder.models.onward import OnwardLM
from anyorder.nets.native import build, supports
from anyorder.nets.precision import PRECISIONS
from anyorder.trace import Step, Trace

W = TypeVar("W")

# what `generate` hands along that says nothing of the text, or that is looked at elsewhere
_KNOWN = {"attention_mask", "position_ids", "past_key_values", "use_cache", "logits_to_keep"}
_KNOWN |= {"encoder_outputs", "decoder_attention_mask", "cache_position"}
_REFUSED = {  # of a generation config: what can't be served, and where it counts as not asked for
    "num_beams": (None, 1),
    "penalty_alpha": (None, 0.0),
    "dola_layers": (None,),
    "prompt_lookup_num_tokens": (None,),
    "guidance_scale": (None, 1, 1.0),  # its processor runs the model, and remembers what it ran
    "watermarking_config": (None,),
    "output_attentions": (None, False),
    "output_hidden_states": (None, False),
}

# a network of our own beside the weights that it was made of, for each model that is alive
_OURS: WeakKeyDictionary[PreTrainedModel, dict[str, tuple[Any, CausalLM]]] = WeakKeyDictionary()


def decoder(
    chosen: Decoder | str,
    *,
    precision: str | None = None,
    head: str | Path | None = None,
    on_trace: Callable[[Trace], None] | None = None,
) -> "Plug":
    """What to hand to `generate` as `custom_generate`: a decoder, or the name of one.

    `precision`: None runs the model itself; "float32", "bfloat16" and "int8" run anyorder's own
    compiled network (on the CPU, often several times as fast) with a copy of its weights, made at
    the first call. `head`: the folder of one that `anyorder train-head` made for the model, for
    `Auto` and `RecursiveHead` to draft with, in a precision. `on_trace(trace)` is told, after each
    call, which cells were written when, and what it cost. Raises ValueError for what is no decoder
    of causal models, and for another precision.
    """
    chosen = meant(chosen)
    if isinstance(chosen, Beam):
        raise ValueError("beams are transformers' own: give generate num_beams and no decoder")
    if precision not in (None, *PRECISIONS):
        known = ", ".join(PRECISIONS)
        raise ValueError(
            f"precision {precision!r} is not one of {known}; left out, the model itself runs"
        )
    if head is not None and precision is None:
        raise ValueError("a head drafts for anyorder's own network: give a precision as well")
    if not set(chosen.needs) <= ({CausalLM, RecursiveLM} if head else {CausalLM}):
        raise ValueError(f"{type(chosen).__name__} does not write with a plain language model")
    return Plug(chosen, precision, head, on_trace)


def network(
    model: PreTrainedModel, precision: str | None = None, head: str | Path | None = None
) -> CausalLM:
    """The model as the decoders know it: a draft model, for instance. `precision` and `head` as in
    `decoder`.

    Raises ValueError for a model that can't be read row by row, and for a head of another model.
    """
    if precision is None:
        return cast(CausalLM, _unchanged(model, HuggingFaceLM))
    config = model.config.to_dict()
    if not supports(config):
        raise ValueError(
            f"a {model.config.model_type!r} model of this shape has no network of anyorder's own: "
            "leave precision out"
        )
    now = [(weight.data_ptr(), weight._version) for weight in model.parameters()]
    made = _OURS.setdefault(model, {})
    kind = precision if head is None else f"{precision} with {head} of {written_at(Path(head))}"
    if kind not in made or made[kind][0] != now:  # it may have been trained since
        weights = {name: weight.cpu() for name, weight in model.state_dict().items()}
        made[kind] = now, _built(str(model.name_or_path), config, weights, precision, head)
    return made[kind][1]


def _built(
    name: str,
    config: dict[str, Any],
    weights: dict[str, Tensor],
    precision: str,
    head: str | Path | None,
) -> CausalLM:
    if head is None:
        return cast(CausalLM, build(config, weights, precision))
    kept = open_head(Path(head), Checkpoint(name, config, weights, Path(name), ()))
    return cast(CausalLM, OnwardLM.of(config, weights, kept, precision))


@dataclass(frozen=True, eq=False)
class Plug:
    """Satisfies what `generate` asks of `custom_generate`; see `decoder`."""

    decoder: Decoder
    precision: str | None = None
    head: str | Path | None = None
    on_trace: Callable[[Trace], None] | None = None

    def __call__(
        self,
        model: PreTrainedModel,
        input_ids: Int[Tensor, "B W"],
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        inputs_tensor: Tensor | None = None,
        **model_kwargs: Any,
    ) -> ModelOutput | Int[Tensor, "B N"]:
        """Write; returns what `generate` returns. Raises ValueError for what can't be served."""
        _refuse(generation_config, model_kwargs)
        mask = model_kwargs.get("attention_mask")
        if model.config.is_encoder_decoder:
            lm = self._of_sources(model, inputs_tensor, mask, len(input_ids))
            mask = model_kwargs.get("decoder_attention_mask")
        else:
            lm = network(model, self.precision, self.head)
        prompts = Prompts.of(input_ids, mask)
        scores = Scores.asked(generation_config, prompts)
        processed = Processed(logits_processor, prompts, _eos(generation_config), scores)
        streamer = _handed("streamer")
        written = self._written(
            lm,
            prompts.canvas(int(generation_config.max_length or 0), lm),
            _sampler(generation_config, processed),
            Ends(stopping_criteria, prompts, scores, streamer),
        )
        if streamer is not None:
            streamer.end()
        pad = _pad(generation_config)
        sequences = prompts.sequences(written, pad)
        return _output(model, generation_config, sequences, scores.told(pad) if scores else None)

    def _written(self, lm: Any, canvas: Canvas, sampler: Sampler, ends: Ends) -> Canvas:
        trace, made = Trace(canvas), list[Step]()
        for step, after in steps(self.decoder, lm, canvas, sampler, ends):
            made.append(step)
            canvas = after
        if self.on_trace:
            self.on_trace(Trace(trace.start, tuple(made)))
        return canvas

    def _of_sources(
        self, model: PreTrainedModel, source_BS: Tensor | None, mask: Tensor | None, rows: int
    ) -> HuggingFaceSourceLM:
        """A causal model of the targets; several rows may share a source."""
        if self.precision is not None:
            raise ValueError("precision is for models without an encoder: leave it out")
        if source_BS is None or source_BS.is_floating_point():
            raise ValueError("an encoder must be given tokens: input_ids")
        source_BS = source_BS.repeat_interleave(rows // len(source_BS), 0)
        sources = Prompts.of(source_BS, mask)
        if bool((sources.real_BW.long().diff(dim=1) > 0).any()):
            raise ValueError("sources must be padded on the right: padding_side='right'")
        return _unchanged(model, HuggingFaceSeq2Seq).read(sources.rows)


def _unchanged(model: PreTrainedModel, wrapper: Callable[[PreTrainedModel], W]) -> W:
    """The model behind a wrapper, which would leave it in evaluation mode."""
    training = model.training
    wrapped = wrapper(model)
    model.train(training)
    return wrapped


def _sampler(config: GenerationConfig, processed: Processed) -> Sampler:
    """Temperature and filters are among the processors."""
    rows, cells = processed.prompts.ids_BW.shape[0], int(config.max_length or 0)
    seeds = torch.randint(2**31, (rows,)).tolist() if config.do_sample else [0] * rows
    return Sampler(
        Sampling(temperature=1.0 if config.do_sample else 0.0),
        Coins.of_seeds(seeds, cells=cells),
        processed.eos_ids,
        rules=(processed,) if processed.processors or processed.scores else (),
    )


def _refuse(config: GenerationConfig, model_kwargs: dict[str, Any]) -> None:
    for name, fine in _REFUSED.items():
        value = getattr(config, name, None)
        if value not in fine:
            raise ValueError(
                f"anyorder's decoders do not serve {name}={value!r}: pass {name}={fine[-1]!r} "
                "(the model's own generation config may say otherwise)"
            )
    cache = model_kwargs.get("past_key_values")
    if cache is not None and cache.get_seq_length():
        raise ValueError(
            "a cache can't be handed over: pass the whole text, and no past_key_values"
        )
    odd = [name for name, value in model_kwargs.items() if value is not None and name not in _KNOWN]
    if odd:
        raise ValueError(f"anyorder's decoders do not serve {odd[0]}: leave it out")
    if _handed("assistant_model") is not None:
        raise ValueError(
            "a draft model belongs to its decoder: decoder(Speculative(network(assistant)))"
        )


def _handed(name: str) -> Any:
    """An argument of the running `generate`: it keeps some from what it calls, the streamer too."""
    frame = inspect.currentframe()
    while frame is not None:
        code, module = frame.f_code.co_name, frame.f_globals.get("__name__")
        if code == "generate" and module == GenerationMixin.__module__:
            return frame.f_locals.get(name)
        frame = frame.f_back
    return None


def _eos(config: GenerationConfig) -> tuple[int, ...]:
    eos: Any = config.eos_token_id
    return tuple(eos) if isinstance(eos, list | tuple) else () if eos is None else (int(eos),)


def _pad(config: GenerationConfig) -> int:
    pad: Any = config.pad_token_id
    return int(pad) if pad is not None else next(iter(_eos(config)), 0)


def _output(
    model: PreTrainedModel,
    config: GenerationConfig,
    sequences: Int[Tensor, "B N"],
    told: tuple[tuple[Tensor, ...], tuple[Tensor, ...]] | None,
) -> ModelOutput | Int[Tensor, "B N"]:
    if not config.return_dict_in_generate:
        return sequences
    seq2seq = model.config.is_encoder_decoder
    kind = GenerateEncoderDecoderOutput if seq2seq else GenerateDecoderOnlyOutput
    return kind(
        sequences=cast(Any, sequences),
        scores=cast(Any, told[1] if told and config.output_scores else None),
        logits=cast(Any, told[0] if told and config.output_logits else None),
    )
