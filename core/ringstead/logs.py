"""Logging of one process: structlog and the standard library's loggers in one format, on standard error."""

from __future__ import annotations

import logging
import sys

import structlog

# These say every statement, connection or job at `info`; an operator asks for that with `debug`.
_TALKATIVE = ("alembic", "httpx", "procrastinate", "sqlalchemy.engine")


def configure_logging(level: str = "info", form: str = "console") -> None:
    """Set up logging; the arguments are the settings `log_level` and `log_format`. May be called again."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    ending: list[structlog.typing.Processor]
    if form == "json":
        # Without local variables: they may hold a password.
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ending = [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
    else:
        ending = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    # It warns of every request that has to wait a moment for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.DEBUG if level == "debug" else logging.ERROR)
