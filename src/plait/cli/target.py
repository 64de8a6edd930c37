"""TARGET: ``package.module:attr`` or ``path/to/file.py:attr``, and what it stands for."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from plait.cli.failures import EXIT_NOT_FOUND, CommandError
from plait.client import Plait
from plait.declaration.base import BaseWorkflow
from plait.errors import DefinitionError, PlaitError
from plait.wording import suggest

if TYPE_CHECKING:
    from plait.declaration.runnable import Runnable

PACKAGE_FOLDER = f"{Path(__file__).parents[1]}/"
_FORMS = "package.module:attr or path/to/file.py:attr"


@dataclass(frozen=True, slots=True)
class Target:
    """What a TARGET names: a ``Plait``, and one of its workflows if the target says which."""

    text: str
    plait: Plait
    workflow: Runnable[Any, Any, Any] | None

    def choose_workflow(self, name: str | None) -> Runnable[Any, Any, Any]:
        """The one workflow to run: the target's own, the named one, or the only one there is."""
        workflows: dict[str, Any] = self.plait.declared
        if self.workflow is not None:
            if name is not None and name != self.workflow.name:
                raise CommandError(
                    f"{self.text} is workflow {self.workflow.name!r}, but --workflow is {name!r}",
                    hint="leave out --workflow, or make TARGET the Plait object",
                )
            return self.workflow
        if name is not None:
            if name not in workflows:
                raise CommandError(
                    f"{self.text} has no workflow {name!r}{suggest(name, workflows)}",
                    code=EXIT_NOT_FOUND,
                    hint=_list_choices("--workflow ", workflows),
                )
            return workflows[name]  # type: ignore[no-any-return]
        if not workflows:
            raise CommandError(
                f"{self.text} has no workflows", hint="declare one with plait.workflow(...) or @plait.task()"
            )
        if len(workflows) > 1:
            raise CommandError(
                f"{self.text} has {len(workflows)} workflows: say which",
                hint=_list_choices("--workflow ", workflows),
            )
        return next(iter(workflows.values()))


def load_target(text: str, database_url: str | None = None) -> Target:
    """Import what TARGET names. ``database_url`` is used instead of the one the code chose.

    Raises ``CommandError``: not found (exit code 4), not importable or ambiguous (2).
    """
    module_text, _, attribute = text.partition(":")
    if not module_text:
        raise CommandError(f"{text!r} does not name a module", hint=_FORMS)
    sys.path[:0] = [folder for folder in (str(Path.cwd()),) if folder not in sys.path]
    if module_text.endswith(".py") or "/" in module_text:
        module = _import_file(Path(module_text))
    else:
        module = _import_module(module_text)
    found = _resolve(module, module_text, attribute) if attribute else _find_only(module, module_text)
    if isinstance(found, BaseWorkflow):
        if found.client is None:
            Plait().include(found)
        assert found.client is not None
        target = Target(text, found.client, found)  # type: ignore[arg-type]
    else:
        target = Target(text, found, None)
    if database_url is not None:
        target.plait.use_database(database_url)
    return target


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        near = suggest(path.name, (file.name for file in path.parent.glob("*.py"))) if path.parent.is_dir() else ""
        raise CommandError(f"there is no file {path}{near}", code=EXIT_NOT_FOUND, hint=f"a path from {Path.cwd()}")
    path = path.resolve()
    root, parts = path.parent, [path.stem]
    while (root / "__init__.py").is_file():  # inside a package: relative imports must work
        parts.insert(0, root.name)
        root = root.parent
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    name = ".".join(parts)
    if len(parts) > 1:
        return _import_module(name)
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) != str(path):
        name = f"_plait_target_{name}"  # json.py, say: the module of that name is somebody else's
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CommandError(f"{path} is not a Python file", hint=_FORMS)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    with _user_errors(name, str(path)):
        spec.loader.exec_module(module)
    return module


def _import_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        _refuse_file(name)
        raise CommandError(f"{name!r} is not a module name", hint=_FORMS)
    with _user_errors(name, name):
        return importlib.import_module(name)


def _refuse_file(text: str) -> None:
    if Path(text).is_file():  # README.md is no module md of a package README
        raise CommandError(f"{text} is not a Python file", hint=_FORMS)


class _user_errors:
    """Turns what importing a user's module raises into a ``CommandError`` that shows the user's own lines."""

    def __init__(self, module: str, shown: str) -> None:
        self._module = module
        self._shown = shown

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, (KeyboardInterrupt, CommandError)):
            return
        if isinstance(error, ModuleNotFoundError) and error.name and f"{self._module}.".startswith(f"{error.name}."):
            _refuse_file(self._shown)
            raise CommandError(
                f"there is no module {error.name!r}",
                code=EXIT_NOT_FOUND,
                hint=f"run plait in the folder that contains it (now in {Path.cwd()}), or write path/to/file.py:attr",
            ) from error
        if isinstance(error, SystemExit):
            raise CommandError(
                f"importing {self._shown} called sys.exit({error.code!r})",
                hint="move the script's code under `if __name__ == '__main__':`",
            ) from error
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
        if isinstance(error, PlaitError):
            where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
            hint = "correct the declaration" if isinstance(error, DefinitionError) else None
            raise CommandError(f"{error}{where}", hint=hint) from error
        raise CommandError(
            f"{self._shown} cannot be imported: {type(error).__name__}: {error}",
            detail=_format(error, frames),
        ) from error


def _is_users(filename: str) -> bool:
    return not (filename.startswith((PACKAGE_FOLDER, "<frozen importlib", "<frozen runpy")))


def _format(error: BaseException, frames: list[traceback.FrameSummary]) -> str:
    head = ["Traceback (most recent call last):\n"] if frames else []
    last = traceback.TracebackException(type(error), error, None).format_exception_only()
    return "".join([*head, *traceback.format_list(frames), *last])


def _resolve(module: ModuleType, module_text: str, attribute: str) -> Plait | BaseWorkflow[Any]:
    value: Any = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            known = [name for name in vars(value) if not name.startswith("_")] if hasattr(value, "__dict__") else []
            candidates = dict(_list_candidates(module))
            raise CommandError(
                f"{module_text} has no {attribute!r}{suggest(part, known)}",
                code=EXIT_NOT_FOUND,
                hint=_list_choices(f"{module_text}:", candidates),
            )
        value = getattr(value, part)
    if not isinstance(value, (Plait, BaseWorkflow)):
        raise CommandError(
            f"{module_text}:{attribute} is a {type(value).__name__}, not a Plait or a workflow",
            hint=_list_choices(f"{module_text}:", dict(_list_candidates(module))),
        )
    return value


def _find_only(module: ModuleType, module_text: str) -> Plait | BaseWorkflow[Any]:
    candidates = dict(_list_candidates(module))
    for kind in (Plait, BaseWorkflow):
        found = {id(value): value for value in candidates.values() if isinstance(value, kind)}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            raise CommandError(
                f"{module_text} has several of these: say which",
                hint=_list_choices(f"{module_text}:", candidates),
            )
    raise CommandError(
        f"{module_text} has neither a Plait nor a workflow",
        hint="plait = Plait() in that module, or another module",
    )


def _list_candidates(module: ModuleType) -> Iterator[tuple[str, Plait | BaseWorkflow[Any]]]:
    for name, value in vars(module).items():
        if isinstance(value, (Plait, BaseWorkflow)) and not name.startswith("_"):
            yield name, value


def _list_choices(prefix: str, names: dict[str, Any]) -> str | None:
    shown = [f"{prefix}{name}" for name in list(names)[:8]]
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"{' or '.join(shown)}{more}" if shown else None
