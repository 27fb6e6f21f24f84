"""A small English-like language with a known entropy, as a probabilistic grammar.

A document is one line of text. First its cast is drawn: a topic and two people, each with a role and some
counted things. Then the rules of a probabilistic context-free grammar are expanded; symbols that start with
"$" stand for words the cast fixes. The state a sentence needs from earlier ones (who was the last subject,
whether the people have traded their things) is part of the rule's name, so long-range facts stay exact:

* a verb agrees in number with its noun across prepositional phrases and relative clauses;
* the topic, named once at the start, makes its own nouns likely;
* names, roles and things return as introduced; a pronoun is the last subject, in its gender;
* a count runs to the number that was introduced, and each trade swaps who has what;
* three kinds of brackets nest, and quotes close.

Every text has exactly one derivation, so its information content is the sum of -ln p over the choices made,
and no model can expect a lower total. Over a text of n tokens the floor of perplexity is exp(nats / n).
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, product

Rules = dict[str, tuple[tuple[float, tuple[str, ...]], ...]]
"""Nonterminal -> alternatives of (probability, symbols); a symbol without an entry is a word or a slot."""

TOPICS: dict[str, tuple[str, ...]] = {
    "farm": ("goat", "hen", "cow", "lamb", "duck", "pig"),
    "dock": ("boat", "crab", "gull", "sail", "seal", "buoy"),
    "wood": ("wasp", "crow", "bear", "tree", "stag", "mole"),
    "mill": ("rat", "cat", "wheel", "sack", "moth", "barrel"),
    "hill": ("hawk", "ram", "cave", "stone", "hare", "path"),
    "town": ("cart", "dog", "shop", "wall", "clock", "lane"),
    "pond": ("frog", "swan", "reed", "newt", "toad", "carp"),
    "moon": ("robot", "dome", "comet", "star", "rover", "beam"),
}
"""Topic -> the nouns it makes likely, most likely first."""

PEOPLE: dict[str, str] = {
    **dict.fromkeys(("Ada", "Mira", "Lena", "Rosa", "Nora", "Ines", "Zoe", "Tess", "Ruth", "Kim"), "she"),
    **dict.fromkeys(("Tom", "Bo", "Sam", "Hugo", "Ivan", "Max", "Omar", "Leo", "Paul", "Finn"), "he"),
}
"""Name -> pronoun."""

# fmt: off
ROLES = (
    "baker", "sailor", "smith", "nurse", "pilot", "judge", "miner", "poet",
    "cook", "guard", "tailor", "painter", "farmer", "singer",
)

THINGS = (
    "rope", "lamp", "pot", "bell", "coin", "book", "key", "drum", "cup", "map",
    "hat", "ring", "pen", "nail", "jug", "flute",
)

AMOUNTS = {"a": 0.3, "two": 0.25, "three": 0.2, "four": 0.15, "five": 0.1}
COUNTING = ("one", "two", "three", "four", "five")

ADJECTIVES = (
    "red", "new", "big", "wet", "shy", "tall", "blue", "cold", "grey", "loud",
    "slow", "thin", "warm", "wild", "kind", "brave",
)

ACTIONS = (
    "see", "find", "help", "love", "hear", "need", "want", "hold", "lift", "feed",
    "draw", "seek", "fear", "greet", "follow", "paint",
)
# fmt: on

DEEDS = ("sleep", "sing", "wait", "run", "jump", "shine", "fall", "turn")
ADVERBS = ("today", "again", "alone", "twice", "at noon", "at dusk", "in peace", "in vain")
PLACES = ("near", "behind", "above", "under")

OWN_TOPIC = 0.8
"""The share of nouns that belong to the document's topic."""

STOP = (0.1, 0.25, 0.4, 0.5, 1.0)
"""The probability that a document ends after so many sentences between its first and its last."""


