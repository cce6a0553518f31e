"""What a plugin's `models.py` is made of."""

from ringstead.db.base import Base, CreatedAt, DirectoryScoped, OrgScoped, PartnerScoped, Timestamp, new_id
from ringstead.db.session import TenantScopeMismatch, TenantScopeMissing, TenantSession

__all__ = [
    "Base",
    "CreatedAt",
    "DirectoryScoped",
    "OrgScoped",
    "PartnerScoped",
    "TenantScopeMismatch",
    "TenantScopeMissing",
    "TenantSession",
    "Timestamp",
    "new_id",
]
