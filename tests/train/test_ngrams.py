"""N-grams of targets in the beam of a graph: learnt, kept in a file, and of the same vocabulary."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anyorder.align.lattice import DAGLattice
from anyorder.data.pairs import Example
from anyorder.decode.catalogue import label, parse
from anyorder.decode.one_shot.dag import DAGBeam
from anyorder.measure.translation import translate
from anyorder.models.parallel.one_shot import CTCTransformer, DAGTransformer
from anyorder.models.tables.lattices import TableDAG
from anyorder.models.translator import Translator
from anyorder.train.ngrams import learn_ngrams
from anyorder.units.special import EOS
from anyorder.units.training import letters
from tests.train.made import parallel

EXAMPLES = [Example(word, (word, word[::-1]), word) for word in ("abc", "fade", "cab", "bead", "f")]
SOURCES = [example.source for example in EXAMPLES]


@pytest.fixture
def translator() -> Translator:
    units = letters(["abcdef"])
    return Translator(parallel(DAGTransformer), units, units, "tiny")  # type: ignore[arg-type]


def test_n_grams_are_of_targets_with_their_ends(translator: Translator) -> None:
    ngrams = learn_ngrams(translator, EXAMPLES, order=2)
    assert ngrams.vocab_size == 10
    state = ngrams.start()
    for token in translator.units.encode("fade"):
        state, _ = ngrams.extend(state, token)
    state, ended = ngrams.extend(state, EOS)
    assert ended > ngrams.extend(state, EOS)[1], "a text ends once"
    assert ngrams.end(state) > -0.5, "and after that there is nothing"


def test_a_file_does_as_well(translator: Translator, tmp_path: Path) -> None:
    ngrams = learn_ngrams(translator, EXAMPLES)
    ngrams.save(tmp_path / "ngrams.safetensors")
    named = parse(f"dag-beam:language_model={tmp_path / 'ngrams.safetensors'},weight=2,width=4")
    heavy = DAGBeam(width=4, language_model=ngrams, weight=2.0)
    written = translate(translator, SOURCES, decoder=named)
    assert written == translate(translator, SOURCES, decoder=heavy)
    plain = translate(translator, SOURCES, decoder="dag-beam:width=4")
    assert written != plain
    light = DAGBeam(width=4, language_model=ngrams, weight=0.0)
    assert translate(translator, SOURCES, decoder=light) == plain
    assert "language_model=NGramModel(vocab_size=10)" in label(heavy)


def test_a_graph_without_a_path_writes_nothing() -> None:
    lattice = TableDAG(0, ((1,),), 6).dag()
    closed = replace(lattice, links_BMM=torch.full_like(lattice.links_BMM, -torch.inf))

    class Closed:
        def dag(self) -> DAGLattice:
            return closed

    assert DAGBeam().find(Closed()).count_B.tolist() == [0]


def test_what_does_not_go_together_is_a_sentence(translator: Translator, tmp_path: Path) -> None:
    ngrams = learn_ngrams(translator, EXAMPLES)
    with pytest.raises(ValueError, match="knows 10 tokens, and the model writes one of 6"):
        DAGBeam(language_model=ngrams).find(TableDAG(0, ((1,),), 6))
    with pytest.raises(ValueError, match="is no n-gram model"):
        parse(f"dag-beam:language_model={tmp_path}")
    other = Translator(parallel(CTCTransformer), translator.source_units, translator.units, "other")
    with pytest.raises(ValueError, match="other writes no graph"):
        learn_ngrams(other, EXAMPLES)
