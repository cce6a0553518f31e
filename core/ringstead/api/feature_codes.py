"""The feature codes of an organization, for pages that tell people what to dial: `codes_of(context, request)`."""

from ringstead.switch.feature_codes import codes_of

__all__ = ["codes_of"]
