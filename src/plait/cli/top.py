"""``plait top``: all workers, queues and throughput, live."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click

from plait.cli.database import open_plait
from plait.cli.failures import CommandError
from plait.cli.help import command
from plait.cli.options import DurationType, common_options, output_option
from plait.cli.output import print_data
from plait.cli.text import can_show, clean_line, format_seconds, wants_colour
from plait.errors import PlaitError
from plait.features.shapes import to_plain

if TYPE_CHECKING:
    from plait.client import Plait
    from plait.features.activity import Activity

SLOWEST = 50
"""Of the tasks that run the longest so many are asked for; as many are shown as there is room for."""
_KEY_SECONDS = 0.1
_STYLES = {"title": "bold", "head": "cyan", "warning": "yellow", "error": "red", "keys": "dim"}


@command(
    None,
    ("watch all workers live", "plait top"),
    ("print the state once, for a script", "plait top -o json"),
)
@click.option("--every", type=DurationType(), default=1.0, show_default="1s", help="Time between two looks.")
@click.option("--once", is_flag=True, help="Print one picture and stop.")
@output_option()
@common_options
def top(every: float, once: bool, output: str) -> None:
    """Show workers, queues, throughput and the slowest tasks, live; q quits, p pauses.

    Throughput covers the last 10 seconds, minute and 5 minutes; each worker counts its own and sends it with its
    heartbeat. With -o json, -o yaml or --once it prints the state once and stops.
    """
    if not once and output == "table":
        _check_terminal()
    with open_plait() as plait:
        if once or output != "table":
            _print_once(plait.metrics.get_activity(), output)
            return
        _Screen(plait, every).run()


def _check_terminal() -> None:
    if not (sys.stdout.isatty() and sys.stdin.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        hint = "plait top --once, plait top -o json"
        raise CommandError("plait top needs a terminal, and its output is not one", hint=hint)


def _print_once(activity: Activity, output: str) -> None:
    if output != "table":
        print_data(to_plain(activity), output)
        return
    from plait.cli.top_view import build_picture  # noqa: PLC0415 - not for those who want data

    width = get_terminal_size().columns if sys.stdout.isatty() else 160
    for line in build_picture(activity, width=width, height=None, unicode=can_show("█░", sys.stdout)):
        click.echo(line.text)


class _Screen:
    """The terminal while the picture is live. The engine asks meanwhile, so that a key is answered at once."""

    def __init__(self, plait: Plait, every: float) -> None:
        # rich is slow to import and of no use elsewhere.
        from rich.console import Console  # noqa: PLC0415
        from rich.live import Live  # noqa: PLC0415

        from plait.client import get_access  # noqa: PLC0415 - see open_plait

        self._plait = plait
        self._portal = get_access(plait).portal
        self._every = every
        self._console = Console(highlight=False, no_color=not wants_colour(sys.stdout))
        self._live = Live(console=self._console, screen=True, auto_refresh=False, vertical_overflow="crop")
        self._activity: Activity | None = None
        self._error = ""
        self._came = 0.0
        self._asking: Future[Activity] | None = None
        self._next = 0.0
        self._paused = False
        self._drawn: object = None

    def run(self) -> None:
        """Show it until q, Ctrl-C or the end of the input."""
        with suppress(KeyboardInterrupt), _reading_keys(), self._live:
            while True:
                self._ask()
                self._draw()
                key = _read_key()
                if key in ("q", "Q", "\x04", ""):
                    break
                if key in ("p", "P", " "):
                    self._paused = not self._paused
                    self._next = 0.0
        if self._asking is not None:
            self._asking.cancel()

    def _ask(self) -> None:
        if self._asking is None:
            if not self._paused and time.monotonic() >= self._next:
                self._next = time.monotonic() + self._every
                asking = self._plait.metrics.aio_get_activity(slowest=SLOWEST)
                self._asking = self._portal.spawn(asking)
            return
        if not self._asking.done():
            return
        answer, self._asking = self._asking, None
        try:
            self._activity = answer.result()
            self._error = ""
            self._came = time.monotonic()
        except PlaitError as error:
            self._error = clean_line(str(error))

    def _draw(self) -> None:
        width, height = self._console.size
        age = int(time.monotonic() - self._came) if self._error or self._paused else 0
        state = (self._activity, self._error, self._paused, age, width, height)
        if state == self._drawn:
            return
        self._drawn = state
        self._live.update(self._build(width, height, age), refresh=True)

    def _build(self, width: int, height: int, age: int) -> Any:
        from rich.text import Text  # noqa: PLC0415 - see __init__

        from plait.cli.top_view import Line, build_picture  # noqa: PLC0415 - likewise

        lines = [Line("reading from the database ...")]
        if self._activity is not None:
            lines = build_picture(
                self._activity, width=width, height=max(1, height - 1), unicode=can_show("█░", sys.stdout)
            )
        if self._error:
            old = f"{format_seconds(age)} old: " if self._activity else ""
            last = Line(f"{old}{self._error}"[:width], "error")
        else:
            paused = f"  paused, {format_seconds(age)} old" if self._paused and self._activity else ""
            last = Line(f"q quit   p {'go on' if self._paused else 'pause'}{paused}"[:width], "keys")
        text = Text(no_wrap=True, overflow="crop", end="")
        for line in (*lines[: height - 1], *[Line("")] * (height - 1 - len(lines))):
            text.append(f"{line.text}\n", style=_STYLES.get(line.kind, ""))
        return text.append(last.text, style=_STYLES[last.kind])


@contextmanager
def _reading_keys() -> Iterator[None]:
    """Have keys come one by one and unseen for the time of the block."""
    import termios  # noqa: PLC0415 - a terminal of Unix
    import tty  # noqa: PLC0415

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _read_key() -> str | None:
    """The next key, waited for a moment; None when there is none, empty when there will be none any more."""
    try:
        readable, _, _ = select.select([sys.stdin], [], [], _KEY_SECONDS)
        return os.read(sys.stdin.fileno(), 1).decode("latin-1") if readable else None
    except OSError:  # the terminal is gone
        return ""
