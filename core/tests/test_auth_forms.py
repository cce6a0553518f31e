"""Where signing in leads: never to another host, whatever the address says."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringstead.auth.forms import email_address, safe_next
from ringstead.tenancy import fields
from ringstead.theming import Brand
from ringstead.theming.brand import InvalidBrand

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


@pytest.mark.parametrize(
    "address",
    [
        "o'brien@example.com",
        "juno+calls@bramble.example",
        "a.b-c_d@x-1.co.example",
        f"{'x' * 64}@example.com",
    ],
)
def test_an_address_that_people_have_is_taken_everywhere(address: str) -> None:
    assert email_address(address) == fields.email(address) == address
    assert Brand(name="B", mail_sender=f"B <{address}>", support_email=address)


@pytest.mark.parametrize(
    "address",
    [
        "a..b@example.com", ".a@example.com", "a.@example.com", "a b@example.com", "a,b@example.com", "a@b@example.com",
        "<a@example.com", '"a"@example.com', "a@example", "a@[10.0.0.1]", "a@example.com\n@b", "é@example.com",
        f"{'x' * 65}@example.com", f"a@{'x.' * 130}com", "des\u212a@example.com", "",
    ],
)  # fmt: skip
def test_an_address_that_could_not_be_written_to_is_refused_everywhere(address: str) -> None:
    with pytest.raises(ValueError, match="use an e-mail address"):
        fields.email(address)
    with pytest.raises(InvalidBrand):
        Brand(name="B", mail_sender=f"B <{address}>")
