"""Passwords: argon2id in a bounded pool, and what a new one must be like."""

from threading import Event, Thread

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

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


def test_the_pool_says_that_it_is_full_instead_of_queueing_without_end() -> None:
    pool = Passwords(at_once=1, wait_seconds=0.01)
    inside, leave = Event(), Event()

    def occupy() -> None:
        with pool._place():
            inside.set()
            leave.wait(10)

    thread = Thread(target=occupy)
    thread.start()
    inside.wait(10)
    with pytest.raises(Busy):
        pool.verify(None, "heron lantern quarry")
    leave.set()
    thread.join()
    assert not pool.verify(None, "heron lantern quarry")


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
