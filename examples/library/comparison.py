"""What the library computes of its texts: pure functions, without Plait and without files.

Like people, texts are known by the company their letters keep: which three follow each other how often (Cavnar and
Trenkle, 1994). The text that is most like another is of the same language, or of the nearest.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from pydantic import BaseModel

WORD = re.compile(r"[^\W\d_]+")
KEPT_TRIGRAMS = 300


class WordCount(BaseModel):
    """How many words a text has, and how many different ones."""

    total: int
    distinct: int


class Card(BaseModel):
    """What is known of one text."""

    name: str
    title: str
    words: WordCount
    trigrams: dict[str, int]


def find_title(text: str) -> str | None:
    """The first line that holds a word; None without any."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return next((line for line in lines if WORD.search(line)), None)


def count_words(text: str) -> WordCount:
    """Upper and lower case are the same."""
    words = Counter(WORD.findall(text.casefold()))
    return WordCount(total=words.total(), distinct=len(words))


def count_trigrams(text: str) -> dict[str, int]:
    """The most frequent sequences of three letters; the space before and after a word counts as one."""
    found = Counter[str]()
    for word in WORD.findall(text.casefold()):
        padded = f" {word} "
        found.update(padded[start : start + 3] for start in range(len(padded) - 2))
    return dict(found.most_common(KEPT_TRIGRAMS))


def measure_similarity(one: Card, other: Card) -> float:
    """The cosine of the angle between their counts of trigrams: 1 when in proportion, 0 when none is shared."""
    a, b = one.trigrams, other.trigrams
    return sum(a[key] * b[key] for key in a.keys() & b.keys()) / math.hypot(*a.values()) / math.hypot(*b.values())


def render_table(name: str, cards: list[Card]) -> str:
    """Every text beside the one that is most like it, as Markdown."""
    rows = []
    for card in cards:
        others = [(measure_similarity(card, other), other.name) for other in cards if other is not card]
        similarity, nearest = max(others, default=(0.0, ""))
        like = f"{nearest} | {similarity:.2f}" if similarity else "– | 0"
        title = card.title.replace("|", "\\|")
        rows.append(f"| {card.name} | {title} | {card.words.total:,} | {card.words.distinct:,} | {like} |")
    head = ["| text | title | words | different | most like | similarity |", "|---|---|---:|---:|---|---:|"]
    return "\n".join([f"# {name}: {len(cards)} texts", "", *head, *rows, ""])
