"""Mail servers as a mail meets them: they take it, refuse it, put it off, fall silent, or hang up."""

import asyncio
import socket
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

TLS = Path(__file__).parent / "tls"
USER, PASSWORD = "desk", "open:sesame@1"


@dataclass
class Behaviour:
    """What a server answers to MAIL, RCPT and DATA; «hang» says nothing at all. Taken mail is in `taken`."""

    mail: str = "250 OK"
    rcpt: str = "250 OK"
    data: str = "250 Message accepted"
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    signed_in: list[bool] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.mail_from = address
        return await self._answer(self.mail)

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return await self._answer(self.rcpt)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await self._answer(self.data)
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.taken.append(message)
            self.recipients += envelope.rcpt_tos
            assert server.transport is not None
            self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
            self.signed_in.append(bool(session.authenticated))
        return answer

    async def _answer(self, answer: str) -> str:
        if answer == "hang":
            await asyncio.Event().wait()
        return answer


class HangsUp(SMTP):
    """Closes the connection in the middle of the message."""

    async def smtp_DATA(self, _argument: str) -> None:
        await self.push("354 go on")
        await self._reader.readline()
        assert self.transport is not None
        self.transport.abort()


class MailServer(Controller):
    """An SMTP server on a free port of this machine, while its `with` block lasts."""

    def __init__(
        self,
        behaviour: Behaviour,
        *,
        kind: type[SMTP] = SMTP,
        starttls: bool = False,
        implicit_tls: bool = False,
        auth: bool = False,
    ) -> None:
        self._kind = kind
        self._listener = socket.create_server(("127.0.0.1", 0))
        context = _context() if starttls or implicit_tls else None
        options: dict[str, Any] = {"tls_context": context} if starttls else {}
        if auth:
            options |= {"authenticator": _authenticate, "auth_required": True, "auth_require_tls": True}
        super().__init__(
            behaviour,
            hostname="127.0.0.1",
            port=self._listener.getsockname()[1],
            ssl_context=context if implicit_tls else None,
            **options,
        )

    def factory(self) -> SMTP:
        return self._kind(self.handler, **self.SMTP_kwargs)

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self._listener, ssl=self.ssl_context)

    def __enter__(self) -> "MailServer":
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop(no_assert=True)

    def url(self, scheme: str = "smtp", sign_in: str = "") -> str:
        """The address for the setting `mail_url`."""
        return f"{scheme}://{sign_in}{self.hostname}:{self.port}"


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    return context


def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=False)
