"""The application as a server calls it."""

from io import BytesIO
from typing import Any

from webob import Request

from ringstead.api.testing import Tenants


def test_a_body_that_ends_too_early_is_no_server_error(wsgi: Any, tenants: Tenants) -> None:
    partner = tenants.partner()
    request = Request.blank("/sign-in", method="POST", headers={"Host": f"{partner.slug}.test"})
    request.content_type = "application/x-www-form-urlencoded"
    request.body_file = BytesIO(b"email=")
    request.content_length = 1000
    assert request.get_response(wsgi).status_int == 400
