"""Where signing in leads: never to another host, whatever the address says."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringstead.auth.forms import email_address, safe_next

HOSTILE = st.text(alphabet="/\\@:.?#%&;=ab\t\n\r \x00\x0b\u2028é%2F", max_size=30)


@given(st.one_of(st.text(max_size=60), HOSTILE, HOSTILE.map(lambda tail: f"/{tail}")))
@example("//evil.example")
@example("/\\evil.example")
@example("/\t/evil.example")
@example("/\n//evil.example")
@example("https://evil.example/")
@example("javascript:alert(1)")
@example("/%2F/evil.example")
@example("///evil.example")
@example("/\ud800")
def test_it_stays_on_this_host(wanted: str) -> None:
    answer = safe_next(wanted)
    assert answer.startswith("/")
    assert not answer.startswith("//")
    assert answer.isascii()
    assert not any(ord(c) <= 32 or c in "\\\x7f" for c in answer)
    assert urlsplit(urljoin("https://voice.example/sign-in", answer))[:2] == ("https", "voice.example")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("/calls?from=2026-11-01&q=%2B1", "/calls?from=2026-11-01&q=%2B1"),
        ("/calls/7#legs", "/calls/7#legs"),
        ("/sök", "/s%C3%B6k"),
        ("/sign-in", "/"),
        ("/sign-out", "/"),
        ("/choose?next=/calls", "/"),
        ("", "/"),
        ("calls", "/"),
        ("/" + "x" * 3000, "/"),
    ],
)
def test_a_local_path_is_kept(wanted: str, expected: str) -> None:
    assert safe_next(wanted) == expected


@given(st.text(max_size=300))
def test_an_address_is_stored_as_text_or_refused(typed: str) -> None:
    email = email_address(typed)
    if email is not None:
        assert "\0" not in email
        assert email.encode()
        assert email_address(email) is not None


def test_an_address_is_compared_in_small_letters() -> None:
    assert email_address("  Juno@Bramble.Example ") == "juno@bramble.example"
    assert email_address("juno") is None
    assert email_address("juno@bramble\0.example") is None
