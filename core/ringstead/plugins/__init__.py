"""Loader, registry, enablement and the gate: how plugins join the portal and how a faulty one is contained."""
