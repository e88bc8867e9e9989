"""The design's decision tables, a room for each. Pure: no I/O, no clock, no logging."""
