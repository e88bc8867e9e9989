"""The stand-in's ClickUp half."""

from sandbox.clickup.service import ClickUp

__all__ = ["ClickUp"]
