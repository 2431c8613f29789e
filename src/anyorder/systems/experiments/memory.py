"""How much a drafter remembers, beside the model and its cache.

Memory({"token-recycling": TokenRecycling()})
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from anyorder.decode.draft_verify.from_text.followers import Followers
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.prompted import group_name
from anyorder.systems.system import Numbers, Part


@dataclass(frozen=True)
class Memory:
    """Drafters by the rows that they belong to; their memory is the matrix that `begin` makes.

    Measured in MB of 10^6 bytes, for the vocabulary of the bench's model. It is the same for
    every seed.
    """

    drafters: Mapping[str, DraftVerify]

    def parts(self, bench: Bench) -> Sequence[Part]:
        run = partial(self.measure, bench)
        seeds = range(bench.seeds)
        return [Part(f"memory {s}", s, group_name(s, bench.seeds), run) for s in seeds]

    def measure(self, bench: Bench) -> Numbers:
        """A row for each drafter."""
        lm = bench.language_model()
        canvas = lm.begin(["a"], max_new_tokens=1)[1]
        sampler = Sampler(Sampling(), Coins.of_seeds([0], cells=canvas.tokens_BN.shape[1]))
        rows = {}
        for name, drafter in self.drafters.items():
            memory = drafter.begin(lm.model, canvas, sampler)
            assert isinstance(memory, Followers), f"{name} remembers more than a matrix"
            rows[name] = {"memory_mb": memory.matrix_VR.nbytes / 1e6}
        return rows
