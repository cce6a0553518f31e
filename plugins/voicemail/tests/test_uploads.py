"""Forms with files: only where a route takes them, and never more than it takes."""

from collections.abc import Callable
from typing import Any

import pytest

from ringstead.api.testing import Client, Person

URL = "/voicemail/greetings"


def send(client: Client, body: bytes, kind: str = "multipart/form-data; boundary=x", url: str = URL) -> Any:
    headers = {"Origin": f"http://{client.host}", "Content-Type": kind}
    return client.post(url, body, headers=headers, status="*")


def part(name: str, value: bytes, more: str = "") -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data"),
        (b"nonsense", "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Disp", "multipart/form-data; boundary=x"),
        (part("kind", b"busy"), "multipart/form-data; boundary=x"),
        (part("kind", b"\xff\xfe") + b"--x--\r\n", "multipart/form-data; boundary=x"),
    ],
)
def test_a_broken_form_is_no_fault_of_ours(
    portal: Callable[..., Client], person: Person, body: bytes, kind: str
) -> None:
    assert send(portal(person), body, kind).status_int == 400


def test_countless_parts_and_large_files_are_cut_off(portal: Callable[..., Client], person: Person) -> None:
    client = portal(person)
    assert send(client, part("a", b"") * 5000 + b"--x--\r\n").status_int == 413
    large = part("sound", b"\0" * (33 * 1024 * 1024), '; filename="a.wav"') + b"--x--\r\n"
    assert send(client, large).status_int == 413
    assert send(client, part("kind", b"\0" * 1024 * 1024) + b"--x--\r\n").status_int in (400, 413)


def test_the_token_is_asked_as_of_every_form(portal: Callable[..., Client], person: Person) -> None:
    body = part("kind", b"busy") + part("sound", b"RIFF", '; filename="a.wav"') + b"--x--\r\n"
    assert send(portal(person), body).status_int == 400


def test_the_character_zero_is_refused_in_a_form_with_files_too(
    portal: Callable[..., Client], person: Person
) -> None:
    answer = send(portal(person), part("kind", b"a\0b") + b"--x--\r\n")
    assert answer.status_int == 400
    assert "character zero" in answer.text


def test_other_pages_take_no_files(portal: Callable[..., Client], person: Person) -> None:
    body = part("do", b"lamp") + b"--x--\r\n"
    assert send(portal(person), body, url="/voicemail/settings").status_int == 415


def test_text_of_a_form_with_files_is_short_and_utf8(portal: Callable[..., Client], person: Person) -> None:
    client = portal(person)
    assert send(client, part("title", b"&" * 100_000) + b"--x--\r\n").status_int == 413
    head = b'--x\r\nContent-Disposition: form-data; name="title"\r\nContent-Type: text/plain; charset='
    for charset in (b"punycode", b"nonsense", b"utf-7", b"unicode_escape"):
        answer = send(client, head + charset + b"\r\n\r\n+2AA-\xff\r\n--x--\r\n")
        assert answer.status_int == 400
