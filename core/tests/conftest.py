"""Fixtures of the core's own tests: signing in as people do."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest

from ringstead.api.testing import PASSWORD, Client, Person
from ringstead.auth.passwords import Passwords
from ringstead.db.engine import Database
from ringstead.tenancy.models import Account


@lru_cache(maxsize=32)
def hashed(password: str) -> str:
    return Passwords().hash(password)


@pytest.fixture
def with_password(database: Database) -> Callable[..., Person]:
    """`with_password(person, password=PASSWORD, **values)`: gives an account a password, and other values."""

    def give(person: Person, password: str = PASSWORD, **values: Any) -> Person:
        with database.in_partner(person.partner.id) as session:
            account = session.get_one(Account, (person.partner.id, person.account.id))
            account.password_hash = hashed(password)
            for name, value in values.items():
                setattr(account, name, value)
        return person

    return give


@pytest.fixture
def sign_in() -> Callable[..., Any]:
    """`sign_in(client, email, password=PASSWORD, **fields)`: sends the form of the sign-in page."""

    def send(client: Client, email: str, password: str = PASSWORD, status: Any = "*", **fields: str) -> Any:
        page = client.get("/sign-in")
        token = page.html.find("input", {"name": "csrf_token"})["value"]
        values = {"csrf_token": token, "email": email, "password": password, **fields}
        return client.post("/sign-in", values, headers={"Origin": f"http://{client.host}"}, status=status)

    return send
