"""A strict stand-in for Airtable and ClickUp on 127.0.0.1: real HTTP, in memory, one clock, standard library only.

`Sandbox` in `server.py` serves both; `python -m sandbox` serves it until stopped.
"""
