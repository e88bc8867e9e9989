"""Another program with the same token: asks one of the services at an even pace until it is ended.

Its requests are of kinds that the sync sends at most in its first run, so that the stand-in's log tells the two apart.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time

import requests

ROUTES = frozenset({"user", "schema"})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbour")
    parser.add_argument("service", choices=("airtable", "clickup"))
    parser.add_argument("per_second", type=float)
    options = parser.parse_args()
    settings = os.environ
    if options.service == "airtable":
        url = f"{settings['AIRTABLE_API_URL']}/meta/bases/{settings['AIRTABLE_BASE_ID']}/tables"
        token = f"Bearer {settings['AIRTABLE_API_KEY']}"
    else:
        url, token = f"{settings['CLICKUP_API_URL']}/user", settings["CLICKUP_API_KEY"]
    begun = time.monotonic()
    number = 0
    while True:
        threading.Thread(target=_ask, args=(url, token), daemon=True).start()
        number += 1
        time.sleep(max(0.0, begun + number / options.per_second - time.monotonic()))


def _ask(url: str, token: str) -> None:
    requests.get(url, headers={"Authorization": token}, timeout=60)


if __name__ == "__main__":
    sys.exit(main())
