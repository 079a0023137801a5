"""Serves a folder on loopback, to this machine alone."""

from __future__ import annotations

import os
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, BinaryIO

from assembler.page.deadlines import TimedReader, TimedWriter

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from io import BytesIO

#: The address that only programs on this machine can reach.
LOOPBACK = "127.0.0.1"
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".svg": "image/svg+xml"}
_NAMES = ("localhost", LOOPBACK, "[::1]")
_HTTP_PORT = 80
#: How long a client may take for its request, and the most connections at a time; a browser opens six.
_PATIENCE, _MOST_CONNECTIONS = 15.0, 32
#: Only scripts, styles and data of the page itself; WebAssembly, and its threads.
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src 'self'; "
    "style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _Handler(SimpleHTTPRequestHandler):
    """Serves files, prints nothing, and isolates the page, so that ONNX Runtime may use several threads."""

    timeout = _PATIENCE

    def setup(self) -> None:
        """Set one deadline for the whole request and one for the whole response; occasional bytes do not extend it."""
        super().setup()
        self.rfile.close()
        self.rfile = BufferedReader(TimedReader(self.connection, self.timeout))
        self.wfile = TimedWriter(self.connection, self.timeout)

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Answer requests for this machine's own names, with files in the folder.

        A foreign page whose name was pointed at this address has that name as its host. A link that leads out of the
        folder is not followed.
        """
        if not self._is_asked_by_name():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        if not self._is_served():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def _is_served(self) -> bool:
        """Whether a plain file or folder inside the folder is requested, not a pipe, whose opening would block."""
        try:
            path = Path(self.translate_path(self.path))
            root = Path(self.directory).resolve(strict=True)
            each = [path, path / "index.html", path / "index.htm"] if path.is_dir() else [path]
            inside = all(one.resolve().is_relative_to(root) for one in each)
            return inside and all(one.is_file() or one.is_dir() or not one.exists() for one in each)
        except (OSError, ValueError):  # ValueError: a null character, or text that is not a path
            return False

    def _is_asked_by_name(self) -> bool:
        host, port = self.headers.get("Host", "").lower(), self.connection.getsockname()[1]
        return host in {f"{name}:{port}" for name in _NAMES} or (port == _HTTP_PORT and host in _NAMES)

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """Return the type of a file; systems do not agree on those of modules and WebAssembly."""
        return _TYPES.get(os.path.splitext(path)[1]) or super().guess_type(path)  # noqa: PTH122 - a URL's path

    def end_headers(self) -> None:
        """Add the headers of an isolated page, and let the browser check each time, because folders change."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("Referrer-Policy", "no-referrer")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    """Answers a bounded number of connections at a time; those beyond it are closed at once."""

    def __init__(self, address: tuple[str, int], handler: Callable[..., _Handler]) -> None:
        self._free = BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:  # noqa: ANN401 - the base class's
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started
            self._free.release()
            self.shutdown_request(request)

    def process_request_thread(
        self,
        request: socket.socket | tuple[bytes, socket.socket],
        client_address: Any,  # noqa: ANN401
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Report nothing if a browser disconnects in the middle of a response."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of a folder, which is already listening.

    Args:
        folder: The folder.
        port: Its port; 0 for any that is free.

    Raises:
        OSError: The port is taken.
    """
    return _Server((LOOPBACK, port), partial(_Handler, directory=str(folder)))
