"""Call history: the call logs plugin."""
