"""DAG beams for a measurement: with an n-gram model of the training targets.

Way("dag-glancing", NGramBeam(width=8, weight=0.1))
"""

from dataclasses import dataclass

from anyorder.data.tasks import Task
from anyorder.decode.one_shot.dag import DAGBeam
from anyorder.decode.run import Decoder
from anyorder.models.translator import Translator
from anyorder.systems.experiments.school import School
from anyorder.train.ngrams import learn_ngrams


@dataclass(frozen=True)
class NGramBeam:
    """Satisfies `Learned`. `order` of the n-grams; the others as in `DAGBeam`."""

    width: int = 8
    weight: float = 0.1
    order: int = 4

    def made(self, translator: Translator, task: Task, school: School) -> Decoder:
        """The n-grams of the task's own targets, counted now."""
        ngrams = learn_ngrams(translator, task.splits().train, order=self.order)
        return DAGBeam(width=self.width, language_model=ngrams, weight=self.weight)
