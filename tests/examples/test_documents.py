from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from text_analysis import compute_statistics, decode_text, find_terms, guess_language, split_paragraphs

TEXTS = Path(__file__).parents[2] / "examples" / "documents" / "texts"
LANGUAGES = {
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "sv": "Swedish",
}

Run = Callable[..., subprocess.CompletedProcess[str]]


def read_paragraphs(name: str) -> list[str]:
    return split_paragraphs(decode_text((TEXTS / name).read_bytes()))


@pytest.mark.parametrize(("code", "language"), LANGUAGES.items())
def test_single_paragraphs_of_the_declaration_are_recognised_in_every_language(code: str, language: str) -> None:
    paragraphs = [text for text in read_paragraphs(f"udhr-{code}.txt") if len(text) > 60]
    hits = sum(guess_language([paragraph]).language == language for paragraph in paragraphs)
    assert len(paragraphs) > 50
    assert hits / len(paragraphs) >= 0.95


def test_a_text_without_function_words_has_no_language() -> None:
    assert guess_language(["xyzzy plugh 12345"]).language is None
    assert guess_language([]).language is None


def test_statistics_count_words_and_sentences_but_no_ornaments() -> None:
    statistics = compute_statistics(["“Stop!” she said. Don't go. (Why not?) 3 of 4 left.", "* * *"])
    assert (statistics.sentences, statistics.paragraphs) == (3, 2)
    assert statistics.words == 9
    assert statistics.longest_sentence == "(Why not?) 3 of 4 left."
    assert statistics.sentence_lengths == [3, 0, 0, 0, 0, 0]


def test_terms_are_phrases_and_words_without_function_words() -> None:
    terms = {term.text: term.count for term in find_terms(read_paragraphs("alice.txt"), limit=30)}
    assert terms["alice"] == 398
    assert terms["mock turtle"] == 56
    assert not terms.keys() & {"the", "don't", "said", "mock"}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("naïve\r\ncafé\x1a".encode(), "naïve\ncafé"),
        (b"\xef\xbb\xbfmark", "mark"),
        ("Wörter".encode("utf-16"), "Wörter"),
        ("Größe – €".encode("cp1252"), "Größe – €"),
        ("e\u0301".encode(), "é"),
        (b"\x81", ""),
    ],
)
def test_bytes_of_several_encodings_become_clean_text(data: bytes, text: str) -> None:
    assert decode_text(data).strip("\x81") == text


def test_the_script_describes_every_shipped_text(run_example: Run, tmp_path: Path) -> None:
    finished = run_example("documents/pipeline.py")
    assert finished.returncode == 0, finished.stderr
    summary = (tmp_path / "out" / "summary.md").read_text()
    for language in LANGUAGES.values():
        assert f"| {language} |" in summary
    report = (tmp_path / "out" / "alice" / "report.md").read_text()
    assert "**Language:** English" in report
    assert "| mock turtle | 56 |" in report
    assert sorted(path.name for path in (tmp_path / "out" / "alice").iterdir()) == ["report.md", "text.txt"]


def test_a_document_that_fails_spoils_no_other(run_example: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "good.txt").write_text("This is a text that the pipeline can describe.")
    finished = run_example("documents/pipeline.py", "empty.txt", "good.txt")
    assert finished.returncode == 1
    assert "empty.txt holds no text" in finished.stderr
    assert "9 words" in finished.stdout
    assert "good" in (tmp_path / "out" / "summary.md").read_text()


def test_a_missing_document_is_refused_before_anything_runs(run_example: Run, tmp_path: Path) -> None:
    finished = run_example("documents/pipeline.py", "missing.txt")
    assert finished.returncode == 2
    assert "Path does not point to a file" in finished.stderr
    assert not (tmp_path / "out").exists()
