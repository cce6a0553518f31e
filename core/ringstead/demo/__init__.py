"""The demo: two fictional partners, and 90 days of their calls, sent through the switch interface."""

from ringstead.demo.manifest import DemoManifest
from ringstead.demo.setup import DemoError, run_demo_setup

__all__ = ["DemoError", "DemoManifest", "run_demo_setup"]
