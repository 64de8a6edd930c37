"""The script behind the keeper process; see ``keeper.py``.

It stands in an empty package for ``plait``, so that the keeper, which may live for weeks, loads neither the
user's installed packages nor Plait's engine: it starts in about 0.05 s and stays small.
"""

import sys
import types
from pathlib import Path

plait = types.ModuleType("plait")
embedded = types.ModuleType("plait.embedded")
plait.__path__ = [str(Path(__file__).parent.parent)]
embedded.__path__ = [str(Path(__file__).parent)]
sys.modules.update({"plait": plait, "plait.embedded": embedded})

from plait.embedded.keeper import main  # noqa: E402 - the package has to stand first

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
