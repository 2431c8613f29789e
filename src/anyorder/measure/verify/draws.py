"""Law 2 from outside: are drawn tokens distributed as the reference says?

Each drawn token stands somewhere in the distribution after the tokens before it: the mass of all
likelier tokens, plus a uniform share of its own, is a number u in [0, 1] (the randomised
probability integral transform; Czado, Gneiting and Held 2009, Biometrics 65(4), section 2). If the
sampler is right, these numbers are independent and uniform, for texts of any length; a sampler that
is too greedy has too many small ones. A chi-square statistic of their histogram is compared with
simulated ones, so the test is exact, and its power is simulated, too.
Shapes: N tokens, R simulated runs, K bins.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int64

from anyorder.measure.verify.subject import (
    Ask,
    Finding,
    OneAtATimeError,
    Place,
    Reference,
    Said,
    Subject,
)

BINS, SIMULATED, RUNS = 20, 4000, 200
ALPHA = 0.001  # how often a right sampler is called wrong
SURE = 0.95
FAULTS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
TOGETHER = 16  # texts that are drawn in one batch
UNTOLD = "texts end, and their end is not told: let them go on (--with ignore_eos=true)"


def tested(
    subject: Subject, reference: Reference, prompts: Sequence[str], draws: int, drawn: Ask
) -> Finding:
    """Draw `draws` texts as `drawn` says (its prompt aside), in turns after all prompts."""
    asks = [
        replace(drawn, prompt=prompts[n % len(prompts)], seed=drawn.seed + n) for n in range(draws)
    ]
    if reference.places(prompts[0], (), drawn.temperature) is None:
        return Finding(2, None, f"nobody tells how likely tokens are at {drawn.temperature}")
    places, untold = list[Place](), 0
    for ask, said in zip(asks, _written(subject, asks), strict=True):
        if said.ended and said.ending is None:
            return Finding(2, None, UNTOLD)
        if said.text and not said.drawn:
            return Finding(2, None, "it tells no tokens")
        found = reference.places(ask.prompt, said.drawn, ask.temperature)
        untold += found is None
        places += found or []
    if not places:
        return Finding(2, None, "no token was drawn")
    coins = np.random.default_rng(drawn.seed)
    u_N = transformed(places, coins)
    p = p_value(u_N, coins)
    left_out = f" ({untold} left out: nobody tells how likely all their tokens are)"
    texts = f"{draws} drawn texts{left_out if untold else ''}"
    told = f"{texts}, {len(u_N)} tokens, p = {p:.2g}"
    if p < ALPHA:
        return Finding(2, False, f"{told}: it draws from another distribution{lean(u_N)}")
    fault = noticed(np.array([place.top for place in places]), coins)
    return Finding(2, True, f"{told}; {fault}")


def lean(u_N: Float64[np.ndarray, " N"]) -> str:
    """To which side the numbers lean, if they clearly do: three standard deviations of the mean."""
    off = (u_N.mean() - 0.5) * np.sqrt(12 * len(u_N))
    return "" if abs(off) < 3 else ", and is too greedy" if off < 0 else ", and is too bold"


def _written(subject: Subject, asks: Sequence[Ask]) -> list[Said]:
    try:
        batches = [asks[at : at + TOGETHER] for at in range(0, len(asks), TOGETHER)]
        return [said for batch in batches for said in subject.write(batch)]
    except OneAtATimeError:
        return [subject.write([ask])[0] for ask in asks]


def transformed(places: Sequence[Place], coins: np.random.Generator) -> Float64[np.ndarray, " N"]:
    """Each token's number: uniform in [0, 1] if the sampler is right."""
    above_N = np.array([place.above for place in places])
    own_N = np.array([place.own for place in places])
    return np.clip(above_N + coins.random(len(places)) * own_N, 0.0, 1.0)


def p_value(u_N: Float64[np.ndarray, " N"], coins: np.random.Generator) -> float:
    """How often uniform numbers are as far from uniform as these."""
    chance = _far(coins.multinomial(len(u_N), [1 / BINS] * BINS, size=SIMULATED))
    return float((1 + (chance >= _far(_counts(u_N)[None])).sum()) / (1 + SIMULATED))


def _counts(u_N: Float64[np.ndarray, " N"]) -> Int64[np.ndarray, " K"]:
    """How many numbers fall into each bin."""
    return np.bincount(np.minimum((u_N * BINS).astype(np.int64), BINS - 1), minlength=BINS)


def _far(count_RK: Int64[np.ndarray, "R K"]) -> Float64[np.ndarray, " R"]:
    """Pearson's statistic of each row's histogram."""
    expected = count_RK.sum(1, keepdims=True) / BINS
    return ((count_RK - expected) ** 2 / expected).sum(1)


def noticed(top_N: Float64[np.ndarray, " N"], coins: np.random.Generator) -> str:
    """The least fault that this test notices almost always, of samplers that now and then take the
    likeliest token instead of drawing one.
    """
    N = len(top_N)
    border = np.quantile(_far(coins.multinomial(N, [1 / BINS] * BINS, size=SIMULATED)), 1 - ALPHA)
    for share in FAULTS:
        seen = 0
        for _ in range(RUNS):
            u_N = coins.random(N)
            u_N = np.where(coins.random(N) < share, u_N * top_N, u_N)
            seen += bool(_far(_counts(u_N)[None])[0] > border)
        if seen >= SURE * RUNS:
            return (
                f"a sampler that took the likeliest token in {share:.1%} of the cells instead of "
                f"drawing one would have been noticed ({SURE:.0%} sure)"
            )
    return "so few tokens, or so sure ones, would show no fault: draw more texts"
