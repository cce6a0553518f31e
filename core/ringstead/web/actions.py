"""What plugins offer about a thing that somebody has opened."""

from pyramid.request import Request

from ringstead.api.answers import CallAction, CallInfo
from ringstead.tenancy.context import TenantContext
from ringstead.web.addresses import is_local


def actions_for_call(context: TenantContext, request: Request, call: CallInfo) -> list[CallAction]:
    """What all features have to offer about a call; addresses that leave this portal are left out."""
    offered: list[CallAction] = request.gate.ask("call_actions", context, request.db, CallAction, call=call)
    return [action for action in offered if is_local(action.url)]
