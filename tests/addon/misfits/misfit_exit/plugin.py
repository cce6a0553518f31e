"""Ends the process while it is imported."""

raise SystemExit("this is not for you")
