"""Decoders of a measurement that learn something, or need another model: each a `Learned`.

Way("ctc", Fluent(width=8))
Way("fertility", Rescored(10, teacher=Way("deep-shallow")))
Way("dag-glancing", NGramBeam(width=8, weight=0.1))
Way("deep", Drafted(Way("deep-shallow"), width=4))
"""

import math
from dataclasses import dataclass

from anyorder.data.tasks import Task
from anyorder.decode.draft_verify.from_models.block_draft import BlockDraft
from anyorder.decode.draft_verify.from_models.parallel_draft import ParallelDraft
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.one_shot.ctc_fluency import CTCFluency
from anyorder.decode.one_shot.dag import DAGBeam
from anyorder.decode.one_shot.fertility import NoisyParallel
from anyorder.decode.run import Decoder
from anyorder.models.translator import Translator
from anyorder.systems.experiments.school import School, Way
from anyorder.train.fluency import learn_fluency
from anyorder.train.ngrams import learn_ngrams


@dataclass(frozen=True)
class Fluent:
    """CTC beams with a language model and weights that are tuned on `pairs` held-out pairs."""

    width: int = 8
    pairs: int = 500

    def made(self, translator: Translator, task: Task, school: School) -> Decoder:
        splits = task.splits()
        held_out = splits.valid[: self.pairs]
        fluency = learn_fluency(translator, splits.train, held_out, width=self.width)
        return CTCFluency(fluency, width=self.width)


@dataclass(frozen=True)
class Rescored:
    """Noisy parallel decoding, with the model of another way as teacher (None: its own score)."""

    samples: int = 10
    teacher: Way | None = None
    length_penalty: float = 0.6

    def made(self, translator: Translator, task: Task, school: School) -> Decoder:
        teacher = school.translator(self.teacher) if self.teacher else None
        return NoisyParallel(self.samples, teacher, self.length_penalty)


@dataclass(frozen=True)
class NGramBeam:
    """DAG beams with n-grams of the task's own targets, up to `order`; see `DAGBeam`."""

    width: int = 8
    weight: float = 0.1
    order: int = 4

    def made(self, translator: Translator, task: Task, school: School) -> Decoder:
        ngrams = learn_ngrams(translator, task.splits().train, order=self.order)
        return DAGBeam(width=self.width, language_model=ngrams, weight=self.weight)


@dataclass(frozen=True)
class Drafted:
    """Speculative decoding; the model of another way drafts, and reads the same sources."""

    draft: Way
    width: int = 4

    def made(self, translator: Translator, task: Task, school: School) -> Decoder:
        return Speculative(school.translator(self.draft), width=self.width)


@dataclass(frozen=True)
class DraftedAtOnce:
    """The same, and the draft model guesses all tokens in one call: see `ParallelDraft`."""

    draft: Way
    width: int = 4

    def made(self, translator: Translator, task: Task, school: School) -> Decoder:
        return ParallelDraft(school.translator(self.draft), width=self.width)


@dataclass(frozen=True)
class DraftedInBlocks:
    """The same, and the draft model fills a block: see `BlockDraft`. `top`, `gap`: a guess among so
    many of the likeliest tokens, at most so many nats below the likeliest, will do (a `top` of 1:
    the likeliest alone).
    """

    draft: Way
    width: int = 8
    top: int = 1
    gap: float = math.inf

    def made(self, translator: Translator, task: Task, school: School) -> Decoder:
        strict = BlockDraft(school.translator(self.draft), width=self.width)
        return strict if self.top == 1 else Lenient(strict, top=self.top, gap=self.gap)
