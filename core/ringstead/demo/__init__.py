"""The demo: two fictional partners, and 90 days of their calls, sent through the switch interface."""
