"""Preferences outside a page: `load_preferences(session, request.declared_settings)["core.region"]`.

In a page they are at hand: `context.preferences["core.region"]`. A page that lets an organization decide stores with
`set_for_organization(session, request.declared_settings, name, value)`; it raises `SettingRefused` when a level above
has locked the preference.
"""

from ringstead.preferences.cascade import Preferences
from ringstead.preferences.store import SettingRefused, set_for_organization
from ringstead.preferences.store import load as load_preferences

__all__ = ["Preferences", "SettingRefused", "load_preferences", "set_for_organization"]
