"""Held for every test: nothing leaves this machine, and nobody's own settings are read."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import NAMES
from tests.campaign.wire import DirectScene
from tests.scene import Scene

for _name in NAMES:
    os.environ.pop(_name, None)


def _stay_here(event: str, details: tuple[Any, ...]) -> None:
    """Refuse connections to anything but this machine: a test must never reach a service, nor a mistyped host."""
    if event != "socket.connect":
        return
    connection, address = details
    if connection.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(str(address[0])):
        raise PermissionError(f"a test tried to connect to {address[0]}")


def _is_loopback(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback


sys.addaudithook(_stay_here)


@pytest.fixture(autouse=True)
def _nobodys_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may read the `.env` of the folder that it is started from: that could be of real accounts."""
    monkeypatch.chdir(tmp_path_factory.mktemp("nowhere"))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Both services with empty table and List, and the limits of a small plan out of the way."""
    made = Scene(tmp_path, clickup_limit=1000)
    yield made
    made.close()


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Scene]:
    """Both services with room for thousands of requests a minute."""
    with contextlib.closing(Scene(tmp_path, clickup_limit=100_000)) as made:
        yield made


@pytest.fixture
def direct() -> Iterator[DirectScene]:
    """A scene without sockets, in which a run can be killed at any request and any transaction."""
    with contextlib.closing(DirectScene()) as made:
        yield made
