"""A document pipeline over real text files: it fans out after ``extract`` and joins in ``write_report``.

    extract ──┬── statistics ──┐
              ├── keywords ────┼── write_report
              └── language ────┘

Run it on the texts beside this file, with a worker inside the same process::

    python examples/documents/pipeline.py [FILE ...]

or one document through the command line::

    plait run examples/documents/pipeline.py:report path=README.md
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, FilePath, ValidationError, field_validator
from text_analysis import (
    LanguageGuess,
    Statistics,
    Term,
    compute_statistics,
    decode_text,
    find_terms,
    find_title,
    guess_language,
    split_paragraphs,
)

from plait import Context, NonRetryableException, Plait

HERE = Path(__file__).resolve().parent
SAMPLE_TEXTS = HERE / "texts"

plait = Plait()


class Document(BaseModel):
    """The input: a text file, and the folder that gets a folder of results for it."""

    path: FilePath
    out: Path = HERE / "out"

    @field_validator("path", "out")
    @classmethod
    def _make_absolute(cls, path: Path) -> Path:
        return path.resolve()  # the worker may run in another folder


class Extracted(BaseModel):
    """What ``extract`` found. The text stays in a file; between tasks go small values, whatever its size."""

    title: str
    text_path: Path
    paragraphs: int
    characters: int
    sha256: str


@dataclass
class Report:
    """The result: the report's file and its main figures."""

    title: str
    report_path: str
    language: str | None
    words: int
    keywords: list[str]


report = plait.workflow(name="DocumentReport", input_validator=Document, description="Describe one text file")


@report.task(retries=2, execution_timeout="60s")
def extract(input: Document, ctx: Context) -> Extracted:
    """Decode and clean the file."""
    data = input.path.read_bytes()
    paragraphs = split_paragraphs(decode_text(data))
    if not paragraphs:
        raise NonRetryableException(f"{input.path} holds no text")
    text_path = _folder_of(input) / "text.txt"
    characters = _write_file(text_path, "\n\n".join(paragraphs) + "\n")
    return Extracted(
        title=find_title(paragraphs),
        text_path=text_path,
        paragraphs=len(paragraphs),
        characters=characters,
        sha256=hashlib.sha256(data).hexdigest(),
    )


@report.task(parents=[extract])
def statistics(input: Document, ctx: Context) -> Statistics:
    """Count words and sentences."""
    return compute_statistics(_read_paragraphs(ctx))


@report.task(parents=[extract])
def keywords(input: Document, ctx: Context) -> list[Term]:
    """Find the terms the text is about."""
    return find_terms(_read_paragraphs(ctx))


@report.task(parents=[extract])
def language(input: Document, ctx: Context) -> LanguageGuess:
    """Recognise the language."""
    return guess_language(_read_paragraphs(ctx))


@report.task(parents=[extract, statistics, keywords, language])
def write_report(input: Document, ctx: Context) -> Report:
    """Join the three into one page of Markdown."""
    extracted = ctx.task_output(extract)
    stats, terms, guess = ctx.task_output(statistics), ctx.task_output(keywords), ctx.task_output(language)
    report_path = _folder_of(input) / "report.md"
    _write_file(report_path, render_report(input.path, extracted, stats, terms, guess))
    return Report(
        title=extracted.title,
        report_path=str(report_path),
        language=guess.language,
        words=stats.words,
        keywords=[term.text for term in terms],
    )


