"""Click to call, for plugins: `originate(session, subscriber_id, number)`, and the core's form `POST /call`.

A page's button is a form to `/call` with `number` and `back` where `can_originate(context, request)`, and a `tel:`
link elsewhere.
"""

from ringstead.switch.calling import can_originate, originate

__all__ = ["can_originate", "originate"]
