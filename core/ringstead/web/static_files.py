"""Static files of the core and of every plugin, served under an address that names their contents.

`/static/{digest}/{name}/{path}`: `name` is `core` or a plugin's name, `digest` covers every file of every
root, so a browser may keep an answer for ever and a new release is a new address.
"""

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from pyramid.request import Request
from pyramid.response import Response

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mp3": "audio/mpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
COMPRESSED: Final = {".css", ".html", ".js", ".json", ".map", ".svg", ".txt"}
FOR_EVER: Final = "public, max-age=31536000, immutable"
REVALIDATE: Final = "public, no-cache"


class StaticFiles:
    """Every static file of the deployment, found once at start.

    `roots` maps a name (`core`, a plugin's name) to its folder. Only files found then are ever served: a
    request's path is looked up in a table and never joined to a folder, so `..`, links and encodings lead
    nowhere.
    """

    def __init__(self, roots: Mapping[str, Path], *, prefix: str = "/static") -> None:
        self._files = {
            f"{name}/{path}": root / path for name, root in sorted(roots.items()) for path in _walk(root)
        }
        self._bodies: dict[str, tuple[bytes, bytes | None, str]] = {}
        self.digest = self._digest()
        self.base = f"{prefix}/{self.digest}"

    def _digest(self) -> str:
        total = hashlib.sha256()
        for name, path in self._files.items():
            total.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        return total.hexdigest()[:16]

    def url(self, path: str) -> str:
        """The address of `path` (such as `core/app.js`).

        Unknown paths raise KeyError: a template named it wrongly.
        """
        if path not in self._files:
            raise KeyError(f"no static file {path!r}; names start with 'core/' or a plugin's name")
        return f"{self.base}/{path}"

    def serve(self, request: Request) -> Response:
        """The view of `/static/{digest}/*path`."""
        parts = request.matchdict["path"]
        path = "/".join(parts) if not isinstance(parts, str) else parts
        if path not in self._files:
            return Response(status=404, content_type="text/plain", body=b"Not found.\n")
        plain, packed, tag = self._body(path)
        use_packed = packed is not None and _takes_gzip(request)
        response = Response(body=packed if use_packed and packed is not None else plain)
        response.headers["Content-Type"] = TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")
        response.headers["X-Content-Type-Options"] = "nosniff"
        # An old page may ask under an old digest: it gets today's file, but must not keep it.
        current = request.matchdict["digest"] == self.digest
        response.headers["Cache-Control"] = FOR_EVER if current else REVALIDATE
        if packed is not None:
            response.headers["Vary"] = "Accept-Encoding"
        if use_packed:
            response.headers["Content-Encoding"] = "gzip"
        response.etag = f"{tag}-gz" if use_packed else tag
        response.conditional_response = True
        return response

    def _body(self, path: str) -> tuple[bytes, bytes | None, str]:
        found = self._bodies.get(path)
        if found is None:
            plain = self._files[path].read_bytes()
            small = PurePosixPath(path).suffix in COMPRESSED and len(plain) > 500
            packed = gzip.compress(plain, 9, mtime=0) if small else None
            found = self._bodies[path] = (plain, packed, hashlib.sha256(plain).hexdigest()[:24])
        return found


def _takes_gzip(request: Request) -> bool:
    """Whether the client says so. One that says nothing may take anything by the book, but often cannot."""
    return "Accept-Encoding" in request.headers and "gzip" in request.accept_encoding


def _walk(root: Path) -> list[str]:
    """Paths of all ordinary files under `root`.

    Links that leave it, hidden files and lists of ours are left out.
    """
    inside = root.resolve()
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file()
        and path.resolve().is_relative_to(inside)
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
        and path.suffix in TYPES
    )
