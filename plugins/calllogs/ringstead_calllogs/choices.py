"""Settings that an organization's admin chooses in a form: which of them are fixed above, and storing them together."""

from collections.abc import Mapping
from typing import Any

from pyramid.request import Request

from ringstead.api import TenantContext
from ringstead.api.preferences import set_for_organization


def fixed_fields(context: TenantContext, fields: Mapping[str, str]) -> set[str]:
    """Of the form's `fields` (to names of settings) those that a level above the organization has locked."""
    return {
        field
        for field, name in fields.items()
        if context.preferences.resolve(name).locked_by in ("platform", "partner")
    }


def store_choices(
    context: TenantContext, request: Request, fields: Mapping[str, str], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Store what differs of `values` (by field), all or nothing; returns it by the settings' names.

    A locked field is in nobody's form, and stays; sent all the same, it raises `SettingRefused`.
    """
    fixed = fixed_fields(context, fields)
    changed = {
        name: values[field]
        for field, name in fields.items()
        if context.preferences[name] != values[field] and (field in request.POST or field not in fixed)
    }
    with request.db.begin_nested():
        for name, value in changed.items():
            set_for_organization(request.db, request.declared_settings, name, value)
    return changed
