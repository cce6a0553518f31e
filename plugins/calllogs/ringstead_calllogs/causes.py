"""Why calls end, in the words and numbers of FreeSWITCH and Asterisk (Q.850, and those of FreeSWITCH's own)."""

from typing import Final

from ringstead_calllogs.records import Disposition

# FreeSWITCH's names by the number that stands for them; the first 127 are those of ITU-T Q.850.
NUMBERS: Final = {
    "UNALLOCATED_NUMBER": 1,
    "NO_ROUTE_TRANSIT_NET": 2,
    "NO_ROUTE_DESTINATION": 3,
    "CHANNEL_UNACCEPTABLE": 6,
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18,
    "NO_ANSWER": 19,
    "SUBSCRIBER_ABSENT": 20,
    "CALL_REJECTED": 21,
    "NUMBER_CHANGED": 22,
    "REDIRECTION_TO_NEW_DESTINATION": 23,
    "DESTINATION_OUT_OF_ORDER": 27,
    "INVALID_NUMBER_FORMAT": 28,
    "FACILITY_REJECTED": 29,
    "NORMAL_UNSPECIFIED": 31,
    "NORMAL_CIRCUIT_CONGESTION": 34,
    "NETWORK_OUT_OF_ORDER": 38,
    "NORMAL_TEMPORARY_FAILURE": 41,
    "SWITCH_CONGESTION": 42,
    "OUTGOING_CALL_BARRED": 52,
    "INCOMING_CALL_BARRED": 54,
    "BEARERCAPABILITY_NOTAUTH": 57,
    "INCOMPATIBLE_DESTINATION": 88,
    "RECOVERY_ON_TIMER_EXPIRE": 102,
    "INTERWORKING": 127,
    "ORIGINATOR_CANCEL": 487,
    "LOSE_RACE": 502,
    "MANAGER_REQUEST": 503,
    "BLIND_TRANSFER": 600,
    "ATTENDED_TRANSFER": 601,
    "ALLOTTED_TIMEOUT": 602,
    "MEDIA_TIMEOUT": 604,
    "PICKED_OFF": 605,
    "USER_NOT_REGISTERED": 606,
    "PROGRESS_TIMEOUT": 607,
    "NO_PICKUP": 612,
    "BUSY_EVERYWHERE": 615,
    "DECLINE": 616,
}
# How a leg that nobody picked up ended; whatever is not here could not be reached.
UNANSWERED_BY_CAUSE: Final[dict[int, Disposition]] = {
    **dict.fromkeys((16, 31, 487, 503), "cancelled"),
    **dict.fromkeys((17, 21, 615, 616), "busy"),
    **dict.fromkeys((18, 19, 102, 602, 607, 612), "missed"),
    **dict.fromkeys((23, 600, 601), "forwarded"),
    # 26 is Q.850's non-selected user clearing, which SIP's «Call completed elsewhere» (RFC 3326) carries.
    **dict.fromkeys((26, 502, 605), "answered_elsewhere"),
}
