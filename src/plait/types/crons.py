"""Crons as they are declared with a workflow: ``on_crons`` says when it runs, ``cron_input`` with what input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal, TypedDict

from plait.errors import DefinitionError, PlaitError
from plait.graph.definition import CronDefinition
from plait.graph.validation import check_name
from plait.types import UNSET, Duration, Unset, parse_duration
from plait.wording import shorten

CatchUp = Literal["none", "latest", "all"]
"""What happens with fire times that passed while no worker ran: no run, one run for the newest, one run for each."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A timetable that starts runs of a workflow: an item of its ``on_crons``.

    Args:
        expression: 5 fields (minute, hour, day of month, month, day of week), 6 with the second in front, or a name
            such as ``@daily``.
        timezone: an IANA name. The page "Run on a schedule" says what happens when its clocks are changed.
        name: what it is called in lists; unique in its workflow. The expression, unless given.
        catch_up: what happens with fire times that are more than a minute late because no worker ran.
        catch_up_bound: with ``"all"``, how old a missed time may be.
        input: the input of its runs; the workflow's ``cron_input`` unless given.
    """

    expression: str
    timezone: str = "UTC"
    name: str | None = None
    catch_up: CatchUp = "latest"
    catch_up_bound: Duration = timedelta(days=1)
    input: Any = UNSET


class TimetableKeywords(TypedDict, total=False):
    """What a cron that is made at run time takes beside its expression, as keywords; see ``Cron``."""

    timezone: str
    catch_up: CatchUp
    catch_up_bound: Duration


def read_crons(given: Sequence[str | Cron] | None, where: str) -> tuple[Cron, ...]:
    """``on_crons`` as given, checked. Raises ``DefinitionError``."""
    if given is None:
        return ()
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise DefinitionError(f"{where}: on_crons is {shorten(given)}: give a list, e.g. ['0 9 * * MON-FRI']")
    crons = tuple(_read_cron(one, where) for one in given)
    names = [define_cron(cron, "{}", where).name for cron in crons]
    for name in names:
        if names.count(name) > 1:
            raise DefinitionError(f"{where}: on_crons holds {name!r} twice: remove one, or name it by Cron(name=...)")
    return crons


def define_cron(cron: Cron, input: str, where: str) -> CronDefinition:
    """A cron as it is stored; ``input`` is JSON text. Raises ``DefinitionError``."""
    # Here, not above: only programs with crons need to know the time zones.
    from plait.graph.cron import CATCH_UPS, check_cron  # noqa: PLC0415

    timetable = check_cron(cron.expression, cron.timezone, f"{where}: cron")
    zone = "" if timetable.timezone == "UTC" else f" {timetable.timezone}"
    name = f"{timetable.expression}{zone}" if cron.name is None else cron.name
    check_name(name, f"{where}: cron name")
    if cron.catch_up not in CATCH_UPS:
        raise DefinitionError(f"{where}: cron {name!r}: catch_up is {shorten(cron.catch_up)}: give one of {CATCH_UPS}")
    bound = parse_duration(cron.catch_up_bound, where=f"{where}: cron {name!r}: catch_up_bound")
    return CronDefinition(
        name=name,
        expression=timetable.expression,
        timezone=timetable.timezone,
        catch_up=cron.catch_up,
        catch_up_bound_seconds=bound,
        input=input,
    )


def define_crons(
    crons: Sequence[Cron],
    default_input: Any | Unset,
    encode_input: Callable[[Any], bytes],
    metadata: str | None,
    where: str,
) -> tuple[CronDefinition, ...]:
    """The crons of a workflow with their inputs, which ``encode_input`` validates. Raises ``DefinitionError``."""
    defined = []
    for cron in crons:
        value = default_input if cron.input is UNSET else cron.input
        try:
            data = encode_input(value)
        except PlaitError as failure:
            raise DefinitionError(
                f"{failure} (cron {cron.name or cron.expression!r}: give an input that validates as cron_input)"
            ) from failure
        defined.append(replace(define_cron(cron, data.decode(), where), metadata=metadata))
    return tuple(defined)


def _read_cron(given: object, where: str) -> Cron:
    if isinstance(given, Cron):
        return given
    if isinstance(given, str):
        return Cron(given)
    raise DefinitionError(f"{where}: on_crons holds {shorten(given)}: give expressions and Cron(...)")