@dataclass(frozen=True)
class Person:
    """One of the two people of a document: who they are and what they start with."""

    name: str
    role: str
    thing: str
    amount: str

    @property
    def pronoun(self) -> str:
        """ "he" or "she"."""
        return PEOPLE[self.name]

    @property
    def count(self) -> int:
        """How many of the thing there are."""
        return list(AMOUNTS).index(self.amount) + 1

    @property
    def things(self) -> str:
        """The thing, in the plural where there is more than one."""
        return self.thing if self.count == 1 else plural(self.thing)


@dataclass(frozen=True)
class Cast:
    """What is drawn before the first sentence, and stays."""

    topic: str
    a: Person
    b: Person


def plural(noun: str) -> str:
    """The plural of a noun of this language, all of which are regular."""
    return noun + "s"


def slots(cast: Cast) -> dict[str, tuple[str, ...]]:
    """The words each "$" symbol stands for under this cast."""
    words = {"$topic": cast.topic}
    for who, person in (("A", cast.a), ("B", cast.b)):
        words[f"${who}.name"] = person.name
        words[f"${who}.role"] = person.role
        words[f"${who}.pronoun"] = person.pronoun
    for index, person in enumerate((cast.a, cast.b)):
        words[f"$thing{index}.amount"] = person.amount
        words[f"$thing{index}.noun"] = person.things
        words[f"$thing{index}.count"] = " , ".join(COUNTING[: person.count])
    return {slot: tuple(text.split()) for slot, text in words.items()}


def _alternatives(weights: Mapping[str, float]) -> tuple[tuple[float, tuple[str, ...]], ...]:
    return tuple((weight, tuple(text.split())) for text, weight in weights.items())


def _uniform(texts: Sequence[str]) -> dict[str, float]:
    return dict.fromkeys(texts, 1 / len(texts))


def _optional(probability: float, symbol: str) -> dict[str, float]:
    return {"": 1 - probability, symbol: probability}


def topic_nouns(topic: str) -> dict[str, float]:
    """Singular noun -> probability under a topic: its own nouns fall off by rank, all others are alike."""
    own = TOPICS[topic]
    ranks = [1 / (rank + 3) for rank in range(len(own))]
    others = [noun for other, nouns in TOPICS.items() if other != topic for noun in nouns] + list(THINGS)
    weights = {noun: OWN_TOPIC * rank / sum(ranks) for noun, rank in zip(own, ranks, strict=True)}
    return weights | dict.fromkeys(others, (1 - OWN_TOPIC) / len(others))


def _phrase_rules(topic: str) -> dict[str, dict[str, float]]:
    """Noun phrases, verbs and bracketed remarks; ".s" is singular and ".p" is plural."""
    nouns = topic_nouns(topic)
    return {
        "NOUN.s": nouns,
        "NOUN.p": {plural(noun): weight for noun, weight in nouns.items()},
        "DET.s": {"the": 0.45, "a": 0.25, "this": 0.15, "every": 0.15},
        "DET.p": {"the": 0.45, "some": 0.25, "these": 0.15, "many": 0.15},
        "ADJ": _optional(0.55, "ADJ.word"),
        "ADJ.word": _uniform(ADJECTIVES),
        "VERB.s": _uniform([verb + "s" for verb in ACTIONS]),
        "VERB.p": _uniform(ACTIONS),
        "DEED.s": _uniform([verb + "s" for verb in DEEDS]),
        "DEED.p": _uniform(DEEDS),
        "ADV": _optional(0.4, "ADV.word"),
        "ADV.word": _uniform(ADVERBS),
        "PLACE": _uniform(PLACES),
        "CORE": {"DET.s ADJ NOUN.s": 0.6, "DET.p ADJ NOUN.p": 0.4},
        "NP.s": {"DET.s ADJ NOUN.s POST.s": 1.0},
        "NP.p": {"DET.p ADJ NOUN.p POST.p": 1.0},
        "NP": {"NP.s": 0.55, "NP.p": 0.45},
        "POST.s": {
            "": 0.58,
            "PLACE CORE": 0.18,
            "that VERB.s CORE": 0.09,
            "that WHO VERB.s": 0.07,
            "ROUND": 0.08,
        },
        "POST.p": {
            "": 0.58,
            "PLACE CORE": 0.18,
            "that VERB.p CORE": 0.09,
            "that WHO VERB.s": 0.07,
            "ROUND": 0.08,
        },
        "WHO": _uniform(["$A.name", "$B.name", "the $A.role", "the $B.role"]),
        "ROUND": {"( REMARK )": 0.6, "( REMARK SQUARE )": 0.4},
        "SQUARE": {"[ REMARK ]": 0.7, "[ REMARK CURLY ]": 0.3},
        "CURLY": {"{ REMARK }": 1.0},
        "REMARK": {"not CORE": 0.6, "or CORE": 0.4},
    }


