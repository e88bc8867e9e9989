"""The decision tables: `links`, `status`, `content`; and what they rest on: `evidence`, `kept`, `rules`.

Pure: no I/O, no clock, no logging.
"""
