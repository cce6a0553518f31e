"""Compiled templates kept in a folder, so that a process that starts again need not compile them again."""

import sys
from pathlib import Path
from typing import Any

from chameleon.loader import MemoryLoader, ModuleLoader
from chameleon.template import PROGRAM_NAME


class CompiledTemplates(ModuleLoader):
    """Templates as Python modules in `folder`, by a digest of all that decides them.

    Any number of processes may use a folder. Where it cannot be written, each compiles for itself.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._memory = MemoryLoader()

    def get(self, filename: str) -> dict[str, Any] | None:
        """The module of a template, if there is one that is whole."""
        try:
            module = super().get(filename)
        except (OSError, SyntaxError, ValueError, EOFError):
            return None
        if module is not None and PROGRAM_NAME not in module:
            sys.modules.pop(filename.removesuffix(".py"), None)
            return None
        return module

    def build(self, source: str, filename: str) -> dict[str, Any]:
        """Keep and load a module."""
        try:
            Path(self.path).mkdir(mode=0o700, parents=True, exist_ok=True)
            return super().build(source, filename)
        except OSError:
            module: dict[str, Any] = self._memory.build(source, filename)
            return module
