"""Libraries with operators that ONNX Runtime lacks: which of them a model needs, and how a session gets them.

Only known packages are loaded. A model cannot name a library by its file.
"""

from __future__ import annotations

import io
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assembler.core.errors import ModelError
from assembler.core.problems import Problem
from assembler.core.regular_files import open_regular
from assembler.onnx_file.domains import domains_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

#: The package that has the operators of a domain, and the module in it that tells where its library is.
_PACKAGES: Mapping[str, tuple[str, str]] = {
    "ai.onnx.contrib": ("onnxruntime-extensions", "onnxruntime_extensions"),
    "com.microsoft.extensions": ("onnxruntime-extensions", "onnxruntime_extensions"),
}


def packages_of(domains: Iterable[str]) -> dict[str, str]:
    """Return for each operator domain the package that ONNX Runtime needs for it, where it needs one."""
    return {domain: _PACKAGES[domain][0] for domain in sorted(domains) if domain in _PACKAGES}


def require_libraries(model: str | os.PathLike[str] | bytes, what: str) -> None:
    """Refuse a model whose operators are in a package that is not installed.

    Args:
        model: A file, or its bytes.
        what: What it is, for the problem.

    Raises:
        ModelError: A package is missing (M018).
    """
    for domain in _needed(model):
        package, module = _PACKAGES[domain]
        if find_spec(module) is None:
            message = f"{what} has operators of {domain}, which the package '{package}' has; it is not installed"
            hint = f"pip install {package}, or this package with its extra 'operators'"
            raise ModelError(Problem("M018", message, hint, None if isinstance(model, bytes) else str(model)))


def register(options: Any, model: str | os.PathLike[str] | bytes) -> None:  # noqa: ANN401 - ORT's SessionOptions
    """Give the options of a session the libraries that a model needs and that are installed."""
    for module in sorted({_PACKAGES[domain][1] for domain in _needed(model)}):
        if find_spec(module) is not None:
            options.register_custom_ops_library(import_module(module).get_library_path())


def _needed(model: str | os.PathLike[str] | bytes) -> list[str]:
    if isinstance(model, bytes):
        named = domains_of(io.BytesIO(model))
    else:
        try:
            with open_regular(Path(model)) as stream:
                named = domains_of(stream)
        except OSError:
            return []
    return sorted(named & _PACKAGES.keys())
