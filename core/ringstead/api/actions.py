"""What other features offer about a thing that a page shows: `actions_for_call(context, request, CallInfo(...))`."""

from ringstead.web.actions import actions_for_call

__all__ = ["actions_for_call"]
