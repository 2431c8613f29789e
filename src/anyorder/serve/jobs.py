"""One text that is to be written, and what is heard of it meanwhile.

    job = Job(prompt="Once", decoder=Auto(), seed=7, max_new_tokens=64)
    begun = job.begun(lm)

Knows nothing of HTTP. Shapes do not appear here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from anyorder.canvas import GIVEN, OPEN, Canvas
from anyorder.decode.catalogue import label
from anyorder.decode.run import Decoder
from anyorder.decode.sampling import Coins, Rule, Sampler, Sampling
from anyorder.decode.vocabulary import understood
from anyorder.decode.writing import Begun, Output
from anyorder.models.language_model import LanguageModel
from anyorder.models.writer import Writer
from anyorder.trace import Step, Trace


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `generate` is told of one text.

    `prompt`: text, or tokens as they are. `locked`: which token stands in which cell, counted from
    the prompt's end. `alternatives`: how many of the likeliest tokens are told for each written
    one. `rules` change what may come next, after bias and penalty. `chat`: as in `generate`, for a
    prompt that is text. `lattice`: the trace tells the lattice of a network that makes one.
    `endless`: no token ends it.
    """

    prompt: str | tuple[int, ...]
    decoder: Decoder
    seed: int
    max_new_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    locked: Mapping[int, int] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    alternatives: int = 0
    chat: bool | None = None
    lattice: bool = False
    endless: bool = False

    def writer(self, lm: Writer) -> Writer:
        """Who writes it: a token that ends texts is one like any other, if nothing is to end it."""
        return replace(lm, eos_ids=()) if self.endless and isinstance(lm, LanguageModel) else lm

    def begun(self, lm: Writer) -> Begun:
        """The canvas and the network. Raises ValueError, with a sentence, for what can't be."""
        decoder = understood(lm, self.decoder)
        model, canvas = self._begin(lm)
        if self.locked:
            canvas = self._with_locks(canvas)
        facts = {
            "decoder": label(decoder),
            "model": lm.name,
            "prompts": [lm.units.decode(list(self.prompt))]
            if isinstance(self.prompt, tuple)
            else [self.prompt],
            "seeds": [self.seed],
        }
        return Begun(lm, model, Trace(canvas, facts=facts))

    def sampler(self, lm: Writer, canvas: Canvas) -> Sampler:
        """The user's options, and the coins of the seed."""
        coins = Coins.of_seeds([self.seed], cells=canvas.tokens_BN.shape[1])
        return Sampler(self.sampling, coins, lm.eos_ids, self.rules)

    def _begin(self, lm: Writer) -> tuple[object, Canvas]:
        if isinstance(self.prompt, str):
            return lm.begin([self.prompt], max_new_tokens=self.max_new_tokens, chat=self.chat)
        if not isinstance(lm, LanguageModel):
            raise ValueError(f"{lm.name} is no language model: give the prompt as text")
        return lm.begin_with([list(self.prompt)], max_new_tokens=self.max_new_tokens)

    def _with_locks(self, canvas: Canvas) -> Canvas:
        tokens_BN, status_BN = canvas.tokens_BN.clone(), canvas.status_BN.clone()
        begin, cells = int(canvas.frontier_B[0]), tokens_BN.shape[1]
        for cell, token in self.locked.items():
            if not 0 <= cell < cells - begin:
                raise ValueError(
                    f"a word is locked at token {cell} after the prompt, and {cells - begin} "
                    "tokens are to be written: lock an earlier place, or allow more tokens"
                )
            assert int(status_BN[0, begin + cell]) == OPEN, "each cell is locked once"
            tokens_BN[0, begin + cell], status_BN[0, begin + cell] = token, GIVEN
        return replace(canvas, tokens_BN=tokens_BN, status_BN=status_BN)


@dataclass(frozen=True)
class Begin:
    """A text leaves the queue. `start`: its trace before the first step."""

    start: Trace


@dataclass(frozen=True)
class Written:
    """One step: the text that it made certain ("" within a character or a possible stop string)."""

    said: str
    step: Step | None


@dataclass(frozen=True)
class Ended:
    """The last that is heard: all that was written, or why nothing more was.

    `output` is None if it was given up or failed before anything began; `error` is what a user may
    be told (a ValueError), or what went wrong here (any other). `cut`: it was given up, and more
    would have come.
    """

    output: Output | None
    error: Exception | None = None
    cut: bool = False


Event = Begin | Written | Ended
