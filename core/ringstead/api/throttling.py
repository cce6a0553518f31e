"""How often one person may do what costs others something: send mail to strangers, place calls."""

from limits import RateLimitItemPerDay, RateLimitItemPerMinute
from pyramid.request import Request

from ringstead.auth.throttle import Charge, Throttle
from ringstead.tenancy.context import TenantContext

__all__ = ["seconds_to_wait"]


def seconds_to_wait(context: TenantContext, request: Request, what: str, a_minute: int, a_day: int) -> int:
    """Count one more of `what` (`voicemail.mail`) for the reader; 0, or the seconds until it may be done again."""
    throttle: Throttle = request.registry["ringstead.throttle"]
    who = (what, str(context.org_id), str(context.subscriber_id))
    limits = (RateLimitItemPerMinute(a_minute, 1), RateLimitItemPerDay(a_day, 1))
    return throttle.take([Charge(limit, (*who, str(limit))) for limit in limits])
