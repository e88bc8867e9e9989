"""The campaign: every promise under every fault, kill and random history. `make torture` runs all of it."""
