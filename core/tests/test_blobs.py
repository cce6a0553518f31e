"""Object storage: whole or not at all, an organization's own, in a folder and on S3."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.objects import BUCKET, running_s3

from ringstead.api.blobs import BlobMissing, BlobsAway, BlobsFull, OrgBlobs, org_blobs
from ringstead.api.testing import Tenants
from ringstead.blobs import BLOBS, PIECE, Blobs
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.db.session import TenantScopeMissing
from ringstead.doctor import check_blobs
from ringstead.settings import load_settings


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a bucket on a server of this module."""
    with running_s3() as address:
        yield address


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """A store of each kind."""
    return Blobs("file:" if request.param == "folder" else request.getfixturevalue("s3"), tmp_path)


def content(own: OrgBlobs, key: str, *span: int) -> bytes:
    return b"".join(own.read(key, *span))


def test_what_is_written_is_there_and_then_gone(blobs: Blobs) -> None:
    own = blobs.of(uuid4())
    assert own.info("notes/a") is None
    assert own.put("notes/a", [b"one ", b"two ", b"", b"three"]) == 13
    info = own.info("notes/a")
    assert info is not None
    assert info.size == 13
    assert abs(datetime.now(UTC) - info.written_at) < timedelta(minutes=5)
    assert content(own, "notes/a") == b"one two three"
    assert content(own, "notes/a", 4, 7) == b"two"
    assert content(own, "notes/a", 8) == b"three"
    assert content(own, "notes/a", 8, 1000) == b"three"
    assert content(own, "notes/a", 13) == b""
    assert own.put("notes/a", iter([])) == 0
    assert content(own, "notes/a") == b""
    own.put("notes/deeper/b", [b"x"])
    assert sorted(own.keys("notes")) == ["notes/a", "notes/deeper/b"]
    for _ in range(2):
        own.delete("notes/a")
    assert own.info("notes/a") is None
    with pytest.raises(BlobMissing):
        own.read("notes/a")


