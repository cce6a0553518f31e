"""Engines, the tenant session, row-level security helpers, the migrations runner and the embedded server."""
