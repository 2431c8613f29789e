"""A graph that was pre-trained, fine-tuned, and read with n-grams: the whole way, on few steps."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.joint import Joint
from anyorder.data.own import OwnPairs
from anyorder.decode.one_shot.dag import DAGBeam
from anyorder.measure.translation import translate
from anyorder.nets.layers import Width
from anyorder.systems.experiments.decoders import NGramBeam
from anyorder.systems.experiments.school import TINY, School, Way
from anyorder.train.earlier import Earlier
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.schedule import InverseRoot
from tests.train.made import WIDTH

SMALL = Width(channels=16, heads=2, middle=32)
TASK = Joint(CopyOrReverse(length=3, alphabet=5, pairs=50))


def test_fine_tuning_begins_with_the_pre_trained_weights(tmp_path: Path) -> None:
    school = School(TASK, SMALL, TINY, tmp_path, None)
    still = replace(TINY, schedule=InverseRoot(peak=1e-12, warmup=2))
    before = Way("dag-infilling")
    tuned = school.translator(Way("dag-glancing", begins_with=before, recipe=still))
    pairs = zip(tuned.net.parameters(), school.translator(before).net.parameters(), strict=True)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in pairs)


def test_n_grams_are_counted_on_the_tasks_targets(tmp_path: Path) -> None:
    school = School(TASK, SMALL, TINY, tmp_path, None)
    way = Way("dag-glancing", NGramBeam(width=2, weight=0.3, order=2))
    decoder = school.decoder(way)
    assert isinstance(decoder, DAGBeam)
    assert (decoder.width, decoder.weight) == (2, 0.3)
    assert len(translate(school.translator(way), ["abc", "cab"], decoder=decoder)) == 2


def test_ones_own_pairs_are_pre_trained_on_with_one_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{n} and {n % 7}\t{n % 7} und {n}\n" for n in range(80)))
    own = OwnPairs(str(path), vocabulary=320)
    first, second = (
        replace(paradigms()[name], encoder_layers=1, decoder_layers=1, width=WIDTH)
        for name in ("dag-infilling", "dag-glancing")
    )
    before = fit(own, first, TINY, tmp_path / "before")
    assert (tmp_path / "before/source.json").read_text() == (
        tmp_path / "before/target.json"
    ).read_text()
    assert before.net.sizes.source_vocab == before.net.sizes.target_vocab
    tuned = fit(own, second, TINY, tmp_path / "tuned", begin_from=tmp_path / "before")
    assert tuned.units.encode("7 und 8") == before.source_units.encode("7 und 8")
    fit(own, second, TINY, tmp_path / "two")  # by itself it has two vocabularies
    with pytest.raises(ValueError, match="has a vocabulary for each side"):
        fit(own, first, TINY, tmp_path / "odd", begin_from=tmp_path / "two")
    assert Earlier(tmp_path / "tuned").translator.kind == "dag"
