"""What a plugin's `models.py` is made of."""

from ringstead.db.base import Base, CreatedAt, OrgScoped, Timestamp, new_id
from ringstead.db.session import TenantScopeMismatch, TenantScopeMissing, TenantSession

__all__ = [
    "Base",
    "CreatedAt",
    "OrgScoped",
    "TenantScopeMismatch",
    "TenantScopeMissing",
    "TenantSession",
    "Timestamp",
    "new_id",
]
