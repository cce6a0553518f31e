"""`POST /switch/v1/<message>`: authenticate the node, find who handles the message, contain what goes wrong."""

from collections.abc import Mapping

import structlog
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api.contributions import SwitchMessage
from ringstead.plugins.registry import Owned
from ringstead.switch.bodies import BodyRefused
from ringstead.switch.nodes import authenticate
from ringstead.web.limits import BodyTooLarge
from ringstead.web.problems import problem
from ringstead.web.transactions import is_database_away, is_storage_full

log = structlog.get_logger(__name__)
_RETRY_SECONDS = "5"


def receive(request: Request) -> Response:
    """Answer one message of a switch; every answer but a handler's own is a problem (RFC 9457)."""
    path = "/".join(request.matchdict["path"])
    try:
        node = authenticate(request.database.app_engine, request.headers.get("Authorization"))
    except Exception as error:
        return _failed(path, error)
    if node is None:
        answer = problem(401, "Not signed in", "Send the node's key as `Authorization: Bearer KEY`.")
        answer.headers["WWW-Authenticate"] = 'Bearer realm="switch"'
        return answer
    owned = _find(request, request.plugins.switch_messages())
    if owned is None:
        known = ", ".join(sorted(request.plugins.switch_messages()))
        return problem(404, "No such message", f"There is no message {path[:80]!r} here. Known: {known}.")
    allowed = owned.item.methods
    if request.method not in allowed and not (request.method == "HEAD" and "GET" in allowed):
        answer = problem(405, "Wrong method", f"Send {path!r} with {' or '.join(allowed)}.")
        answer.headers["Allow"] = ", ".join(allowed)
        return answer
    try:
        response: Response = owned.item.handle(node, request, request.database)
    except BodyRefused as refused:
        return problem(refused.status, "Body refused", f"The body was refused: {refused}.")
    except BodyTooLarge:
        raise
    except Exception as error:
        return _failed(path, error, owned.plugin)
    return response


def _find(request: Request, known: Mapping[str, Owned[SwitchMessage]]) -> Owned[SwitchMessage] | None:
    """The message of a request's path; words that stand for anything go into `request.matchdict`."""
    words = list(request.matchdict["path"])
    exact = known.get("/".join(words))
    if exact is not None:
        return exact
    for path, owned in known.items():
        pattern = path.split("/")
        if "{" in path and len(pattern) == len(words):
            pairs = list(zip(pattern, words, strict=True))
            if all(part.startswith("{") or part == word for part, word in pairs):
                request.matchdict.update({part[1:-1]: word for part, word in pairs if part[0] == "{"})
                return owned
    return None


def _failed(path: str, error: Exception, plugin: str = "core") -> Response:
    """503, or 507 when a disk is full: nothing was acknowledged, so the switch keeps its message and sends it again."""
    status, title = 503, "Not now"
    # First, because a database that finds no room for its log goes down in the same moment.
    if is_storage_full(error):
        log.error("switch.storage_full", message=path, why=str(error).partition("\n")[0])
        status, title, detail = 507, "No room", "The portal's storage is full."
    elif is_database_away(error):
        log.warning("switch.database_away", message=path, why=str(error).strip())
        detail = "The database does not answer."
    else:
        log.error("switch.failed", message=path, plugin=plugin, exc_info=error)
        detail = f"The handler of {path!r} failed."
    answer = problem(status, title, f"{detail} Nothing was acknowledged; send the message again.")
    answer.headers["Retry-After"] = _RETRY_SECONDS
    return answer