def _person_rules(who: str, other: str) -> dict[str, dict[str, float]]:
    """How a sentence names its subject, by the subject of the sentence before ("-" for neither person)."""
    fresh = {f"${who}.name": 0.6, f"the ${who}.role": 0.4}
    return {
        f"SUBJ.{who}.-": fresh,
        f"SUBJ.{who}.{other}": fresh,
        f"SUBJ.{who}.{who}": {f"${who}.pronoun": 0.6, f"${who}.name": 0.25, f"the ${who}.role": 0.15},
    }


def _holdings(swapped: int) -> dict[str, str]:
    """Who has which thing: each their own until a trade, each the other's after it."""
    return {"A": f"$thing{swapped}", "B": f"$thing{1 - swapped}"}


def _ending_rules(swapped: int) -> dict[str, dict[str, float]]:
    """The last sentence, and what people say, both of which recall who has what."""
    rules: dict[str, dict[str, float]] = {f"END.{swapped}": {}}
    for who, thing in _holdings(swapped).items():
        rules[f"END.{swapped}"] |= {
            f"at last ${who}.name has {thing}.amount {thing}.noun .": 0.25,
            f"at last ${who}.name DEED.s ADV .": 0.25,
        }
        rules[f"SPEECH.{who}.{swapped}"] = {
            "`` I VERB.p NP . ''": 0.35,
            "`` you VERB.p NP . ''": 0.25,
            "`` NP.s DEED.s . ''": 0.1,
            "`` NP.p DEED.p . ''": 0.1,
            f"`` I have {thing}.amount {thing}.noun . ''": 0.2,
        }
    return rules


def _story_rule(told: int, last: str, swapped: int) -> dict[str, float]:
    """What follows `told` sentences when `last` was the last subject and things are swapped or not."""
    stop = STOP[told]
    if stop == 1:
        return {f"END.{swapped}": 1.0}
    following = f"STORY.{told + 1}"
    story = {
        f"NATURE {following}.-.{swapped}": 0.28,
        f"they trade . {following}.-.{1 - swapped}": 0.08,
    }
    for who, thing in _holdings(swapped).items():
        subject, then = f"SUBJ.{who}.{last}", f"{following}.{who}.{swapped}"
        story |= {
            f"{subject} VERB.s NP ADV . {then}": 0.18,
            f"{subject} says : SPEECH.{who}.{swapped} {then}": 0.1,
            f"{subject} counts : {thing}.count . {then}": 0.04,
        }
    return {text: (1 - stop) * weight for text, weight in story.items()} | {f"END.{swapped}": stop}


@cache
def rules(topic: str) -> Rules:
    """The rules under a topic; the start symbol is DOCUMENT and every rule's probabilities sum to 1."""
    holders = [f"the ${who}.role ${who}.name has {thing}.amount {thing}.noun" for who, thing in _holdings(0).items()]
    table: dict[str, dict[str, float]] = {
        "DOCUMENT": {f"$topic : {holders[0]} , {holders[1]} . STORY.0.-.0": 1.0},
        "NATURE": {
            "NP.s DEED.s ADV .": 0.25,
            "NP.p DEED.p ADV .": 0.25,
            "NP.s VERB.s NP ADV .": 0.25,
            "NP.p VERB.p NP ADV .": 0.25,
        },
    }
    table |= _phrase_rules(topic) | _person_rules("A", "B") | _person_rules("B", "A")
    for swapped in (0, 1):
        table |= _ending_rules(swapped)
        for told, last in product(range(len(STOP)), ("A", "B", "-")):
            table[f"STORY.{told}.{last}.{swapped}"] = _story_rule(told, last, swapped)
    return {symbol: _alternatives(weights) for symbol, weights in table.items()}


