"""Aggressive decoding of a model that has read a source: the source is copied, edit by edit."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.draft_verify.from_text.aggressive import AggressiveDecoding
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.decode.vocabulary import understood
from anyorder.measure.translation import Reading
from anyorder.models.compiled.choice import compiled
from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes
from anyorder.models.sources import padded
from anyorder.models.tables.language_model import TableCache, TableLM
from anyorder.models.translator import Translator
from anyorder.nets.layers import Width
from anyorder.trace import Trace, fold
from anyorder.units.text import TextUnits
from anyorder.units.training import letters

V = 20
TABLE = TableLM.random(seed=0, vocab_size=V, order=1)  # for its cache
KEPT = [*range(3, 19)]


@dataclass(frozen=True)
class Edits:
    """Has read sources, and writes the texts that are known."""

    sources: list[list[int]]
    texts: list[list[int]]
    vocab_size: int = V
    max_length: int = 64

    def new_cache(self, batch: int, room: int) -> TableCache:
        return TABLE.new_cache(batch, room)

    def extend(
        self, tokens_BT: torch.Tensor, cache: TableCache, *, tree: Any = None, score_BS: Any = None
    ) -> torch.Tensor:
        B, T = TABLE.extend(tokens_BT, cache, tree=tree).shape[:2]
        depth_BT = torch.arange(T).expand(B, T) if tree is None else tree.depth_BT.expand(B, T)
        said_BN = padded([[*text, *[0] * self.max_length] for text in self.texts])[0]
        said_BT = said_BN.gather(1, cache.length_B[:, None] + depth_BT)
        said_BS = said_BT if score_BS is None else said_BT.gather(1, score_BS)
        return torch.nn.functional.one_hot(said_BS, V).float()


def edited(decoder: DraftVerify, *pairs: tuple[list[int], list[int]]) -> Trace:
    """What a model writes that makes these texts of these sources; a text begins with 1."""
    model = Edits([source for source, _ in pairs], [text for _, text in pairs])
    canvas = Canvas.of_prompts([[1]] * len(pairs), new_cells=[len(text) for _, text in pairs])
    coins = Coins.of_seeds([0] * len(pairs), cells=canvas.tokens_BN.shape[1])
    trace = run(decoder, model, canvas, Sampler(Sampling(), coins))
    assert [fold(trace).row(b)[1:] for b in range(len(pairs))] == [text for _, text in pairs]
    return trace


@pytest.mark.parametrize("width", [1, 3, 32])
@pytest.mark.parametrize("begin_at", [None, 1])
def test_a_source_that_needs_no_edit_is_copied_whole(begin_at: int | None, width: int) -> None:
    """The first call writes its first token, each other one a copy and the token behind it."""
    decoder = AggressiveDecoding(width, begin_at=begin_at, source=True)
    assert edited(decoder, (KEPT, [*KEPT, 2])).cost.calls == 1 + -(-len(KEPT) // (width + 1))


def test_behind_an_edit_the_copy_is_taken_up_again() -> None:
    """A token is put in, one is left out, another exchanged; rows of different lengths."""
    long = (KEPT, [*KEPT[:4], 19, *KEPT[4:9], *KEPT[10:14], 2, KEPT[15], 2])
    short = ([7, 3, 8], [3, 8, 8])
    alone = edited(AggressiveDecoding(source=True), long).cost.calls
    assert alone == 7
    assert edited(AggressiveDecoding(source=True), short, long).cost.calls == alone
    assert edited(AggressiveDecoding(), long).cost.calls == len(long[1]), "its prompt is one cell"


def test_what_begins_a_text_and_stands_in_no_source_does_not_lose_the_place() -> None:
    assert edited(AggressiveDecoding(source=True), (KEPT, [19, *KEPT])).cost.calls == 2


def test_there_is_no_copying_from_a_source_that_was_not_read() -> None:
    decoder, canvas = AggressiveDecoding(source=True), Canvas.of_prompts([[1]], new_cells=[3])
    with pytest.raises(ValueError, match="this model reads none: leave source out"):
        decoder.begin(TABLE, canvas, Sampler(Sampling(), Coins.of_seeds([0], cells=4)))


def network(source_vocab: int = V) -> Seq2Seq:
    torch.manual_seed(0)
    width = Width(channels=16, heads=2, middle=24)
    net = Seq2Seq(
        Seq2SeqSizes(source_vocab=source_vocab, target_vocab=V, bos=1, eos=2, width=width)
    )
    with torch.no_grad():
        net.target.table.weight.mul_(8)  # logits that lie well apart
    return net.eval()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("fast", [False, True])
@torch.no_grad()
def test_a_translator_writes_what_it_writes_left_to_right(fast: bool, temperature: float) -> None:
    """Sources of many lengths, some of them ending in what ends a text; alone and together."""
    net = network()
    reads = compiled(net) if fast else net
    assert reads is not None
    sources = [KEPT, [5], [9, 9, 4, 9, 9, 4, 2], [3, 4, 3, 4, 3, 2]]

    def texts(decoder: Any, rows: list[int]) -> list[list[int]]:
        model: Any = reads.read([sources[row] for row in rows])
        canvas = Canvas.of_prompts([[1]] * len(rows), new_cells=[9 + row for row in rows])
        coins = Coins.of_seeds(rows, cells=canvas.tokens_BN.shape[1])
        sampler = Sampler(Sampling(temperature=temperature), coins, (2,))
        end = fold(run(decoder, model, canvas, sampler, Stops((2,))))
        return [end.row(b) for b in range(len(rows))]

    plain = texts(LeftToRight(), [0, 1, 2, 3])
    assert texts(AggressiveDecoding(width=5, source=True), [0, 1, 2, 3]) == plain
    for row in range(4):
        assert texts(AggressiveDecoding(source=True), [row]) == [plain[row]]


def translator(source_units: TextUnits, units: TextUnits) -> Translator:
    return Translator(network(source_units.vocab_size), source_units, units, "mine", (2,))


def test_the_source_is_copied_where_it_has_the_vocabulary_of_the_target() -> None:
    one, same, other = (letters([text]) for text in ("abc", "cba", "abd"))
    for units in (one, same):
        chosen = understood(translator(one, units), AggressiveDecoding(width=3))
        assert chosen == AggressiveDecoding(width=3, source=True)
        inside = understood(translator(one, units), Lenient(AggressiveDecoding()))
        assert isinstance(inside, Lenient)
        assert inside.by == AggressiveDecoding(source=True)
    reading = Reading(translator(one, same), "aggressive-decoding")
    assert reading.decoder == AggressiveDecoding(source=True)
    stays = AggressiveDecoding(source=False)
    assert understood(translator(one, same), stays) is stays
    assert understood(translator(one, other), AggressiveDecoding()).source is None
    with pytest.raises(ValueError, match="mine has another vocabulary for its source"):
        understood(translator(one, other), AggressiveDecoding(source=True))


def test_a_task_that_says_its_units_twice_has_one_vocabulary() -> None:
    task = CopyOrReverse(length=3, alphabet=5, pairs=50)
    units = task.units(task.splits().train)
    assert understood(translator(*units), AggressiveDecoding()) == AggressiveDecoding(source=True)
