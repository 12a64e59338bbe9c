"""What the status page says of the configuration."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.model import Limits, Listen
from proxy.overview import credential_rows, needing_restart, user_source
from proxy.secret import Secret
from tests.unit.telemetry.configurations import ROADS, configuration

BEGUN = configuration(ROADS)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"rules": (), "cache_memory": 5}, []),
        ({"limits": Limits(drain=3)}, []),
        ({"listen": Listen("127.0.0.1", 9)}, ["server.listen"]),
        ({"workers": 4}, ["server.workers"]),
        ({"tls": ("c", "k")}, ["server.tls"]),
        ({"limits": Limits(body=3)}, ["server.limits"]),
        ({"admin_listen": Listen("127.0.0.1", 9)}, ["admin"]),
        ({"admin_password": Secret("x")}, ["admin"]),
        ({"log_level": "debug", "log_format": "text"}, ["log"]),
        ({"workers": 4, "log_format": "text"}, ["server.workers", "log"]),
    ],
)
def test_what_only_a_new_process_takes_up_is_named(changes: dict[str, Any], told: list[str]) -> None:
    assert needing_restart(BEGUN, replace(BEGUN, **changes)) == told


def test_a_credential_that_nobody_needed_has_a_row_too() -> None:
    (row,) = credential_rows(BEGUN, [])
    assert (row["credential"], row["state"]) == ("city", "not used yet")
    used: dict[str, object] = {"credential": "city", "state": "good"}
    assert credential_rows(BEGUN, [used]) == [used]


def test_where_users_come_from() -> None:
    assert user_source(BEGUN) == "none"
