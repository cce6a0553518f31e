"""The partner's console: its pages about subscribers, and opening their portals."""
