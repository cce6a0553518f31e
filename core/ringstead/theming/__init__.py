"""Brands: typed inputs, the colours derived from them, logos, and what a host serves of them."""

from ringstead.theming.brand import FONTS, NEUTRAL, Brand, BrandCache, InvalidBrand, brand_css
from ringstead.theming.logo import Logo, LogoRefused, read_logo

__all__ = [
    "FONTS",
    "NEUTRAL",
    "Brand",
    "BrandCache",
    "InvalidBrand",
    "Logo",
    "LogoRefused",
    "brand_css",
    "read_logo",
]
