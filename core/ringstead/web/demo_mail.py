"""The demo's mail, which lands in a folder and not with anybody: read in the browser, on a platform host.

Only where the demo runs. What a mail holds is shown as text; its HTML opens by itself, in a sandbox.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ringstead.settings import Settings
from ringstead.web.errors import error_response, render_plain

_MOST: Final = 200
_NAME: Final = re.compile(r"[0-9a-f-]{36}")
_SANDBOX: Final = "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail of the folder."""

    name: str
    to: str
    sender: str
    subject: str
    at: Any
    message: EmailMessage

    @property
    def text(self) -> str:
        """Its plain text."""
        part = self.message.get_body(("plain",))
        return "" if part is None else str(part.get_content())

    @property
    def files(self) -> list[tuple[int, str]]:
        """Number and name of each attachment."""
        return [
            (number, part.get_filename() or f"part {number}")
            for number, part in enumerate(self.message.iter_attachments())
        ]


def list_mails(request: Request) -> Response:
    """`GET /mail`: the newest mails."""
    folder = _folder(request.deployment)
    if folder is None:
        return error_response(request, 404)
    newest = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime, reverse=True)[:_MOST]
    return _page(request, "core/demo_mails.pt", {"mails": [_read(path) for path in newest]})


def show_mail(request: Request) -> Response:
    """`GET /mail/{name}`: one of them as text."""
    return _with_mail(request, lambda mail: _page(request, "core/demo_mail.pt", {"mail": mail}))


def show_html(request: Request) -> Response:
    """`GET /mail/{name}/html`: as a mail program would show it."""

    def answer(mail: Mail) -> Response:
        part = mail.message.get_body(("html",))
        response = Response(text="" if part is None else str(part.get_content()), content_type="text/html")
        response.headers["Content-Security-Policy"] = _SANDBOX
        return response

    return _with_mail(request, answer)


def send_file(request: Request) -> Response:
    """`GET /mail/{name}/files/{number}`: an attachment."""

    def answer(mail: Mail) -> Response:
        parts = list(mail.message.iter_attachments())
        number = int(request.matchdict["number"])
        if number >= len(parts):
            return error_response(request, 404)
        part = parts[number]
        content: Any = part.get_payload(decode=True)
        response = Response(body=bytes(content), content_type=part.get_content_type(), charset=None)
        name = quote(part.get_filename() or "file", safe="")
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
        return response

    return _with_mail(request, answer)


def _folder(settings: Settings) -> Path | None:
    """Where the demo's mails are; None where this is no demo, or mail goes to a server."""
    if not settings.list_demo_sites or not settings.mail_url.startswith("file:"):
        return None
    return Path(settings.mail_url.removeprefix("file:") or settings.var_dir / "mail")


def _with_mail(request: Request, answer: Callable[[Mail], Response]) -> Response:
    folder, name = _folder(request.deployment), request.matchdict["name"]
    path = None if folder is None or not _NAME.fullmatch(name) else folder / f"{name}.eml"
    if path is None or not path.is_file():
        return error_response(request, 404)
    return answer(_read(path))


def _read(path: Path) -> Mail:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    return Mail(
        name=path.stem,
        to=str(message["To"]),
        sender=str(message["From"]),
        subject=str(message["Subject"]),
        at=parsedate_to_datetime(str(message["Date"])),
        message=message,
    )


def _page(request: Request, template: str, values: dict[str, Any]) -> Response:
    response = Response(text=render_plain(request, template, values))
    response.headers["Cache-Control"] = "no-store"
    return response


def _routes() -> Iterator[tuple[str, str, Callable[[Request], Response]]]:
    yield "demo_mail.list", "/mail", list_mails
    yield "demo_mail.mail", "/mail/{name}", show_mail
    yield "demo_mail.html", "/mail/{name}/html", show_html
    yield "demo_mail.file", r"/mail/{name}/files/{number:\d{1,3}}", send_file


def includeme(config: Configurator) -> None:
    """Add the pages."""
    for name, pattern, view in _routes():
        config.add_route(name, pattern, site_kind="platform", request_method=("GET", "HEAD"))
        config.add_view(view, route_name=name, permission=NO_PERMISSION_REQUIRED)
