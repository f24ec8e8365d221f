# SPDX-License-Identifier: Apache-2.0
"""A small server on this machine: the page, its scripts, and the answers of the API."""

from __future__ import annotations

import errno
import importlib.resources
import json
import sys
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from string import Template
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tack_cli.inspection.api import Api, read_body
from tack_cli.report.page import style_sheet
from tack_perception.errors import InvalidInputError, TackError

HOST = "127.0.0.1"
PORT = 8010
SCRIPTS = ("tiles.js", "cloud.js", "words.js", "page.js")

_LARGEST_BODY = 4096
_QUIET_S = 30.0  # that a connection may say nothing
_JSON, _HTML, _SCRIPT = "application/json", "text/html; charset=utf-8", "text/javascript"
_NAMES = (HOST, "localhost")


class Server(ThreadingHTTPServer):
    """Serves one `Api`. A context manager; `serve_forever` runs it.

    Args:
        api: what is asked.
        port: on 127.0.0.1; 0 takes any free one.

    Attributes:
        address: of the page.

    Raises:
        InvalidInputError: the port is taken, not allowed, or no port.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, api: Api, port: int = PORT) -> None:
        self.api = api
        self.files = {"/": (_HTML, page().encode())}
        self.files |= {f"/{name}": (_SCRIPT, _resource(name).encode()) for name in SCRIPTS}
        try:
            super().__init__((HOST, port), _Handler)
        except OverflowError as error:
            raise InvalidInputError(f"--port {port}: 0 to 65535 are expected") from error
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used: {error}"
            raise InvalidInputError(
                f"port {port} of {HOST} {why}; choose another one with --port, or 0 for any"
            ) from error
        self.address = f"http://{HOST}:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Browsers drop connections when they like: that is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _QUIET_S
    server: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        api = self.server.api
        if parts.path in self.server.files:
            self._own_page_only(lambda: self.server.files[parts.path])
            return
        known: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
            "/api/about": (_JSON, api.about),
            "/api/album": (_JSON, api.album),
            "/api/map": (_JSON, api.map),
            "/api/picture": ("image/jpeg", api.picture),
            "/api/places": ("image/png", api.places),
            "/api/descriptors": ("application/octet-stream", api.descriptors),
        }
        self._answer(known, parts.path, lambda: dict(parse_qsl(parts.query)))

    def do_POST(self) -> None:
        api = self.server.api
        known: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
            "/api/point": (_JSON, api.point),
            "/api/saliency": (_JSON, api.saliency),
            "/api/path": (_JSON, api.path),
            "/api/spread": (_JSON, api.spread),
        }
        self._answer(known, urlsplit(self.path).path, self._body)

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LARGEST_BODY:
            self.close_connection = True  # what follows is not read
            raise InvalidInputError(f"a body of up to {_LARGEST_BODY} bytes is expected")
        return read_body(self.rfile.read(int(length)))

    def _answer(
        self,
        known: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]],
        path: str,
        asked: Callable[[], dict[str, Any]],
    ) -> None:
        if path not in known:
            self.close_connection = True
            self._refuse(HTTPStatus.NOT_FOUND, f"{path}: there is {', '.join(known)}")
            return
        kind, ask = known[path]

        def answer() -> tuple[str, bytes]:
            found = ask(asked())
            return kind, found if isinstance(found, bytes) else _text(found)

        self._own_page_only(answer)

    def _own_page_only(self, answer: Callable[[], tuple[str, bytes]]) -> None:
        """Answer, unless another site's page asks by a name of its own for this machine."""
        host = self.headers.get("Host", "").partition(":")[0]
        origin = urlsplit(self.headers.get("Origin", "")).hostname
        if host not in _NAMES or origin not in (None, *_NAMES):
            self.close_connection = True
            self._refuse(HTTPStatus.FORBIDDEN, f"only pages of {HOST} may ask")
            return
        try:
            kind, content = answer()
        except InvalidInputError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except TackError as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        except OSError:
            raise  # the connection
        except Exception as error:
            traceback.print_exc()
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")
        else:
            self._send(HTTPStatus.OK, kind, content)

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, _JSON, _text({"error": sentence}))

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""


def page() -> str:
    """The page as text; its scripts lie beside it."""
    own = _resource("page.css")
    return Template(_resource("page.html")).substitute(style=style_sheet() + own)


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _resource(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
