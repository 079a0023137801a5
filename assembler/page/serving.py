"""Serves a folder on loopback, to this machine alone."""

from __future__ import annotations

import os
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import socket
    from io import BytesIO

#: The address that only programs on this machine can reach.
LOOPBACK = "127.0.0.1"
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".svg": "image/svg+xml"}
_NAMES = ("localhost", LOOPBACK, "[::1]")
_HTTP_PORT = 80


class _Handler(SimpleHTTPRequestHandler):
    """Serves files, prints nothing, and isolates the page, so that ONNX Runtime may use several threads."""

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Answer what asks for this machine by its own names, with what is in the folder.

        A page of somebody else whose name was turned to this address has that name as its host. A link that leads out
        of the folder is not followed.
        """
        if not self._is_asked_by_name():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        path = Path(self.translate_path(self.path))
        root = Path(self.directory).resolve()
        if not all(each.resolve().is_relative_to(root) for each in (path, path / "index.html", path / "index.htm")):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def _is_asked_by_name(self) -> bool:
        host, port = self.headers.get("Host", "").lower(), self.connection.getsockname()[1]
        return host in {f"{name}:{port}" for name in _NAMES} or (port == _HTTP_PORT and host in _NAMES)

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


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Say nothing of a browser that went away in the middle of an answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of a folder, which listens already.

    Args:
        folder: The folder.
        port: Its port; 0 for any that is free.

    Raises:
        OSError: The port is taken.
    """
    return _Server((LOOPBACK, port), partial(_Handler, directory=str(folder)))
