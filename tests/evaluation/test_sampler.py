"""Draws follow their distribution; the filters are those of float64 formulas, whatever the logits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from tiny_models import softmax

from llmir.errors import InputError, UsageError
from llmir.evaluation.sampling import LogitKernels, Sampler, Sampling, candidates

DRAWS = 20_000
LOGITS = np.random.default_rng(0).standard_normal(12).astype(np.float32) * 2

some_logits = arrays(np.float32, st.integers(1, 60), elements=st.floats(-30, 30, width=16))
"""Of few digits, so that many are equal."""
temperatures = st.sampled_from([0.25, 0.7, 1.0, 3.0])


def drawn(logits: NDArray[np.float32], sampling: Sampling) -> NDArray[np.float64]:
    """Frequencies of the ids."""
    sampler = Sampler(sampling)
    ids = [sampler.choose(logits) for _ in range(DRAWS)]
    return np.bincount(ids, minlength=len(logits)) / DRAWS


def ranked(probabilities: NDArray[np.float64]) -> list[int]:
    """Ids, the most likely first, the lower of two that are equally likely before the other."""
    return sorted(range(len(probabilities)), key=lambda id: (-probabilities[id], id))


def filtered(logits: NDArray[np.float32], sampling: Sampling) -> NDArray[np.float64]:
    """Probabilities by the definition: one filter after the other, each on probabilities that sum to 1."""
    p = softmax(logits.astype(np.float64) / sampling.temperature)
    if sampling.top_k:
        p = only(p, ranked(p)[: sampling.top_k])
    nucleus: list[int] = []
    for id in ranked(p):
        if sum(p[nucleus]) >= sampling.top_p:
            break
        nucleus.append(id)
    if sampling.top_p < 1:
        p = only(p, nucleus)
    return only(p, [id for id in range(len(p)) if p[id] >= sampling.min_p * p.max()])


def only(p: NDArray[np.float64], ids: list[int]) -> NDArray[np.float64]:
    kept = np.zeros_like(p)
    kept[ids] = p[ids]
    return kept / kept.sum()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature(temperature: float) -> None:
    assert np.abs(drawn(LOGITS, Sampling(temperature)) - softmax(LOGITS / temperature)).max() < 0.015


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(1.0, top_k=3),
        Sampling(0.7, top_p=0.8),
        Sampling(2.0, min_p=0.2),
        Sampling(1.5, top_k=8, top_p=0.9, min_p=0.05),
    ],
)
def test_filters(sampling: Sampling) -> None:
    expected = filtered(LOGITS, sampling)
    frequencies = drawn(LOGITS, sampling)
    assert np.abs(frequencies - expected).max() < 0.015
    assert (frequencies[expected == 0] == 0).all()
    assert 0 < np.count_nonzero(expected) < len(LOGITS)


@given(some_logits, temperatures, st.integers(1, 70))
def test_top_k(logits: NDArray[np.float32], temperature: float, k: int) -> None:
    ids, p = candidates(logits, Sampling(temperature, top_k=k))
    everything = softmax(logits.astype(np.float64) / temperature)
    expected = ranked(everything)[:k]
    assert len(ids) == min(k, len(logits))
    assert sorted(everything[ids]) == sorted(everything[expected])
    np.testing.assert_allclose(p, only(everything, list(ids))[ids])


@given(some_logits, temperatures, st.sampled_from([0.01, 0.3, 0.5, 0.9, 0.99, 0.999]))
def test_top_p(logits: NDArray[np.float32], temperature: float, top_p: float) -> None:
    """The set reaches top_p, is the smallest that does, and no token outside is likelier than one inside."""
    ids, _ = candidates(logits, Sampling(temperature, top_p=top_p))
    p = softmax(logits.astype(np.float64) / temperature)
    outside = np.setdiff1d(np.arange(len(p)), ids)
    slack = 1e-12
    assert p[ids].sum() >= top_p - slack
    assert p[ids].sum() - p[ids].min() < top_p + slack
    assert not len(outside) or p[outside].max() <= p[ids].min()


@given(some_logits, temperatures, st.sampled_from([0.0, 0.05, 0.3, 1.0]))
def test_min_p(logits: NDArray[np.float32], temperature: float, min_p: float) -> None:
    ids, _ = candidates(logits, Sampling(temperature, min_p=min_p))
    below = (logits.astype(np.float64) - logits.max()) / temperature
    bound = np.log(min_p) if min_p else -np.inf
    assert set(np.flatnonzero(below >= bound + 1e-9)) <= set(ids) <= set(np.flatnonzero(below >= bound - 1e-9))


def test_ties_go_to_the_lower_id() -> None:
    logits = np.array([0, 5, 5, 5, 1], np.float32)
    assert candidates(logits, Sampling(1.0, top_k=2))[0].tolist() == [1, 2]
    assert candidates(logits, Sampling(1.0, top_p=0.5))[0].tolist() == [1, 2]
    assert Sampler(Sampling()).choose(logits) == 1


def test_large_vocabulary() -> None:
    """Only likely tokens are sorted, which changes nothing."""
    logits = np.random.default_rng(0).standard_normal(50_000).astype(np.float32) * 4
    for sampling in (Sampling(1.0, top_p=0.95), Sampling(0.8, top_k=40), Sampling(1.0, top_k=300, top_p=0.9)):
        ids, p = candidates(logits, sampling)
        expected = filtered_fast(logits, sampling)
        assert ids.tolist() == np.flatnonzero(expected).tolist()
        np.testing.assert_allclose(p, expected[ids], rtol=1e-10)


def filtered_fast(logits: NDArray[np.float32], sampling: Sampling) -> NDArray[np.float64]:
    """As `filtered`, with one sort of everything."""
    p = softmax(logits.astype(np.float64) / sampling.temperature)
    order = np.argsort(-p, kind="stable")
    if sampling.top_k:
        p = only(p, list(order[: sampling.top_k]))
    before = np.cumsum(p[order]) - p[order]
    return only(p, list(order[before < sampling.top_p])) if sampling.top_p < 1 else p


class Float32Kernels:
    """Largest logits, and probabilities that are a little off: those of every other token are too large."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def top_k(self, logits: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        self.calls.append("top_k")
        return np.lexsort((np.arange(len(logits)), -logits))[:count]

    def softmax(self, logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
        self.calls.append("softmax")
        p = softmax(logits.astype(np.float64) / temperature)
        return (p * (1 + 3e-6 * (-1.0) ** np.arange(len(p)))).astype(np.float32)


class Places:
    """Numbers that are drawn one after the other."""

    def __init__(self, numbers: list[float]):
        self._numbers = iter(numbers)

    def random(self) -> float:
        return next(self._numbers)


def chosen(
    logits: NDArray[np.float32], sampling: Sampling, places: list[float], kernels: LogitKernels | None
) -> list[int]:
    sampler = Sampler(sampling, kernels)
    sampler._random = Places(places)  # pyright: ignore
    return [sampler.choose(logits) for _ in places]


filters = st.sampled_from([{}, {"top_k": 5}, {"top_p": 0.5}, {"top_p": 0.9, "min_p": 0.1}, {"top_k": 9, "top_p": 0.7}])


@given(some_logits, temperatures, filters, st.integers(0, 1000))
def test_kernels_choose_the_same_tokens(
    logits: NDArray[np.float32], temperature: float, given: dict[str, float], seed: int
) -> None:
    sampling = Sampling(temperature, seed=seed, **given)  # pyright: ignore[reportArgumentType]
    plain, quick = Sampler(sampling), Sampler(sampling, Float32Kernels())
    assert [plain.choose(logits) for _ in range(20)] == [quick.choose(logits) for _ in range(20)]
    ids, p = candidates(logits, sampling)
    same_ids, same_p = candidates(logits, sampling, Float32Kernels())
    assert ids.tolist() == same_ids.tolist()
    np.testing.assert_allclose(same_p, p, rtol=1e-14)


@pytest.mark.parametrize("tokens", [4, 5, 300, 1000])
def test_kernels_do_not_decide_at_a_boundary(tokens: int) -> None:
    """Where a token ends the next one begins, whatever float32 has there."""
    logits = np.zeros(tokens, np.float32)
    ends = np.arange(0, tokens + 1) / tokens
    places = [float(p) for end in ends for p in (end - 1e-7, end + 1e-7) if 0 <= p < 1]
    ids = [min(int(p * tokens), tokens - 1) for p in places]
    assert chosen(logits, Sampling(1.0), places, Float32Kernels()) == ids


@pytest.mark.parametrize("tokens", [4, 512])
@pytest.mark.parametrize("off", [-1e-7, 1e-7])
def test_kernels_do_not_decide_the_end_of_a_nucleus(tokens: int, off: float) -> None:
    """A half of tokens that are alike reaches a half, and not more."""
    logits = np.zeros(tokens, np.float32)
    ids, _ = candidates(logits, Sampling(1.0, top_p=0.5 + off), Float32Kernels())
    assert len(ids) == tokens // 2 + (off > 0)


@pytest.mark.parametrize(
    ("sampling", "used"),
    [
        (Sampling(1.0), ["softmax"]),
        (Sampling(1.0, top_k=40), ["top_k"]),
        (Sampling(1.0, top_k=5000), []),
        (Sampling(1.0, top_p=0.9), ["softmax"]),
        (Sampling(1.0, top_k=40, top_p=0.9), ["top_k"]),
        (Sampling(1.0, min_p=0.1), []),
        (Sampling(1e-4), []),
        (Sampling(0.0), []),
    ],
)
def test_kernels_are_used(sampling: Sampling, used: list[str]) -> None:
    """For large vocabularies, where they are quicker."""
    kernels = Float32Kernels()
    logits = np.random.default_rng(0).standard_normal(50_000).astype(np.float32)
    assert Sampler(sampling, kernels).choose(logits) == Sampler(sampling).choose(logits)
    assert kernels.calls == used


def test_seed() -> None:
    samplers = [Sampler(Sampling(1.5, seed=seed)) for seed in (5, 5, 6)]
    many = [[sampler.choose(LOGITS) for _ in range(50)] for sampler in samplers]
    assert many[0] == many[1] != many[2]


@pytest.mark.parametrize("temperature", [1e-3, 1e-310])
def test_temperature_next_to_zero(temperature: float) -> None:
    assert Sampler(Sampling(temperature)).choose(LOGITS * np.float32(1e30)) == LOGITS.argmax()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        *(({"temperature": t}, "temperature must be a finite number from 0 up, got") for t in (-0.1, np.nan, np.inf)),
        ({"top_k": -1}, r"top-k must be 0 \(all tokens\) or more, got -1"),
        *(({"top_p": p}, "top-p must be above 0 and at most 1, got") for p in (0.0, 1.1, np.nan)),
        *(({"min_p": p}, "min-p must be from 0 to 1, got") for p in (-0.1, 1.1, np.nan)),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
    ],
)
def test_out_of_range(fields: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Sampling(**fields)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite(temperature: float) -> None:
    logits = LOGITS.copy()
    logits[7] = np.nan
    with pytest.raises(InputError, match="the model's logits are not finite"):
        Sampler(Sampling(temperature)).choose(logits)
