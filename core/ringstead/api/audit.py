"""The audit trail, for plugins: rows that are only ever added, in the transaction of what they tell about."""

from ringstead.audit import Actor, changed, declare_action, record

__all__ = ["Actor", "changed", "declare_action", "record"]
