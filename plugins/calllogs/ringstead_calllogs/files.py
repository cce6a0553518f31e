"""An order made into a file: pieces of bytes, in memory that does not grow with the rows.

CSV is what PostgreSQL writes, passed on; sheets and pages are made in a scratch file first. `Progress` hears of the
rows as they are written, and may stop everything by raising.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, Select, select

from ringstead.api.bulk import copier
from ringstead.api.cells import Lines, separator
from ringstead.api.models import TenantSession
from ringstead_calllogs.columns import csv_cells
from ringstead_calllogs.filters import Filter
from ringstead_calllogs.orders import Content, Order, TooManyRows, spans_of

PIECE: Final = 64 * 1024
AT_ONCE: Final = 1000
_SCRATCH: Final = "ringstead-calls-"
_ABANDONED_AFTER: Final = 24 * 3600

Span = tuple[int, dict[str, Any]]
Progress = Callable[[int, int], None]
"""Told now and then: how many rows are written, and how many calls (by the kept counts) were looked through."""


def silent(_rows: int, _looked: int) -> None:
    """Nobody wants to know."""


def pieces(
    session: TenantSession,
    order: Order,
    content: Content,
    told: Progress = silent,
    counts: Mapping[datetime, int] | None = None,
) -> Generator[bytes, None, None]:
    """The file of an order, whose `content` was found in this session. With `counts` of months, `told` hears how far
    it is.

    Raises `TooManyRows` when more calls fit than the format may hold.
    """
    order = replace(order, words=content.words)
    spans: Iterable[Span] = spans_of(session, content, counts or {})
    if order.kind == "csv":
        yield from _csv(session, order, content.listing.unpaged, spans, told)
        return
    # Only with these formats are their libraries needed.
    from ringstead_calllogs import pdf_files, xlsx_files

    write = xlsx_files.write if order.kind == "xlsx" else pdf_files.write
    with scratch_folder() as folder:
        path = folder / f"calls.{order.kind}"
        write(path, order, _counted(_rows(session, content.listing.unpaged, spans), order.most, told))
        with path.open("rb") as stream:
            while piece := stream.read(PIECE):
                yield piece


def file_name(wanted: Filter, today: date, kind: str) -> str:
    """`calls_2026-11-01_2026-11-23.csv`."""
    days = [wanted.first] if wanted.first is not None else []
    return "_".join(["calls", *(day.isoformat() for day in (*days, wanted.last or today))]) + f".{kind}"


def _csv(
    session: TenantSession, order: Order, unpaged: Select[Any], spans: Iterable[Span], told: Progress
) -> Iterator[bytes]:
    delimiter = separator(order.locale)
    lines = Lines(delimiter)
    lines.write([order.words[f"heading {name}"] for name in order.columns])
    yield lines.take()
    found = unpaged.subquery()
    cells = csv_cells(found.c, order.columns, order.locale, order.zone.key, order.words)
    statement = select(*cells).order_by(found.c.started_at.desc(), found.c.id.desc())
    copy = copier(session, statement, delimiter=delimiter)
    rows = 0
    for looked, values in spans:
        told(rows, looked)
        with closing(copy(values)) as copied:
            for some in copied:
                rows += some.rows
                yield some.csv
                told(rows, looked)


def _rows(
    session: TenantSession, statement: Select[Any], spans: Iterable[Span]
) -> Iterator[tuple[int, Row[Any]]]:
    for looked, values in spans:
        # Through a cursor of the server.
        for row in session.execute(statement, values, execution_options={"yield_per": AT_ONCE}):
            yield looked, row


def _counted(rows: Iterable[tuple[int, Row[Any]]], most: int | None, told: Progress) -> Iterator[Row[Any]]:
    count = looked = 0
    for looked, row in rows:
        count += 1
        if most is not None and count > most:
            raise TooManyRows(most)
        yield row
        if count % AT_ONCE == 0:
            told(count, looked)
    told(count, looked)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for a file in the making; what killed processes left there a day ago is removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        try:
            if time.time() - left.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue  # somebody else was quicker
    with tempfile.TemporaryDirectory(prefix=_SCRATCH) as folder:
        yield Path(folder)
