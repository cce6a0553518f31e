"""Addresses of the sign-in pages that more than one of them names."""

from typing import Final

SIGN_IN: Final = "/sign-in"
CHOOSE: Final = "/choose"
ACCOUNT: Final = "/account"
