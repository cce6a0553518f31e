"""Preferences outside a page: `load_preferences(session, request.declared_settings)["core.region"]`.

In a page they are at hand: `context.preferences["core.region"]`.
"""

from ringstead.preferences.cascade import Preferences
from ringstead.preferences.store import load as load_preferences

__all__ = ["Preferences", "load_preferences"]
