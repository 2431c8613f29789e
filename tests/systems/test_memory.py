from anyorder.decode.draft_verify.from_text.token_recycling import TokenRecycling
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.memory import Memory


def test_the_matrix_is_as_large_as_it_says() -> None:
    """One number of 4 bytes for each token of the vocabulary and each rank."""
    bench = Bench(seeds=2, quick=True)
    drafter = TokenRecycling(rank_odds=(0.5, 0.2, 0.1))
    parts = Memory({"it": drafter}).parts(bench)
    megabytes = bench.language_model().model.vocab_size * 3 * 4 / 1e6
    assert [part.run() for part in parts] == [{"it": {"memory_mb": megabytes}}] * 2


def test_it_stays_below_2_mb_for_smollm2() -> None:
    assert 49_152 * len(TokenRecycling().rank_odds) * 4 / 1e6 < 2
