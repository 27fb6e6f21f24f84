"""Text that continues a prompt, piece by piece, until something ends it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from llmir.evaluation.generation import GREEDY, generate
from llmir.evaluation.perplexity import Model
from llmir.evaluation.sampling import Sampling
from llmir.evaluation.text_stream import Decode, StopStrings, TextStream

FinishReason = Literal["length", "stop_token", "stop_string"]


@dataclass
class Continuation:
    """A prompt's continuation by a model. `pieces` makes it; the other fields say what has been made so far.

    At most `tokens` ids are made. It ends before one of `stop_ids` and before the first of `stops`,
    neither of which is part of the text. `seconds` are when each token came, the prompt's start being 0.
    """

    model: Model
    decode: Decode
    prompt: Sequence[int]
    tokens: int
    sampling: Sampling = GREEDY
    stop_ids: frozenset[int] = frozenset()
    stops: StopStrings = field(default_factory=StopStrings)
    ids: list[int] = field(default_factory=list[int])
    text: str = ""
    seconds: list[float] = field(default_factory=list[float])
    finish_reason: FinishReason = "length"

    def pieces(self) -> Iterator[str]:
        """The text, as soon as it is certain; InputError when the prompt is empty or logits are not finite."""
        stream, stops = TextStream(self.decode, self.prompt), self.stops
        started = time.perf_counter()
        for token in generate(self.model, self.prompt, self.tokens, self.sampling):
            self.seconds.append(time.perf_counter() - started)
            if token in self.stop_ids:
                self.finish_reason = "stop_token"
                break
            self.ids.append(token)
            yield self._shown(stops.push(stream.push(token)))
            if stops.found is not None:
                self.finish_reason = "stop_string"
                return
        last = stops.push(stream.finish())
        if stops.found is not None:
            self.finish_reason = "stop_string"
        yield self._shown(last + stops.finish())

    def _shown(self, piece: str) -> str:
        self.text += piece
        return piece

    @property
    def prefill_tokens_per_second(self) -> float | None:
        """Tokens of the prompt a second, the first token included; None before there is one."""
        return len(self.prompt) / self.seconds[0] if self.seconds else None

    @property
    def decode_tokens_per_second(self) -> float | None:
        """Tokens a second after the first; None before there are two."""
        steps = len(self.seconds) - 1
        return steps / (self.seconds[-1] - self.seconds[0]) if steps > 0 else None
