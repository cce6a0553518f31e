"""The demo's mail is read in the browser; nobody else's is."""

from collections.abc import Callable
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

from ringstead.api.testing import Client, Tenants


def put_mail(app: Any) -> str:
    """A mail with an attachment in the folder of the demo; its name."""
    message, name = EmailMessage(), str(uuid4())
    message["From"], message["To"] = "Harbour <no-reply@harbour.test>", "juno@example.com"
    message["Subject"], message["Date"] = "New voicemail", "Thu, 26 Nov 2026 09:00:00 +0000"
    message.set_content("There is a new message.")
    message.add_alternative("<p>There is <script>alert(1)</script> one.</p>", subtype="html")
    message.add_attachment(b"sound", maintype="audio", subtype="mpeg", filename="voicemail.mp3")
    folder = app.settings.var_dir / "mail"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.eml").write_bytes(message.as_bytes())
    return name


def test_mail_of_the_demo_is_read_in_the_browser(app_with: Callable[..., Any]) -> None:
    app = app_with(list_demo_sites=True)
    name, client = put_mail(app), Client(app, "localhost")
    assert client.get("/mail").html.select_one(".result")["href"] == f"/mail/{name}"
    page = client.get(f"/mail/{name}")
    assert "There is a new message." in page.text
    html = client.get(f"/mail/{name}/html")
    assert html.headers["Content-Security-Policy"].startswith("sandbox")
    assert "script-src" not in html.headers["Content-Security-Policy"]
    assert client.get(page.html.select_one(".list a")["href"]).body == b"sound"
    for path in ("/mail/..%2f..%2fsecret", f"/mail/{uuid4()}", f"/mail/{name}/files/7", "/mail/x/html"):
        client.get(path, status=404)


def test_elsewhere_there_is_no_such_page(app_with: Callable[..., Any], tenants: Tenants) -> None:
    app = app_with()
    name = put_mail(app)
    for host in ("localhost", f"{tenants.partner().slug}.test"):
        for path in ("/mail", f"/mail/{name}", f"/mail/{name}/html"):
            Client(app, host).get(path, status=404)
