"""Mail in a partner's name: queued in the caller's transaction, sent by the worker until the server has taken it."""

from ringstead.mail.outbox import (
    MailAttachment,
    MailCounts,
    MailMessage,
    failed_mail,
    mail_counts,
    queue_mail,
    retry_mail,
)

__all__ = [
    "MailAttachment",
    "MailCounts",
    "MailMessage",
    "failed_mail",
    "mail_counts",
    "queue_mail",
    "retry_mail",
]
