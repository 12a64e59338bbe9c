"""What never goes by a course, however often it is asked for: `web.express` would not do it justice."""

from typing import Any

import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import Build, config
from tests.live.express import GOOD, faulty, good, is_known, warm_line
from tests.live.hostile import Call, Hostile

CITY = "/rest/services/Secure/City"


@pytest.mark.parametrize(
    ("rule", "path", "asking"),
    [
        ({"cache": {"maxAge": "1m"}}, f"{CITY}/MapServer/legend?f=json", {}),
        ({"setParameters": {"where": "1=1"}}, f"{CITY}/MapServer/0/query?f=json", {}),
        ({"users": "required"}, f"{CITY}/MapServer/legend?f=json", {"X_Forwarded_User": "anna"}),
        ({"headers": {"X-Key": "canary-of-a-gateway"}}, f"{CITY}/MapServer/legend?f=json", {}),
        ({"access": "edit"}, f"{CITY}/FeatureServer/0/addFeatures?f=json&features=[]", {}),
        ({}, f"{CITY}/MapServer/legend?f=json", {"If_None_Match": '"a"'}),
        ({}, f"{CITY}/MapServer?f=json", {}),
        ({}, "/rest/info?f=json", {}),
    ],
)
async def test_what_is_not_as_simple_goes_the_long_way(
    build: Build, arcgis: Simulator, rule: dict[str, Any], path: str, asking: dict[str, str]
) -> None:
    document = config(arcgis.url, **rule)
    document["server"]["trustedProxies"] = ["127.0.0.0/8"]
    document["users"] = {"source": "forwarded", "header": "X-Forwarded-User"}
    world = await build(document)
    first = f"{arcgis.url}{CITY}/MapServer/1/query?f=json"  # by which there is a connection, and a token
    got = [await world.client.get(target, **asking) for target in (first, *[f"{arcgis.url}{path}"] * 5)]
    assert {each.status for each in got} == {200}
    assert not is_known(world)


async def test_who_asks_for_a_head_alone_gets_no_more(build: Build, hostile: Hostile) -> None:
    world = await faulty(build, hostile)

    async def heads(call: Call) -> None:
        call.writer.write(GOOD if call.method == "GET" else GOOD.partition(b"{")[0])

    hostile.script = heads
    async with warm_line(world, f"{hostile.url}/map?f=json") as (line, asked):
        for _ in range(5):
            line.send(asked.replace(b"GET", b"HEAD"))
            assert (await line.answer(is_head=True)).headers["content-length"] == "10"
            line.send(asked)  # which leaves a connection for the next one
            assert (await line.answer()).body == b'{"all": 1}'
        assert [head.partition(b" ")[0] for head in hostile.heads[-10:]] == [b"HEAD", b"GET"] * 5


async def test_what_goes_by_an_outbound_proxy_goes_the_long_way(build: Build, hostile: Hostile) -> None:
    """Which is told the whole URL."""
    document = config("http://127.0.0.1:9", inject="header", outboundProxy=hostile.url)
    document["credentials"] = {"city": {"type": "token", "accessToken": "canary-of-an-outbound-proxy"}}
    world, hostile.script = await build(document), good
    for _ in range(5):
        assert (await world.client.get(f"http://127.0.0.1:9{CITY}/MapServer/legend?f=json")).status == 200
    assert not is_known(world)
    assert {head.partition(b"\r\n")[0] for head in hostile.heads[-5:]} == {
        f"GET http://127.0.0.1:9{CITY}/MapServer/legend?f=json HTTP/1.1".encode()
    }
