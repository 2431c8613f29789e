"""Drafters that learn from the text, along a conversation: what each turn gains by the others.

    Conversation(
        kinds=("story",),
        decoders={"learns": TrigramSearch(), "static": TrigramSearch(rate=0.0)},
        corpora={"static": Translate("de")},
        gain=("learns", "static"),
    )

A turn's prompt is all that was said before, the answers of the model included, and a new request;
for a model that chats it is one message.
At temperature 0 all decoders write the same text, so that they hold the same conversation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.tasks import Task
from anyorder.decode.catalogue import label
from anyorder.decode.draft_verify.from_text.trigram_search import TrigramSearch
from anyorder.decode.draft_verify.from_text.trigrams import Trigrams
from anyorder.measure.compare import Run, compare
from anyorder.models.language_model import LanguageModel
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.prompted import group_name, rows_of
from anyorder.systems.system import Numbers, Part


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """`decoders` names the rows; those in `corpora` begin with the trigrams of that task's sources.

    A row "turn 1", "turn 2", ... has the `gain` of that turn: the tokens a call of the one decoder
    over those of the other; so has "last turn".
    """

    kinds: tuple[str, ...]
    decoders: Mapping[str, TrigramSearch]
    gain: tuple[str, str]
    corpora: Mapping[str, Task] = field(default_factory=dict)
    max_new_tokens: int = 64
    repeats: int = 2

    def parts(self, bench: Bench) -> Sequence[Part]:
        return [
            Part(
                name=f"conversation {seed} ({', '.join(self.kinds)})",
                seed=seed,
                stands_for=group_name(seed, bench.seeds),
                run=partial(self.measure, bench, list(prompts.values())),
            )
            for seed, prompts in enumerate(bench.prompts(self.kinds))
        ]

    def measure(self, bench: Bench, requests: Sequence[str]) -> Numbers:
        """All decoders, turn by turn, and over all turns."""
        lm = bench.language_model()
        decoders = {name: self._made(name, lm, bench) for name in self.decoders}
        names = {label(decoder): name for name, decoder in decoders.items()}
        tokens = bench.reduced(self.max_new_tokens, 12)
        said, runs, turns = "", list[Run](), dict[str, dict[str, float]]()
        for number, request in enumerate(requests, 1):
            prompt = f"{said}{request}"
            made = compare(
                lm,
                {f"turn-{number}": prompt},
                list(decoders.values()),
                max_new_tokens=tokens,
                repeats=bench.reduced(self.repeats, 1),
            ).runs
            one, other = (rows_of(made, names)[name]["tokens_per_call"] for name in self.gain)
            turns[f"turn {number}"] = {"gain": one / other}
            runs += made
            said = f"{prompt}\n{made[0].output.text}\n\n"
        return {**rows_of(runs, names), **turns, "last turn": turns[f"turn {len(requests)}"]}

    def _made(self, name: str, lm: LanguageModel, bench: Bench) -> TrigramSearch:
        if name not in self.corpora:
            return self.decoders[name]
        task = CopyOrReverse(pairs=50) if bench.quick else self.corpora[name]
        texts = [lm.units.encode(example.source) for example in task.splits().train]
        return replace(self.decoders[name], corpus=Trigrams.of(texts, name=task.name))
