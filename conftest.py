"""Fixtures for every room: the testing kit that plugin writers use too."""

pytest_plugins = ("ringstead.api.testing",)
