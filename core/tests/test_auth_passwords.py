"""Passwords: argon2id in a bounded pool, and what a new one must be like."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore, Thread

import httpx
import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from ringstead.api.testing import PASSWORD, Person, Tenants
from ringstead.auth.passwords import MAX_LENGTH, Busy, Passwords, problem_with_password


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords()


def test_a_right_password_is_right_and_a_wrong_one_is_not(passwords: Passwords) -> None:
    stored = passwords.hash("heron lantern quarry")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.verify(stored, "heron lantern quarry")
    assert not passwords.verify(stored, "heron lantern quarrx")
    assert not passwords.verify(stored, "")


def test_without_a_stored_hash_nothing_is_right(passwords: Passwords) -> None:
    assert not passwords.verify(None, "nobody has this password")
    assert not passwords.verify("not a hash", "heron lantern quarry")


def test_the_same_letters_typed_otherwise_are_the_same_password(passwords: Passwords) -> None:
    assert passwords.verify(passwords.hash("ﬁshing in Zürich"), "fishing in Zürich")


def test_a_password_beyond_the_limit_is_wrong_even_when_its_beginning_is_right(passwords: Passwords) -> None:
    stored = passwords.hash("x" * MAX_LENGTH)
    assert passwords.verify(stored, "x" * MAX_LENGTH)
    assert not passwords.verify(stored, "x" * (MAX_LENGTH + 1))
    assert not passwords.verify(passwords.hash(""), "x" * (MAX_LENGTH + 1))


def test_a_hash_with_other_parameters_is_outdated(passwords: Passwords) -> None:
    assert passwords.is_outdated(PasswordHasher(1, 8 * 1024, 1).hash("heron lantern quarry"))
    assert not passwords.is_outdated(passwords.hash("heron lantern quarry"))


@pytest.mark.parametrize(
    ("web_threads", "hashing", "waiting"), [(1, 1, 0), (2, 1, 0), (4, 2, 0), (5, 2, 0), (8, 2, 2), (16, 2, 6)]
)
def test_at_most_half_of_the_threads_hash_or_wait(web_threads: int, hashing: int, waiting: int) -> None:
    pool = Passwords(web_threads, wait_seconds=60)
    inside, leave = Semaphore(0), Event()

    def occupy() -> None:
        with pool._place():
            inside.release()
            leave.wait(60)

    threads = [Thread(target=occupy) for _ in range(hashing + waiting)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(hashing):
            assert inside.acquire(timeout=10)
        _until(lambda: pool._room._value == 0)
        assert not inside.acquire(blocking=False), "no more than two hash at once"
        # It would wait for a minute if it waited.
        with pytest.raises(Busy):
            pool.verify(None, "heron lantern quarry")
    finally:
        leave.set()
        for thread in threads:
            thread.join()
    assert not pool.verify(None, "heron lantern quarry")


def test_nobody_waits_for_long() -> None:
    pool = Passwords(web_threads=16, wait_seconds=0.01)
    with pool._place(), pool._place():
        for _ in range(20):
            with pytest.raises(Busy):
                pool.verify(None, "heron lantern quarry")


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# The portal, whose hashes last until the file `leave` is there, and in which who waits for a place waits for ever.
HELD = """
import os, time, uuid
from argon2 import PasswordHasher
from ringstead.app import make_app

folder, verify = os.path.dirname(__file__), PasswordHasher.verify

def held(hasher, stored, password):
    open(os.path.join(folder, f"{uuid.uuid4()}.hashing"), "w").close()
    while not os.path.exists(os.path.join(folder, "leave")):
        time.sleep(0.01)
    return verify(hasher, stored, password)

PasswordHasher.verify = held

def make(settings, urls):
    app = make_app(settings, urls)
    app.registry["ringstead.passwords"]._wait = 3600
    return app
"""


class Visitor:
    """Somebody at the sign-in page of a served portal."""

    def __init__(self, address: str, person: Person) -> None:
        host = f"{person.partner.slug}.test"
        self._client = httpx.Client(
            base_url=address, headers={"Host": host, "Origin": f"http://{host}"}, timeout=30
        )
        page = self._client.get("/sign-in").text
        self._form = {"csrf_token": page.partition('name="csrf_token" value="')[2].partition('"')[0]}
        self._form |= {"email": person.account.email}

    def sign_in(self, password: str, sender: str) -> httpx.Response:
        form = {**self._form, "password": password}
        return self._client.post("/sign-in", data=form, headers={"X-Forwarded-For": sender})


@pytest.mark.slow
def test_a_flood_of_sign_ins_leaves_threads_for_everybody_else(
    served: Callable[..., str], tmp_path: Path, tenants: Tenants, with_password: Callable[..., Person]
) -> None:
    (tmp_path / "held.py").write_text(HELD)
    address = served("held:make", web_threads=4, trusted_proxy_hops=1)
    juno = with_password(tenants.person(tenants.organization()))
    other = tenants.person(tenants.organization())
    visitor = Visitor(address, juno)
    host, session = f"{other.partner.slug}.test", tenants.session_token(other)

    def flood(number: int) -> httpx.Response:
        return visitor.sign_in("wrong password", f"203.0.113.{number % 4}")

    with ThreadPoolExecutor(16) as people:
        hanging = [people.submit(visitor.sign_in, "wrong password", f"198.51.100.{n}") for n in (1, 2)]
        _until(lambda: len(list(tmp_path.glob("*.hashing"))) == 2)
        answers = list(people.map(flood, range(48)))
        page = httpx.get(f"{address}/account", headers={"Host": host}, cookies={"sid": session}, timeout=60)
        assert not any(answer.done() for answer in hanging), (
            "all of this came to pass while the places were taken"
        )
        (tmp_path / "leave").touch()
    assert page.status_code == 200
    assert other.account.email in page.text
    # Two seconds: because everybody signs in, and not because anybody tried too often.
    assert {(answer.status_code, answer.headers["Retry-After"]) for answer in answers} == {(429, "2")}
    assert {answer.result().status_code for answer in hanging} == {422}
    assert visitor.sign_in(PASSWORD, "203.0.113.0").status_code == 303, (
        "twelve tries from there are not counted"
    )


@pytest.mark.parametrize(
    "password",
    [
        "",
        "ninechars",
        "a" * 10,
        "abababababab",
        "password123",
        "PASSWORD1234",
        "1234567890",
        "qwertyuiop",
        "juno@bramble.example",
        "juno.halloway",
        "Juno Halloway",
        "junohalloway1",
        "x1!" * 86,
    ],
)
def test_weak_passwords_are_refused(password: str) -> None:
    assert problem_with_password(
        password, "juno.halloway@bramble.example", "Juno Halloway"
    ) or problem_with_password(password, "juno@bramble.example", "Juno Halloway")


@pytest.mark.parametrize(
    "password", ["heron lantern quarry", "Zürich-im-Mai", "4711-0815-42x", "パスワードは長いほうがよい"]
)
def test_good_passwords_are_taken(password: str) -> None:
    assert problem_with_password(password, "juno@bramble.example", "Juno Halloway") is None


@given(st.text(max_size=300), st.text(max_size=40), st.text(max_size=40))
def test_any_text_gets_an_answer(password: str, email: str, name: str) -> None:
    problem = problem_with_password(password, email, name)
    assert problem is None or "${" not in problem.interpolate()
