"""The client's address: what is believed, and what counts as one sender."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.request import Request

from ringstead.auth.address import address_block, client_address


def request_from(remote: str, forwarded: str | None, hops: int) -> Any:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = Request.blank("/", environ={"REMOTE_ADDR": remote}, headers=headers)
    request.deployment = cast(Any, SimpleNamespace(trusted_proxy_hops=hops))
    return request


@pytest.mark.parametrize(
    ("remote", "forwarded", "hops", "expected"),
    [
        ("203.0.113.9", None, 0, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", 0, "203.0.113.9"),
        ("10.0.0.2", "198.51.100.1", 1, "198.51.100.1"),
        ("10.0.0.2", "192.0.2.66, 198.51.100.1", 1, "198.51.100.1"),
        ("10.0.0.2", "192.0.2.66, 198.51.100.1, 10.0.0.1", 2, "198.51.100.1"),
        ("10.0.0.2", "198.51.100.1", 2, "10.0.0.2"),
        ("10.0.0.2", None, 1, "10.0.0.2"),
        ("10.0.0.2", "198.51.100.1:4711", 1, "198.51.100.1"),
        ("10.0.0.2", "[2001:db8::7]:4711", 1, "2001:db8::7"),
        ("::ffff:203.0.113.9", None, 0, "203.0.113.9"),
        ("fe80::1%eth0", None, 0, "fe80::1"),
        ("", None, 0, "unknown"),
        ("10.0.0.2", "nonsense", 1, "unknown"),
    ],
)
def test_only_our_own_proxies_are_believed(
    remote: str, forwarded: str | None, hops: int, expected: str
) -> None:
    assert client_address(request_from(remote, forwarded, hops)) == expected


def test_one_customer_of_ipv6_is_one_sender() -> None:
    assert (
        address_block("2001:db8:1:2:aaaa::1") == address_block("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    )
    assert address_block("2001:db8:1:3::1") != address_block("2001:db8:1:2::1")
    assert address_block("203.0.113.9") != address_block("203.0.113.10")


@given(st.text(alphabet=st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60))
def test_any_header_gets_an_answer(forwarded: str) -> None:
    assert client_address(request_from("203.0.113.9", forwarded, 1))
