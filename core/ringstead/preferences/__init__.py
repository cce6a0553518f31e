"""The settings cascade: platform → partner → organization → subscriber, with provenance and locks."""
