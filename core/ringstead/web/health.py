"""`/healthz`: whether this process can answer, for load balancers. Only on platform hosts."""

from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError


def healthz(request: Request) -> Response:
    """200 `ok`, or 503 when the database does not answer."""
    try:
        with request.database.app_engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return Response(status=503, content_type="text/plain", body=b"database away\n")
    return Response(content_type="text/plain", body=b"ok\n")
