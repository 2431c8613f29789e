"""Fluency is learnt: the weights never do worse on the pairs that they were tuned on, and help."""

from pathlib import Path

import pytest
import torch

from anyorder.align.ctc_fluency import Weights
from anyorder.align.lattice import CTCLattice
from anyorder.data.pairs import Example
from anyorder.decode.catalogue import parse
from anyorder.decode.one_shot.ctc_fluency import CTCFluency
from anyorder.measure.translation import translate
from anyorder.models.fluency import Fluency, opened_fluency
from anyorder.models.ngram_lm import train_ngrams
from anyorder.models.parallel.one_shot import CTCTransformer
from anyorder.models.tables.lattices import TableCTC
from anyorder.models.translator import Translator
from anyorder.train.fluency import learn_fluency, tune
from anyorder.units.training import letters
from tests.train.made import parallel, seq2seq

V, BLANK = 8, 0
Ids = tuple[int, ...]


def text(rng: torch.Generator) -> Ids:
    """A language in which each token is one higher than the one before, or begins again."""
    row = [int(torch.randint(1, V, (1,), generator=rng))]
    while len(row) < 5:
        row.append(row[-1] % (V - 1) + 1)
    return tuple(row)


def noisy(target: Ids, rng: torch.Generator) -> torch.Tensor:
    """A lattice that hints at a target, two cells a token, and errs now and then."""
    logits_MV = 1.5 * torch.randn(2 * len(target), V, generator=rng)
    for n, token in enumerate(target):
        logits_MV[2 * n, token] += 2.5
        logits_MV[2 * n + 1, BLANK] += 3.5
    return logits_MV


def pairs(count: int, seed: int) -> tuple[CTCLattice, list[list[Ids]]]:
    rng = torch.Generator().manual_seed(seed)
    targets = [text(rng) for _ in range(count)]
    logits_BMV = torch.stack([noisy(target, rng) for target in targets])
    lattice = CTCLattice(logits_BMV.log_softmax(-1), torch.full((count,), 10), BLANK)
    return lattice, [[(3, 3, 3), target] for target in targets]


@pytest.mark.parametrize("begin", [None, Weights(0.0, 3.0, 5.0)])
def test_tuned_weights_do_not_write_worse_texts_and_a_language_model_helps(
    begin: Weights | None,
) -> None:
    rng = torch.Generator().manual_seed(5)
    model = train_ngrams([text(rng) for _ in range(200)], vocab_size=V, order=3)
    held_out = [pairs(24, 1), pairs(7, 2)]
    tuned = tune(lambda: held_out, model, begin=begin, passes=3, width=6)
    assert len(tuned.errors) == 5
    assert min(tuned.errors) == tuned.errors[-1] < 0.7 * tuned.errors[0]
    again = tune(lambda: held_out, model, begin=tuned.weights, passes=0, width=6)
    assert again.errors == (tuned.errors[-1],) * 2
    assert tuned.weights.language_model > 0.01


def test_weights_that_nothing_betters_are_kept() -> None:
    lattice, targets = pairs(6, 3)
    [certain, _] = [noisy(right[1], torch.Generator()) for right in targets[:2]]
    sure = CTCLattice((9 * certain)[None].log_softmax(-1), torch.tensor([10]), BLANK)
    model = train_ngrams([[1]], vocab_size=V, order=1)
    begin = Weights(language_model=0.001)
    tuned = tune(lambda: [(sure, targets[:1])], model, begin=begin, passes=2)
    assert tuned.weights == begin
    with pytest.raises(ValueError, match="all held-out targets are empty"):
        tune(lambda: [(lattice, [[()]] * 6)], model, passes=1)


@pytest.fixture
def translator() -> Translator:
    units = letters(["abcdef"])
    return Translator(parallel(CTCTransformer), units, units, "tiny")  # type: ignore[arg-type]


EXAMPLES = [Example(word, (word, word[::-1]), word) for word in ("abc", "fade", "cab", "bead", "f")]


def test_what_is_learnt_is_saved_opened_and_decoded_with(
    translator: Translator, tmp_path: Path
) -> None:
    fluency = learn_fluency(translator, EXAMPLES, EXAMPLES, order=3, width=4, passes=1, batch=2)
    fluency.save(tmp_path / "fluency")
    again = opened_fluency(tmp_path / "fluency")
    assert again.weights == fluency.weights
    sources = [example.source for example in EXAMPLES]
    named = parse(f"ctc-fluency:fluency={tmp_path / 'fluency'},width=4")
    written = translate(translator, sources, decoder=named)
    assert written == translate(translator, sources, decoder=CTCFluency(fluency, width=4))


def test_without_weights_it_writes_what_the_plain_beam_does(translator: Translator) -> None:
    model = train_ngrams([[4, 5], [6]], vocab_size=10)
    sources = [example.source for example in EXAMPLES]
    plain = translate(translator, sources, decoder="ctc-beam:width=3")
    decoder = CTCFluency(Fluency(model, Weights()), width=3)
    assert translate(translator, sources, decoder=decoder) == plain


def test_what_does_not_go_together_is_a_sentence(translator: Translator, tmp_path: Path) -> None:
    model = train_ngrams([[1]], vocab_size=V)
    with pytest.raises(ValueError, match="knows a vocabulary of 8 tokens"):
        CTCFluency(Fluency(model, Weights())).find(TableCTC(0, ((1,),), 6))
    with pytest.raises(ValueError, match="at least 1"):
        CTCFluency(Fluency(model, Weights()), width=0)
    with pytest.raises(ValueError, match="is no folder of fluency"):
        parse(f"ctc-fluency:fluency={tmp_path}")
    Fluency(model, Weights()).save(tmp_path)
    path = tmp_path / "fluency.json"
    path.write_text(path.read_text().replace('"fluency": 1', '"fluency": 7'))
    with pytest.raises(ValueError, match="has format 7"):
        opened_fluency(tmp_path)
    path.write_text(path.read_text().replace("0.0", "-1.0"))
    with pytest.raises(ValueError, match="is no folder of fluency"):
        opened_fluency(tmp_path)
    other = Translator(seq2seq(), translator.source_units, translator.units, "words")
    with pytest.raises(ValueError, match="writes no CTC lattice"):
        learn_fluency(other, EXAMPLES, EXAMPLES)
