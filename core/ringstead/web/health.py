"""`/healthz`: whether this process can answer, for load balancers. Only on platform hosts."""

from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError


def healthz(request: Request) -> Response:
    """200 `ok`, or 503 when the database does not answer."""
    # A pooled connection may have died with a database that is back since; the first failure throws all of them away.
    if _answers(request.database.app_engine) or _answers(request.database.app_engine):
        return Response(content_type="text/plain", body=b"ok\n")
    return Response(status=503, content_type="text/plain", body=b"database away\n")


def _answers(engine: Engine) -> bool:
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True
