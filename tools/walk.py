"""Walks pages of the tutorial as a reader would: writes the files, types the commands, compares what comes back.

    .venv/bin/python tools/walk.py [--write]      with the Plait of .venv; --write puts what was shown into the pages

In a ``console`` block, what follows a ``$`` line is what the terminal shows; a line ``…`` stands for any lines. Ids,
times, ports and paths may differ. An ``sh`` block is typed too, and nothing is expected; ``plait dev`` and ``plait
worker`` stay until the next of them, and a ``text`` block behind has lines that they print. A Python block with a
title is a file, one without is a script. RUN_ID is the id of the run that was started last.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

sys.path.insert(0, str(Path(__file__).resolve().parent))

from terminal import Background, TerminalError, compare, keep_stable, run_in_terminal

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS, LOOK_SECONDS = 60.0, 1.0
SHOWN_FOLDER = "/home/you/invoices"
TUTORIAL = [*sorted((ROOT / "docs" / "tutorial").glob("[1-9]-*.md")), ROOT / "docs" / "tutorial" / "session.md"]

_BLOCK = re.compile(r"^```(python|console|sh|text(?= title))(?: title=\"([\w.]+)\")?\n(.*?)^```$", re.M | re.S)
_RUN_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_LOOKS = ("plait runs show ", "plait runs tree ", "plait runs list", "plait workers list")
_STAYS = ("plait dev ", "plait worker ", "plait serve ")


@dataclass
class Walk:
    """One reader, in one folder, with one environment. ``write`` mends the pages instead of failing."""

    folder: Path
    environment: Mapping[str, str]
    write: bool = False
    staying: Background | None = None
    run_id: str = ""
    served_before: int | None = None

    def __enter__(self) -> Walk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def read(self, page: Path) -> None:
        """Do what a page says, from top to bottom. Raises ``TerminalError`` that names the line."""
        text = page.read_text(encoding="utf-8")
        done = []
        position = 0
        for match in _BLOCK.finditer(text):
            kind, title, code = match[1], match[2], match[3]
            where = f"{page.name}, line {text.count(chr(10), 0, match.start()) + 1}"
            shown = self._do(kind, title, code, where)
            done += [text[position : match.start(3)], shown]
            position = match.end(3)
        mended = "".join([*done, text[position:]])
        if self.write and mended != text:
            page.write_text(mended, encoding="utf-8")

    def stop(self) -> None:
        """Stop what stays. Raises ``TerminalError`` if it did not end well."""
        if self.staying is not None:
            background, self.staying, self.served_before = self.staying, None, None
            if code := background.stop():
                raise TerminalError(f"$ {background.command}\nended with {code}\n{background.output}")

    def _do(self, kind: str, title: str | None, code: str, where: str) -> str:
        if kind == "console":
            return self._talk(code, where)
        if kind == "text":
            self._check_staying(code, where)
        elif kind == "sh":
            for command in code.splitlines():
                self._type(command, where)
        elif title is not None:
            self._save(title, code)
        else:
            self._run_script(code, where)
        return code

    def _save(self, title: str, code: str) -> None:
        self._settle()
        before = self.staying.count("serving ") if self.staying else 0
        (self.folder / title).write_text(code, encoding="utf-8")
        if self.staying is not None and self.staying.command.startswith("plait dev"):
            self.served_before = before

    def _settle(self) -> None:
        """Wait until ``plait dev`` has begun again, if a file was saved."""
        before, self.served_before = self.served_before, None
        staying = self.staying
        if staying is not None and before is not None:
            staying.wait_until(lambda: staying.count("serving ") > before, "begin again with the new code")

    def _run_script(self, code: str, where: str) -> None:
        self._settle()
        command = [_find("python", self.environment), "-W", "error::SyntaxWarning", "-c", code]
        done = subprocess.run(
            command, cwd=self.folder, env=dict(self.environment), capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            raise TerminalError(f"{where}:\n{done.stdout}{done.stderr}")

    def _type(self, command: str, where: str) -> None:
        if command.startswith(_STAYS):
            self.stop()
            self.staying = staying = Background(command, self.folder, self.environment)
            staying.wait_until(lambda: staying.count("serving ") > 0, "serve")
            return
        self._settle()
        screen, code = run_in_terminal(command, self.folder, self.environment)
        if code:
            raise TerminalError(f"{where}: $ {command}\nended with {code}\n{screen}")

    def _talk(self, code: str, where: str) -> str:
        parts = re.split(r"^\$ ", code, flags=re.M)
        said = [parts[0]]
        for part in parts[1:]:
            command, _, expected = part.partition("\n")
            shown = self._look(command, expected)
            if command.startswith("plait run ") and (found := _RUN_ID.search(shown)):
                self.run_id = found[0]
            if not compare(expected, shown):
                if not self.write:
                    raise TerminalError(f"{where}: $ {command}\nshows\n{shown}\nand the page says\n{expected}")
                expected = shown.replace(str(self.folder), SHOWN_FOLDER) + "\n" if shown else ""
            said.append(f"$ {command}\n{expected}")
        return "".join(said)

    def _look(self, command: str, expected: str) -> str:
        """What a command shows. One that only looks is repeated while it shows something else than expected: a reader
        looks again too."""
        self._settle()
        line = command.replace("RUN_ID", self.run_id)
        end = time.monotonic() + (2 if self.write else PATIENCE_SECONDS)
        while True:
            shown, _ = run_in_terminal(line, self.folder, self.environment)
            if not line.startswith(_LOOKS) or compare(expected, shown) or time.monotonic() > end:
                return shown
            time.sleep(LOOK_SECONDS)

    def _check_staying(self, code: str, where: str) -> None:
        assert self.staying is not None, where
        printed = [keep_stable(line) for line in self.staying.output.splitlines()]
        for line in code.splitlines():
            if keep_stable(line) not in printed:
                raise TerminalError(f"{where}: {line!r} was not printed by {self.staying.command}:\n{printed}")


def make_environment(folder: Path, programs: Path) -> dict[str, str]:
    """What a newcomer's shell has: a home, a terminal, and ``programs``, the folder of a virtual environment, first."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    return {
        "HOME": str(home),
        "PATH": f"{programs}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "BROWSER": "true",
        "VIRTUAL_ENV": str(programs.parent),
    }


def _find(program: str, environment: Mapping[str, str]) -> str:
    return str(Path(environment["PATH"].split(os.pathsep)[0]) / program)


def main() -> None:
    """Walk the tutorial."""
    parser = argparse.ArgumentParser(description="Walk the tutorial.")
    parser.add_argument("--write", action="store_true", help="put what was shown into the pages")
    parser.add_argument("--programs", type=Path, default=Path(sys.executable).parent, help="where plait and python are")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "invoices"
        folder.mkdir()
        os.chmod(temporary, 0o755)
        environment = make_environment(folder, arguments.programs)
        try:
            with Walk(folder, environment, write=arguments.write) as walk:
                for page in TUTORIAL:
                    walk.read(page)
        finally:
            subprocess.run([_find("plait", environment), "db", "stop"], cwd=folder, env=environment, check=False)


if __name__ == "__main__":
    main()
