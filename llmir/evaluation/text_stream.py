"""Text from tokens as they come: only what later tokens cannot change, nothing of a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmir.errors import UsageError

CONTEXT = 8
"""Tokens decoded in front of new ones: decoders strip or insert spaces by what comes before."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

Decode = Callable[[list[int]], str]
"""The text of ids; bytes that are no UTF-8 (yet) are replacement characters."""


class TextStream:
    """The text that tokens add to a prompt.

    What `push` returns and, at last, `finish` make up decode(prompt + tokens) without decode(prompt), as far as a
    token's text depends on no more than `CONTEXT` tokens before it and the character it is part of.
    """

    def __init__(self, decode: Decode, prompt: Sequence[int] = ()):
        self._decode = decode
        self._ids = _whole_characters(decode, prompt)
        self._shown = len(decode(self._ids))
        self._borders: list[int] = [len(self._ids)]

    def push(self, token: int) -> str:
        """The text that is certain with one more token; a character whose bytes are not all there waits."""
        self._ids.append(token)
        text = self._decode(self._ids)
        certain = text.rstrip(REPLACEMENT)
        piece = certain[self._shown :]
        self._shown = max(self._shown, len(certain))
        if certain == text:
            self._forget()
        return piece

    def finish(self) -> str:
        """What was held back: bytes that no token made a character of."""
        piece = self._decode(self._ids)[self._shown :]
        self._shown += len(piece)
        return piece

    def _forget(self) -> None:
        """Keep `CONTEXT` tokens, and those before them up to where a character begins."""
        self._borders.append(len(self._ids))
        start: int = max((border for border in self._borders if border <= len(self._ids) - CONTEXT), default=0)
        if start:
            self._borders = [border - start for border in self._borders if border > start]
            del self._ids[:start]
            self._shown = len(self._decode(self._ids))


def _whole_characters(decode: Decode, prompt: Sequence[int]) -> list[int]:
    """The end of a prompt, beginning where a character does."""
    starts = range(max(len(prompt) - CONTEXT, 0), max(len(prompt) - 2 * CONTEXT, -1), -1)
    tails = (list(prompt[start:]) for start in starts)
    return next((tail for tail in tails if not decode(tail).startswith(REPLACEMENT)), list(prompt[-CONTEXT:]))


class StopStrings:
    """Ends a text before the first of some strings, however the text is cut into pieces.

    The first one is the one that is complete first; of several that end at the same place, the longest.
    UsageError when one is empty.
    """

    def __init__(self, stops: Sequence[str] = ()):
        if "" in stops:
            raise UsageError("a stop string must have at least one character")
        self._stops = stops
        self._held = ""
        self.found: str | None = None

    def push(self, piece: str) -> str:
        """What can be shown after one more piece: nothing of a stop string, nor what may become one."""
        if self.found is not None:
            return ""
        text = self._held + piece
        ends = [(text.find(stop) + len(stop), -len(stop), stop) for stop in self._stops if stop in text]
        if ends:
            end, _, self.found = min(ends)
            self._held = ""
            return text[: end - len(self.found)]
        shown = len(text) - self._beginning(text)
        self._held = text[shown:]
        return text[:shown]

    def finish(self) -> str:
        """What was held back and did not become a stop string."""
        held, self._held = self._held, ""
        return held

    def _beginning(self, text: str) -> int:
        """Characters at the end of a text that a stop string could begin with."""
        longest = max(map(len, self._stops), default=0)
        lengths = range(min(longest - 1, len(text)), 0, -1)
        return next((n for n in lengths if any(stop.startswith(text[-n:]) for stop in self._stops)), 0)
