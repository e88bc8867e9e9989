"""The campaign: every promise of the README under every fault, kill and random history. `make torture` runs all of it."""
