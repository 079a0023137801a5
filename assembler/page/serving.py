"""Serves a folder on loopback, to this machine alone."""

from __future__ import annotations

import os
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: The address that only programs on this machine can reach.
LOOPBACK = "127.0.0.1"
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".svg": "image/svg+xml"}


class _Handler(SimpleHTTPRequestHandler):
    """Serves files, prints nothing, and isolates the page, so that ONNX Runtime may use several threads."""

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """Return the type of a file; systems do not agree on those of modules and WebAssembly."""
        return _TYPES.get(os.path.splitext(path)[1]) or super().guess_type(path)  # noqa: PTH122 - a URL's path

    def end_headers(self) -> None:
        """Add the headers of an isolated page, and let the browser ask each time: folders change while one works."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing."""


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of a folder, which listens already.

    Args:
        folder: The folder.
        port: Its port; 0 for any that is free.

    Raises:
        OSError: The port is taken.
    """
    return ThreadingHTTPServer((LOOPBACK, port), partial(_Handler, directory=str(folder)))
