"""An n-gram language model of the targets that a model learns to write.

ngrams = learn_ngrams(translator, splits.train)
ngrams.save(Path("ngrams.safetensors"))       # dag-beam:language_model=ngrams.safetensors
"""

from collections.abc import Sequence

from anyorder.data.pairs import Example
from anyorder.models.ngram_lm import NGramModel, train_ngrams
from anyorder.models.parallel.one_shot import DAGTransformer
from anyorder.models.translator import Translator


def learn_ngrams(
    translator: Translator, train: Sequence[Example], *, order: int = 4, least: int = 1
) -> NGramModel:
    """Of the training targets, as tokens of the model: a graph writes `eos` behind each, so does
    this. `order` and `least`: see `train_ngrams`. Raises ValueError for a translator that writes no
    graph.
    """
    if not isinstance(translator.net, DAGTransformer):
        raise ValueError(f"{translator.name} writes no graph for this language model to judge")
    sizes = translator.net.sizes
    rows = [
        [*translator.units.encode(target), sizes.eos] for each in train for target in each.targets
    ]
    return train_ngrams(rows, vocab_size=sizes.target_vocab, order=order, least=least)
