"""The grammar's claims: exact information content, one derivation a text, and the entropy of its rules."""

from __future__ import annotations

import math
import random
import re
import statistics
from functools import cache

import numpy as np
import pytest

from llmir.demo import grammar
from llmir.demo.grammar import Cast, Person, Rules

QUOTES = ("``", "''")


def words_of(text: str) -> list[str]:
    """Undo `render`: split into words, make quotes directed, and take back the capitals of sentences."""
    words: list[str] = []
    quotes = 0
    for piece in re.findall(r"[A-Za-z]+|[^\sA-Za-z]", text):
        if piece == '"':
            words.append(QUOTES[quotes % 2])
            quotes += 1
            continue
        starts = not words or words[-1] in (".", *QUOTES)
        lowered = starts and piece not in (*grammar.PEOPLE, "I")
        words.append(piece.lower() if lowered else piece)
    return words


def cast_of(words: list[str]) -> Cast:
    """Read the cast off `topic : the role A has amount thing , the role B has amount thing .`"""

    def person(name: str, role: str, amount: str, thing: str) -> Person:
        return Person(name, role, thing if amount == "a" else thing.removesuffix("s"), amount)

    a = person(words[4], words[3], words[6], words[7])
    b = person(words[11], words[10], words[13], words[14])
    return Cast(words[0], a, b)


def cast_probability(cast: Cast) -> float:
    amounts = {"a": 0.3, "two": 0.25, "three": 0.2, "four": 0.15, "five": 0.1}
    uniform = 1 / 8 / (20 * 19) / (14 * 13) / (16 * 15)
    return uniform * amounts[cast.a.amount] * amounts[cast.b.amount]


def derivations(rules: Rules, slots: dict[str, tuple[str, ...]], words: list[str]) -> tuple[int, float]:
    """How many derivations of DOCUMENT yield the words, and their summed probability (inside algorithm)."""

    @cache
    def inside(symbol: str, start: int) -> dict[int, tuple[int, float]]:
        if symbol not in rules:
            literal = list(slots.get(symbol, (symbol,)))
            end = start + len(literal)
            return {end: (1, 1.0)} if words[start:end] == literal else {}
        found: dict[int, tuple[int, float]] = {}
        for probability, symbols in rules[symbol]:
            for end, (number, mass) in sequence(symbols, start).items():
                before = found.get(end, (0, 0.0))
                found[end] = (before[0] + number, before[1] + probability * mass)
        return found

    @cache
    def sequence(symbols: tuple[str, ...], start: int) -> dict[int, tuple[int, float]]:
        if not symbols:
            return {start: (1, 1.0)}
        found: dict[int, tuple[int, float]] = {}
        for middle, (number, mass) in inside(symbols[0], start).items():
            for end, (rest_number, rest_mass) in sequence(symbols[1:], middle).items():
                before = found.get(end, (0, 0.0))
                found[end] = (before[0] + number * rest_number, before[1] + mass * rest_mass)
        return found

    return inside("DOCUMENT", 0).get(len(words), (0, 0.0))


def entropy_of_rules(rules: Rules) -> float:
    """Entropy of DOCUMENT in nats: H(symbol) = H(choice) + sum of p * H(children), a linear system."""
    names = list(rules)
    index = {name: i for i, name in enumerate(names)}
    own = np.zeros(len(names))
    children = np.zeros((len(names), len(names)))
    for name, alternatives in rules.items():
        for probability, symbols in alternatives:
            own[index[name]] -= probability * math.log(probability)
            for symbol in symbols:
                if symbol in index:
                    children[index[name], index[symbol]] += probability
    return float(np.linalg.solve(np.eye(len(names)) - children, own)[index["DOCUMENT"]])


def entropy_of_cast() -> float:
    amount = -sum(p * math.log(p) for p in (0.3, 0.25, 0.2, 0.15, 0.1))
    return math.log(8) + math.log(20 * 19) + math.log(14 * 13) + math.log(16 * 15) + 2 * amount


@pytest.mark.parametrize("topic", list(grammar.TOPICS))
def test_each_rule_is_a_distribution(topic: str) -> None:
    for symbol, alternatives in grammar.rules(topic).items():
        assert math.isclose(math.fsum(p for p, _ in alternatives), 1, abs_tol=1e-12), symbol
        assert len({symbols for _, symbols in alternatives}) == len(alternatives), symbol


def test_information_content_is_the_probability_summed_over_all_derivations() -> None:
    rng = random.Random(11)
    for _ in range(150):
        text, nats = grammar.sample_document(rng)
        words = words_of(text)
        cast = cast_of(words)
        number, probability = derivations(grammar.rules(cast.topic), grammar.slots(cast), words)
        assert number == 1, text
        expected = -math.log(probability) - math.log(cast_probability(cast))
        assert math.isclose(nats, expected, rel_tol=1e-9), text


def test_rendering_loses_nothing() -> None:
    rng = random.Random(12)
    for _ in range(300):
        text, _ = grammar.sample_document(rng)
        assert grammar.render(words_of(text)) == text


def test_a_sentence_that_breaks_agreement_has_no_derivation() -> None:
    opening = "Farm: the baker Mira has a rope, the smith Tom has two keys. "
    for body, number in (
        ("The goats sleep. At last Tom has two keys.", 1),
        ("The goats sleeps. At last Tom has two keys.", 0),
        ("Mira counts: one. She counts: one. At last Mira has a rope.", 1),
        ("Mira counts: one. He counts: one. At last Mira has a rope.", 0),
        ("They trade. At last Tom has a rope.", 1),
        ("They trade. At last Tom has two keys.", 0),
        ("The goats (not the hen [or the cow]) sleep. At last Tom has two keys.", 1),
        ("The goats (not the hen [or the cow)] sleep. At last Tom has two keys.", 0),
    ):
        words = words_of(opening + body)
        cast = cast_of(words)
        assert derivations(grammar.rules(cast.topic), grammar.slots(cast), words)[0] == number, body


def test_mean_information_content_is_the_entropy_of_the_rules() -> None:
    rng = random.Random(13)
    nats = [grammar.sample_document(rng)[1] for _ in range(20_000)]
    entropies = [entropy_of_rules(grammar.rules(topic)) for topic in grammar.TOPICS]
    expected = entropy_of_cast() + statistics.fmean(entropies)
    standard_error = statistics.stdev(nats) / math.sqrt(len(nats))
    assert abs(statistics.fmean(nats) - expected) < 4 * standard_error
    assert standard_error < 0.01 * expected


def test_samples_follow_the_seed() -> None:
    first = grammar.sample_corpus(21, 50)
    assert grammar.sample_corpus(21, 50) == first
    assert grammar.sample_corpus(22, 50) != first
    assert first[0].startswith(grammar.sample_corpus(21, 10)[0])


def test_a_corpus_is_its_documents_one_a_line() -> None:
    text, nats = grammar.sample_corpus(23, 30)
    rng = random.Random(23)
    documents = [grammar.sample_document(rng) for _ in range(30)]
    assert text.endswith("\n")
    assert text.splitlines() == [document for document, _ in documents]
    assert math.isclose(nats, sum(cost for _, cost in documents), rel_tol=1e-9)