@cache
def _cumulative(topic: str) -> dict[str, tuple[list[float], list[float], list[tuple[str, ...]]]]:
    """The rules prepared for sampling: running sums, nats and symbols of each nonterminal's alternatives."""
    return {
        symbol: (
            list(accumulate(p for p, _ in alternatives))[:-1],
            [-math.log(p) for p, _ in alternatives],
            [symbols for _, symbols in alternatives],
        )
        for symbol, alternatives in rules(topic).items()
    }


def _choose(rng: random.Random, options: Sequence[str]) -> str:
    return options[int(rng.random() * len(options))]


def _person(rng: random.Random, other: Person | None) -> Person:
    """A person who shares no name, role or thing with the other one."""
    taken = () if other is None else (other.name, other.role, other.thing)
    pools = ([word for word in pool if word not in taken] for pool in (tuple(PEOPLE), ROLES, THINGS))
    name, role, thing = (_choose(rng, pool) for pool in pools)
    amount = list(AMOUNTS)[bisect(list(accumulate(AMOUNTS.values()))[:-1], rng.random())]
    return Person(name, role, thing, amount)


def sample_cast(rng: random.Random) -> Cast:
    """Draw a topic and two people."""
    topic = _choose(rng, tuple(TOPICS))
    a = _person(rng, None)
    return Cast(topic, a, _person(rng, a))


def cast_nats(cast: Cast) -> float:
    """-ln of the probability of a cast."""
    pools = (len(TOPICS), *(len(pool) * (len(pool) - 1) for pool in (PEOPLE, ROLES, THINGS)))
    return sum(math.log(n) for n in pools) - sum(math.log(AMOUNTS[who.amount]) for who in (cast.a, cast.b))


def render(words: Sequence[str]) -> str:
    """Words as a line of text: spaces, capitals at the start of sentences, quotes for `` and ''."""
    pieces: list[str] = []
    before = "''"
    for word in words:
        spaced = before not in ("(", "[", "{", "``") and word not in (".", ",", ":", ")", "]", "}", "''")
        shown = word[0].upper() + word[1:] if before in (".", "``", "''") else word
        pieces.append(" " * (spaced and bool(pieces)) + ('"' if word in ("``", "''") else shown))
        before = word
    return "".join(pieces)


def sample_document(rng: random.Random) -> tuple[str, float]:
    """Draw one document: its line of text, without the line break, and its information content in nats."""
    cast = sample_cast(rng)
    nats = cast_nats(cast)
    table, fixed = _cumulative(cast.topic), slots(cast)
    words: list[str] = []
    pending = ["DOCUMENT"]
    while pending:
        symbol = pending.pop()
        if symbol in table:
            bounds, costs, expansions = table[symbol]
            choice = bisect(bounds, rng.random())
            nats += costs[choice]
            pending.extend(reversed(expansions[choice]))
        elif symbol in fixed:
            words.extend(fixed[symbol])
        else:
            words.append(symbol)
    return render(words), nats


def sample_corpus(seed: int, documents: int) -> tuple[str, float]:
    """Draw documents from a seed: the text, every document ended by a line break, and its total in nats.

    The number of documents is not a choice of the language, so the line breaks add no nats.
    """
    rng = random.Random(seed)
    samples = [sample_document(rng) for _ in range(documents)]
    return "".join(text + "\n" for text, _ in samples), math.fsum(nats for _, nats in samples)
