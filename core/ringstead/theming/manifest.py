"""The web app manifest of a brand, by which a phone puts the portal on its home screen (W3C, Web App Manifest)."""

from typing import Any

from ringstead.theming.brand import Brand
from ringstead.theming.derive import derive
from ringstead.theming.icons import SIZES


def manifest(brand: Brand, locale: str, direction: str) -> dict[str, Any]:
    """The manifest's members, as JSON values."""
    colors = derive(brand.color, brand.accent, "light")
    return {
        "id": "/",
        "name": brand.name,
        "short_name": brand.name[:12].strip(),
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "lang": locale,
        "dir": direction,
        "background_color": colors["bg"].hex,
        "theme_color": colors["canvas"].hex,
        "icons": [
            {
                "src": brand.app_icon_url(size, maskable=purpose == "maskable"),
                "sizes": f"{size}x{size}",
                "type": "image/png",
                "purpose": purpose,
            }
            for purpose in ("any", "maskable")
            for size in SIZES
        ],
    }