def render_report(path: Path, extracted: Extracted, stats: Statistics, terms: list[Term], guess: LanguageGuess) -> str:
    """The report as Markdown."""
    best, share = next(iter(guess.shares.items()))
    language_line = (
        f"{guess.language} ({share:.0%} of the words are its function words)"
        if guess.language
        else f"not recognised (nearest: {best}, {share:.0%} of the words)"
    )
    labels = ["1–10", "11–20", "21–30", "31–40", "41–50", "over 50"]
    largest = max(stats.sentence_lengths) or 1
    bars = [
        f"| {label} | {n} | {'█' * round(30 * n / largest)} |"
        for label, n in zip(labels, stats.sentence_lengths, strict=True)
    ]
    return "\n".join(
        [
            f"# {extracted.title}",
            "",
            f"`{path.name}`, {extracted.characters:,} characters, SHA-256 `{extracted.sha256[:16]}…`",
            "",
            f"- **Language:** {language_line}",
            f"- **Length:** {stats.words:,} words ({stats.distinct_words:,} different), "
            f"{stats.sentences:,} sentences, {stats.paragraphs:,} paragraphs; "
            f"about {stats.reading_minutes:.0f} minutes to read",
            f"- **Readability:** LIX {stats.lix:g}, {stats.mean_sentence_length:g} words a sentence",
            "",
            "## Keywords",
            "",
            "| term | times | C-value |",
            "|---|---:|---:|",
            *[f"| {term.text} | {term.count} | {term.score:g} |" for term in terms],
            "",
            "## Sentence lengths in words",
            "",
            "| words | sentences | |",
            "|---|---:|---|",
            *bars,
            "",
            "## Longest sentence",
            "",
            f"> {stats.longest_sentence}",
            "",
        ]
    )


def render_summary(reports: list[Report], folder: Path) -> str:
    """A table of all documents, with links to their reports."""
    rows = []
    for entry in reports:
        link = Path(entry.report_path).relative_to(folder).as_posix()
        keywords = ", ".join(entry.keywords[:5])
        rows.append(f"| [{entry.title}]({link}) | {entry.language or '?'} | {entry.words:,} | {keywords} |")
    return "\n".join(
        [
            f"# {len(reports)} documents",
            "",
            "| document | language | words | keywords |",
            "|---|---|---:|---|",
            *rows,
            "",
        ]
    )


def _read_paragraphs(ctx: Context) -> list[str]:
    return split_paragraphs(ctx.task_output(extract).text_path.read_text(encoding="utf-8"))


def _folder_of(document: Document) -> Path:
    """The folder of one document's results. Files of the same name in different folders do not share one."""
    digest = hashlib.sha256(str(document.path).encode()).hexdigest()[:6]
    inside_samples = document.path.parent == SAMPLE_TEXTS
    return document.out / (document.path.stem if inside_samples else f"{document.path.stem}-{digest}")


def _write_file(path: Path, text: str) -> int:
    """Write a whole file or nothing, so that a task that runs again never leaves half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        count = file.write(text)
    os.replace(name, path)
    return count


async def describe_all(documents: list[Document]) -> list[Report | BaseException]:
    """Start a worker in this process, run the workflow once for each document, stop the worker.

    Returns in order the report of each document, or the error its run ended with.
    """
    worker = plait.worker("documents", slots=8)
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.aio_start())
        items = [report.create_bulk_run_item(document) for document in documents]
        results = await report.aio_run_many(items, return_exceptions=True)
        worker.stop()
    return [result if isinstance(result, BaseException) else Report(**result["write_report"]) for result in results]


def main() -> int:
    parser = argparse.ArgumentParser(description="Describe text files: language, keywords, statistics.")
    parser.add_argument("files", nargs="*", type=Path, help="text files (left out: the texts of this example)")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for the reports")
    arguments = parser.parse_args()
    paths = arguments.files or sorted(SAMPLE_TEXTS.glob("*.txt"))
    try:
        documents = [Document(path=path, out=arguments.out) for path in paths]
    except ValidationError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Describing {len(documents)} documents: 5 tasks each, 3 of them in parallel", flush=True)
    outcomes = asyncio.run(describe_all(documents))
    reports = [outcome for outcome in outcomes if isinstance(outcome, Report)]
    for entry in reports:
        print(f"  {entry.language or '?':<11} {entry.words:>7,} words  {', '.join(entry.keywords[:4])}")
    out = documents[0].out
    _write_file(out / "summary.md", render_summary(reports, out))
    print(f"\nReports: {_shorten(out)}/*/report.md\nSummary: {_shorten(out / 'summary.md')}")
    for failure in outcomes:
        if isinstance(failure, BaseException):
            print(failure, file=sys.stderr)
    return 0 if len(reports) == len(documents) else 1


def _shorten(path: Path) -> str:
    """Relative to the current folder if it lies inside."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
