"""The stand-in's Airtable: one base with two tables, strict, in memory, on the stand-in's one clock."""

from __future__ import annotations

from sandbox.airtable.service import Airtable
from sandbox.airtable.switches import ALL_SCOPES, AirtableSwitches

__all__ = ["ALL_SCOPES", "Airtable", "AirtableSwitches"]
