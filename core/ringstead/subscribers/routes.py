"""The pages about subscribers, in one place: who may see them, and where they are."""

from typing import Final

from ringstead.api import NavItem, Permission, Route, translations
from ringstead.subscribers import acts, editing, handing_over, import_views, pages, settings
from ringstead.subscribers.desk import HELP, MANAGE, READ, on_both

_ = translations("ringstead")
_POST: Final = ("POST",)


def permissions() -> list[Permission]:
    """Who sees subscribers, helps them, and looks after them."""
    return [READ, HELP, MANAGE]


def routes() -> list[Route]:
    """Each on consoles and on portals; the words before the ids, which are matched in this order."""
    upload = import_views.MOST_BYTES
    heir = "/subscribers/{subscriber}/hand-over"
    own = "/subscribers/{subscriber}/settings"
    form, sheet, result = "subscriber_form", "subscriber_import", "subscriber_import_result"
    return [
        *on_both("subscribers", "/subscribers", pages.show_list, READ, "subscribers"),
        *on_both("subscribers.new", "/subscribers/new", editing.show_new, MANAGE, form),
        *on_both("subscribers.create", "/subscribers/new", editing.create, MANAGE, form, _POST),
        *on_both("subscribers.import", "/subscribers/import", import_views.show_form, MANAGE, sheet),
        *on_both(
            "subscribers.import.read", "/subscribers/import", import_views.read, MANAGE, sheet, _POST, upload
        ),
        *on_both(
            "subscribers.import.result",
            "/subscribers/import/{import}",
            import_views.show_result,
            MANAGE,
            result,
        ),
        *on_both(
            "subscribers.import.act", "/subscribers/import/{import}", import_views.act, MANAGE, result, _POST
        ),
        *on_both("subscribers.profile", "/subscribers/{subscriber}", pages.show_profile, READ, "subscriber"),
        *on_both("subscribers.act", "/subscribers/{subscriber}", acts.act, HELP, "subscriber", _POST),
        *on_both("subscribers.edit", "/subscribers/{subscriber}/edit", editing.show_edit, MANAGE, form),
        *on_both("subscribers.change", "/subscribers/{subscriber}/edit", editing.change, MANAGE, form, _POST),
        *on_both("subscribers.settings", own, settings.show, MANAGE, "subscriber_settings"),
        *on_both("subscribers.settings.change", own, settings.change, MANAGE, "subscriber_settings", _POST),
        *on_both("subscribers.hand_over", heir, handing_over.show, MANAGE, "hand_over"),
        *on_both("subscribers.hand_over.do", heir, handing_over.do, MANAGE, "hand_over", _POST),
    ]


def navigation() -> list[NavItem]:
    """For who looks after an organization."""
    return [
        NavItem(
            id="core.subscribers",
            title=_("People"),
            route="core.subscribers",
            permission=MANAGE.name,
            icon="users",
            section="account",
            order=800,
        )
    ]
