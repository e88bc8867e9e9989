"""The live test: the sync and the uncertain facts, tried once with the user's own accounts, on a scratch pair."""

from live_test.run import LiveTest

__all__ = ["LiveTest"]
