"""Hand a message to the mail server, or put it into a folder.

A server's answer decides: taken, refused for good (RFC 5321, section 4.2.1: 5yz to the sender, the recipient or the
message), or to be tried again, which is everything else: 4yz, a refused sign-in, a silence, a broken connection.
"""

import os
import secrets
import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

TIMEOUT: Final = 30.0
# «Authentication required» or «failed»: the operator's affair, and no reason to give a mail up.
_SIGN_IN_CODES: Final = frozenset({530, 534, 535, 538})


class Refused(Exception):
    """The server will never take this message."""


class TryLater(Exception):
    """The server did not take the message now."""


class Transport(Protocol):
    """Sends one message, or raises `Refused` or `TryLater`."""

    def send(self, message: EmailMessage, name: str) -> None:
        """Send `message`; `name` is the same each time that it is tried."""


def open_transport(mail_url: str, var_dir: Path, timeout: float = TIMEOUT) -> Transport:
    """The transport that a setting names.

    `smtp://user:password@host:587`, `smtps://…`, `file:` (the folder `var_dir/mail`) or `file:/folder`.
    """
    parts = urlsplit(mail_url)
    if parts.scheme == "file":
        return Folder(Path(parts.path) if parts.path else var_dir / "mail")
    return Smtp(mail_url, timeout)


class Folder:
    """Writes each message to `NAME.eml`, for machines without mail. A message sent twice is one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def send(self, message: EmailMessage, name: str) -> None:
        try:
            self._write(message, name)
        except OSError as error:
            raise TryLater(_said(error)) from error

    def _write(self, message: EmailMessage, name: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.folder / f".{name}.{secrets.token_hex(4)}"
        try:
            with fresh.open("wb") as stream:
                stream.write(message.as_bytes())
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(self.folder / f"{name}.eml")
        finally:
            fresh.unlink(missing_ok=True)


class Smtp:
    """Sends over one new connection per message.

    TLS is used when the server offers it. Its certificate must be good where a password is sent; without one,
    encrypting for an unknown certificate is still better than not encrypting (RFC 7435).
    """

    def __init__(self, mail_url: str, timeout: float) -> None:
        parts = urlsplit(mail_url)
        self._implicit_tls = parts.scheme == "smtps"
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (465 if self._implicit_tls else 587 if self._user else 25)
        self._timeout = timeout

    def send(self, message: EmailMessage, name: str) -> None:
        try:
            server = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise TryLater(_said(error)) from error
        try:
            self._hand_over(server, message)
        finally:
            # The message is taken or not by now; a server that closes without «bye» changes nothing.
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
            server.close()

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if not self._user:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self._implicit_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=self._timeout, context=context
            )
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=self._timeout)
        try:
            server.ehlo()
            if not self._implicit_tls and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def _hand_over(self, server: smtplib.SMTP, message: EmailMessage) -> None:
        try:
            server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            ((code, text),) = error.recipients.values()
            raise _verdict(code, text) from error
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise _verdict(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPNotSupportedError as error:
            raise Refused(_said(error)) from error
        except (OSError, smtplib.SMTPException) as error:
            raise TryLater(_said(error)) from error


def _verdict(code: int, text: bytes | str) -> Exception:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    line = " ".join(f"{code} {said}".split())[:500]
    return Refused(line) if 500 <= code < 600 and code not in _SIGN_IN_CODES else TryLater(line)


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
