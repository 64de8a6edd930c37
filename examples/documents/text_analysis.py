"""What the document pipeline computes: pure functions over text, without Plait and without files."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from function_words import ALL_FUNCTION_WORDS, FUNCTION_WORDS

WORD = re.compile(r"[^\W\d_]+(?:['’‐-][^\W\d_]+)*")
SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'»”’)]*\s+(?=[\"'«“‘(¿¡]*[^\W\d_a-zß-ÿ])")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\ufeff]")
PARAGRAPH_BREAK = re.compile(r"\n\s*\n")
LONGEST_TERM = 3
LONG_WORD = 6
WORDS_PER_MINUTE = 230


@dataclass(frozen=True)
class Statistics:
    """Counts of a text.

    ``lix`` is Björnsson's readability index: mean sentence length plus the percentage of words with more than
    six letters; about 25 is easy, 40 a newspaper, 60 hard.
    """

    words: int
    distinct_words: int
    sentences: int
    paragraphs: int
    mean_sentence_length: float
    longest_sentence: str
    lix: float
    reading_minutes: float
    sentence_lengths: list[int]
    """How many sentences have 1–10, 11–20, …, 41–50 and more than 50 words."""


@dataclass(frozen=True)
class Term:
    """A keyword or phrase, how often it occurs and its C-value."""

    text: str
    count: int
    score: float


@dataclass(frozen=True)
class LanguageGuess:
    """The likeliest language; None if the text holds too few function words of any.

    ``shares`` says which part of the words are function words of each language, largest first.
    """

    language: str | None
    shares: dict[str, float]


def decode_text(data: bytes) -> str:
    """Bytes as text: UTF-8, or UTF-16 by its mark, else Windows-1252.

    The text is in Unicode NFC, its line ends are ``\\n``, control characters are gone.
    """
    for encoding in (
        "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig",
        "cp1252",
        "latin-1",
    ):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:  # latin-1 decodes anything
        raise AssertionError
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return CONTROL.sub("", text)


def split_paragraphs(text: str) -> list[str]:
    """Paragraphs, separated by blank lines, each on one line."""
    return [" ".join(block.split()) for block in PARAGRAPH_BREAK.split(text) if block.strip()]


def find_title(paragraphs: Sequence[str]) -> str:
    """The first paragraph that holds a word, cut to 80 characters."""
    first = next((paragraph for paragraph in paragraphs if WORD.search(paragraph)), "(no text)")
    return first if len(first) <= 80 else first[:79].rstrip() + "…"


def compute_statistics(paragraphs: Sequence[str]) -> Statistics:
    """Count words, sentences and paragraphs."""
    sentences = [sentence for paragraph in paragraphs for sentence in SENTENCE_END.split(paragraph)]
    lengths = {sentence: len(WORD.findall(sentence)) for sentence in sentences}
    sentences = [sentence for sentence in sentences if lengths[sentence]]
    words = [word.casefold() for sentence in sentences for word in WORD.findall(sentence)]
    mean = len(words) / len(sentences) if sentences else 0.0
    long_words = sum(len(word) > LONG_WORD for word in words)
    histogram = Counter(min((lengths[sentence] - 1) // 10, 5) for sentence in sentences)
    return Statistics(
        words=len(words),
        distinct_words=len(set(words)),
        sentences=len(sentences),
        paragraphs=len(paragraphs),
        mean_sentence_length=round(mean, 1),
        longest_sentence=max(sentences, key=lengths.__getitem__, default=""),
        lix=round(mean + 100 * long_words / len(words), 1) if words else 0.0,
        reading_minutes=round(len(words) / WORDS_PER_MINUTE, 1),
        sentence_lengths=[histogram[index] for index in range(6)],
    )


def find_terms(paragraphs: Sequence[str], limit: int = 12) -> list[Term]:
    """Keywords and phrases by C-value (Frantzi, Ananiadou and Mima 2000), best first.

    Candidates are up to three neighbouring words without function words that occur at least twice. A
    candidate scores by its frequency and length, less the mean frequency of the longer candidates around it.
    The length factor is ``log2(1 + words)``, so that single words count too.
    """
    counts = Counter(term for paragraph in paragraphs for term in _candidates(paragraph))
    counts = Counter({term: count for term, count in counts.items() if count > 1})
    nested: dict[tuple[str, ...], list[int]] = {}
    for term, count in counts.items():
        for inner in _inner_terms(term):
            nested.setdefault(inner, []).append(count)
    terms = []
    for term, count in counts.items():
        around = nested.get(term)
        own = count - sum(around) / len(around) if around else float(count)
        if own > 0:
            terms.append(Term(" ".join(term), count, round(math.log2(1 + len(term)) * own, 1)))
    return sorted(terms, key=lambda term: (-term.score, term.text))[:limit]


def guess_language(paragraphs: Sequence[str]) -> LanguageGuess:
    """The language whose function words the text uses most; a word of several languages counts in part."""
    words = Counter(word for paragraph in paragraphs for word in _function_word_forms(paragraph))
    total = sum(words.values())
    scores = dict.fromkeys(FUNCTION_WORDS, 0.0)
    for word, count in words.items():
        languages = [language for language, listed in FUNCTION_WORDS.items() if word in listed]
        for language in languages:
            scores[language] += count / len(languages)
    shares = {language: round(score / total, 3) if total else 0.0 for language, score in scores.items()}
    ranking = dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
    best, second = list(ranking.values())[:2]
    certain = best >= 0.1 and best > second
    return LanguageGuess(next(iter(ranking)) if certain else None, ranking)


def _candidates(paragraph: str) -> Iterator[tuple[str, ...]]:
    """Runs of up to three words that only white space separates and that hold no function word."""
    matches = list(WORD.finditer(paragraph))
    joined = [not paragraph[left.end() : right.start()].strip() for left, right in pairwise(matches)]
    words = [_trim_apostrophe(match.group().casefold().replace("’", "'")) for match in matches]
    usable = [len(word) > 2 and word not in ALL_FUNCTION_WORDS for word in words]
    for start in range(len(words)):
        for end in range(start, min(start + LONGEST_TERM, len(words))):
            if not usable[end] or (end > start and not joined[end - 1]):
                break
            yield tuple(words[start : end + 1])


def _inner_terms(term: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for length in range(1, len(term)):
        for start in range(len(term) - length + 1):
            yield term[start : start + length]


def _trim_apostrophe(word: str) -> str:
    """``queen's`` as ``queen``, ``l'individu`` as ``individu``; a listed ``don't`` as it is."""
    head, _, tail = word.partition("'")
    if not tail or word in ALL_FUNCTION_WORDS:
        return word
    return tail if len(head) <= 2 < len(tail) or head in {"dell", "all", "nell", "dall", "sull", "qu"} else head


def _function_word_forms(paragraph: str) -> Iterator[str]:
    """Words in lower case; a contraction as a whole if it is listed, else its elided article and the rest."""
    for word in WORD.findall(paragraph.casefold().replace("’", "'")):
        head, apostrophe, tail = word.partition("'")
        if apostrophe and word not in ALL_FUNCTION_WORDS:
            yield head + apostrophe
            yield tail
        else:
            yield word
