"""The OpenAPI document as a file: ``python -m plait.server.openapi [FILE]`` writes it, ``--check`` compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from plait.server.app import build_routes

DEFAULT = Path("dashboard/openapi.json")


def render() -> str:
    """The document as it is committed. The version of Plait is left out: a release is no change of the API."""
    document = build_routes().openapi()
    document["info"]["version"] = "v1"
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the document, or say whether the file is current."""
    check = "--check" in arguments
    path = Path(next((argument for argument in arguments if not argument.startswith("-")), DEFAULT))
    text = render()
    if not check:
        path.write_text(text)
        return 0
    if path.is_file() and path.read_text() == text:
        return 0
    print(f"{path} does not match the code; update it: python -m plait.server.openapi {path}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