# In a process of its own: what other threads of this one do meanwhile would be counted, too.
LARGE = """
import os, sys, tracemalloc
from pathlib import Path
from uuid import uuid4
from ringstead.blobs import Blobs

own = Blobs(sys.argv[1], Path(sys.argv[2])).of(uuid4())
piece, count = os.urandom(64 * 1024), 320
tracemalloc.start()
assert own.put("notes/large", (piece for _ in range(count))) == len(piece) * count
sizes = [len(part) for part in own.read("notes/large", 1)]
peak = tracemalloc.get_traced_memory()[1]
assert sum(sizes) == len(piece) * count - 1
start = len(piece) * 100
assert b"".join(own.read("notes/large", start, start + len(piece))) == piece
print(peak, max(sizes))
"""


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_large_blobs_take_little_memory(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    address = "file:" if kind == "folder" else request.getfixturevalue("s3")
    done = subprocess.run(
        [sys.executable, "-c", LARGE, address, tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peak, largest = map(int, done.stdout.split())
    assert largest == PIECE
    assert peak < 8 * PIECE


def test_a_writer_that_fails_leaves_what_was_there(blobs: Blobs, tmp_path: Path) -> None:
    own = blobs.of(uuid4())
    own.put("notes/a", [b"old"])

    def broken() -> Iterator[bytes]:
        yield b"n" * 12 * PIECE
        raise FileNotFoundError("the source's own fault")

    for key in ("notes/a", "notes/b"):
        with pytest.raises(FileNotFoundError, match="own fault"):
            own.put(key, broken())
    assert content(own, "notes/a") == b"old"
    assert own.info("notes/b") is None
    assert list(own.keys("notes")) == ["notes/a"]
    assert not list(tmp_path.rglob("*#*"))


def test_an_organization_reaches_only_its_own(blobs: Blobs) -> None:
    one, other = uuid4(), uuid4()
    blobs.of(one).put("notes/a", [b"mine"])
    assert blobs.of(other).info("notes/a") is None
    assert list(blobs.of(other).keys("notes")) == []
    for key in (
        f"../{one}/notes/a",
        f"{one}/../notes",
        "/notes/a",
        "notes//a",
        "notes/a#1",
        "",
        "Ä",
        "a" * 201,
    ):
        with pytest.raises(ValueError, match="is no key"):
            blobs.of(other).put(key, [b"x"])


@settings(max_examples=60)
@given(st.text(max_size=30))
def test_no_key_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    store, org = Blobs("file:", tmp_path), UUID(int=7)
    try:
        store.of(org).put(key, [b"x"])
    except ValueError:
        return
    assert list(store.of(org).keys(key.partition("/")[0])) or store.of(org).info(key)
    files = [path.relative_to(store.folder) for path in store.folder.rglob("*") if path.is_file()]
    assert {path.parts[0] for path in files} == {str(org)}


def test_a_session_has_its_organizations_blobs(
    tenants: Tenants, database_urls: DatabaseUrls, tmp_path: Path, database: Database
) -> None:
    one, other = tenants.organization(), tenants.organization()
    own = Database(database_urls, info={BLOBS: Blobs("file:", tmp_path)})
    with own.run_as(one.org_id) as session:
        handle = org_blobs(session)
    handle.put("notes/a", [b"x"])
    with own.run_as(other.org_id) as session:
        assert org_blobs(session).info("notes/a") is None
    with own.in_partner(one.partner_id) as session, pytest.raises((TenantScopeMissing, LookupError)):
        org_blobs(session)
    with database.run_as(one.org_id) as session, pytest.raises(LookupError, match="no object storage"):
        org_blobs(session)
    own.dispose()


KILLED = """
import os, signal, sys
from pathlib import Path
from uuid import UUID
from ringstead.blobs import Blobs
def pieces():
    yield b"x" * 12_000_000
    print("half", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
Blobs("file:", Path(sys.argv[1])).of(UUID(int=1)).put("notes/a", pieces())
"""


def test_what_a_killed_writer_left_is_swept_after_an_hour(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout == "half\n"
    blobs = Blobs("file:", tmp_path)
    own = blobs.of(UUID(int=1))
    (left,) = blobs.folder.rglob("*#*")
    assert own.info("notes/a") is None
    assert list(own.keys("notes")) == []
    assert blobs.sweep() == 0
    own.put("notes/a", [b"whole"])
    old = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    os.utime(left, (old, old))
    for path in blobs.folder.rglob("a"):
        os.utime(path, (old, old))
    assert blobs.sweep() == 1
    assert not left.exists()
    assert content(own, "notes/a") == b"whole"


def test_a_store_that_is_away_or_refuses_says_so(tmp_path: Path, s3: str) -> None:
    missing = Blobs(s3.replace(BUCKET, "no-such-bucket"), tmp_path)
    with pytest.raises(BlobsAway, match="notes/a"):
        missing.of(uuid4()).put("notes/a", [b"x"])
    blocked = tmp_path / "blobs"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(BlobsAway):
        Blobs("file:", tmp_path).of(uuid4())


class _Full:
    """What obstore's local store raises when the disk is full, at the moment of writing."""

    def __init__(self, *_args: Any, **_values: Any) -> None:
        from obstore.exceptions import GenericError

        raise GenericError("Generic LocalFileSystem error: No space left (os error 28)\n kind: StorageFull")


def test_a_full_store_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import obstore

    own = Blobs("file:", tmp_path).of(uuid4())
    monkeypatch.setattr(obstore, "put", _Full)
    with pytest.raises(BlobsFull):
        own.put("notes/a", [b"x"])


def test_the_doctor_looks_at_the_store(tmp_path: Path, s3: str) -> None:
    def found(**values: Any) -> Any:
        return check_blobs(load_settings({}, "/dev/null", var_dir=tmp_path, **values))

    assert found().state == "ok"
    assert found(blob_url=s3).state == "ok"
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    away = found(blob_url=s3.replace(BUCKET, "no-such-bucket"))
    assert away.state == "fail"
    assert "AWS_" in away.mend
    other = found(blob_url=f"file://{tmp_path}/elsewhere")
    assert (other.state, str(tmp_path / "elsewhere") in other.said) == ("ok", True)
