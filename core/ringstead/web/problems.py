"""Problem details for machines (RFC 9457)."""

import json
from typing import Any

from pyramid.response import Response


def problem(status: int, title: str, detail: str, **extra: Any) -> Response:
    """An `application/problem+json` answer. `extra` are further members; `detail` says what, where and the mend."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **extra}
    return Response(
        status=status,
        content_type="application/problem+json",
        charset=None,
        body=json.dumps(body, ensure_ascii=False).encode(),
    )
