"""Brands: typed inputs, the colours derived from them, logos, and what a host serves of them."""

from ringstead.theming.brand import LOGOS, NEUTRAL, Brand
from ringstead.theming.brand_cache import BrandCache
from ringstead.theming.logo import Logo, LogoRefused, read_logo
from ringstead.theming.sheet import brand_css
from ringstead.theming.values import FONTS, InvalidBrand

__all__ = [
    "FONTS",
    "LOGOS",
    "NEUTRAL",
    "Brand",
    "BrandCache",
    "InvalidBrand",
    "Logo",
    "LogoRefused",
    "brand_css",
    "read_logo",
]
