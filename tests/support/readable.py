"""What somebody can read out of an answer or a mail, whatever it is wrapped in."""

import re
import zlib
from email import message_from_bytes, policy
from io import BytesIO
from typing import Any
from zipfile import ZipFile, is_zipfile

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)


def text_of(response: Any) -> str:
    """An answer's status, headers and body in lower case, with whatever is packed in archives and PDF files."""
    headers = "\n".join(f"{name}: {value}" for name, value in response.headerlist)
    return f"{response.status}\n{headers}\n{unpacked(response.body)}".lower()


def unpacked(body: bytes) -> str:
    """A body as text: members of an archive (a workbook is one) with their names, streams of a PDF file unpacked."""
    if is_zipfile(BytesIO(body)):
        with ZipFile(BytesIO(body)) as archive:
            return "\n".join(f"{name}\n{unpacked(archive.read(name))}" for name in archive.namelist())
    parts = [body]
    if body.startswith(b"%PDF"):
        for found in _STREAM.finditer(body):
            try:
                parts.append(zlib.decompress(found[1]))
            except zlib.error:
                continue  # not packed this way: a font
    return b"\n".join(parts).decode(errors="replace")


def mail_text(raw: bytes) -> tuple[str, str]:
    """To whom a mail goes, and its headers and parts in lower case, decoded."""
    message = message_from_bytes(raw, policy=policy.default)
    headers = "\n".join(f"{name}: {value}" for name, value in message.items())
    bodies = [part.get_payload(decode=True) for part in message.walk()]
    parts = [unpacked(body) for body in bodies if isinstance(body, bytes)]
    return str(message["To"]), "\n".join([headers, *parts]).lower()
