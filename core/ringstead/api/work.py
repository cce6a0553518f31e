"""Work after a request, for plugins: events, background jobs, mail.

All three are written in the caller's own transaction: they happen if it commits, and only then. `docs/work.md`
explains.
"""

from ringstead.events import Event, emit
from ringstead.jobs import defer
from ringstead.mail import MailAttachment, queue_mail

__all__ = ["Event", "MailAttachment", "defer", "emit", "queue_mail"]
