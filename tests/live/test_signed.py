"""Requests that go up signed: their form is kept, and they are sent again whole where the token was dead."""

import aiohttp

from proxy.identity import ArcGISCredential
from proxy.simulator.server import Simulator
from tests.live.conftest import Build, World, config


async def test_a_new_configuration_keeps_the_tokens_of_unchanged_credentials(world: World, arcgis: Simulator) -> None:
    from dataclasses import replace

    await world.client.get(world.url())
    current = world.service.current.runtime.configuration
    await world.service.apply(replace(current, rules=tuple(replace(rule, name="renamed") for rule in current.rules)))
    assert (await world.client.get(world.url())).status == 200
    assert arcgis.accounts.logins == 1
    changed = tuple(replace(each, expiration=30) for each in current.credentials if isinstance(each, ArcGISCredential))
    await world.service.apply(replace(current, credentials=changed))
    assert (await world.client.get(world.url())).status == 200
    assert arcgis.accounts.logins == 2


async def test_soap_and_wsdl_pass_with_the_token_and_are_healed(build: Build, arcgis: Simulator) -> None:
    document = config(arcgis.url)
    document["serverUrls"].append({"url": f"{arcgis.url}/services", "credential": "city"})
    world = await build(document)
    envelope = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetServerInfo/></s:Body></s:Envelope>'
    )
    got = await world.client.get(
        f"{arcgis.url}/services/Secure/City/MapServer", "POST", envelope.encode(), Content_Type="text/xml"
    )
    assert b"GetServerInfoResponse" in got.body
    arcgis.revoke_all()
    got = await world.client.get(
        f"{arcgis.url}/services/Secure/City/MapServer", "POST", envelope.encode(), Content_Type="text/xml"
    )
    assert b"GetServerInfoResponse" in got.body
    assert arcgis.journal.to("/services/Secure")[-1].body == envelope.encode()


async def test_an_upload_with_a_dead_token_is_sent_again_whole(build: Build, arcgis: Simulator) -> None:
    world = await build(access="edit")
    await world.client.get(world.url())
    arcgis.revoke_all()
    form = aiohttp.FormData({"f": "json", "token": "mine"})
    form.add_field("attachment", b"\x00\xff" * 1000, filename="a.bin")
    got = await world.client.get(world.url("Secure/City/FeatureServer/0/1/addAttachment?f=json"), "POST", form)
    assert got.json["addAttachmentResult"]["success"]
    assert len(arcgis.services.attachments) == 1
    assert b"\x00\xff" * 1000 in arcgis.services.attachments[0]
    assert b"mine" not in arcgis.services.attachments[0]


FORM = "application/x-www-form-urlencoded"


async def test_set_and_denied_parameters_beat_the_clients_in_query_and_form(build: Build, arcgis: Simulator) -> None:
    world = await build(setParameters={"where": "STATUS = 'a&b'", "layers": "show:0"}, denyParameters=["outFields"])
    query = world.url("Secure/City/FeatureServer/0/query")
    await world.client.get(f"{query}?f=json&Where=1%3D1&w%68ere=2&outfields=*&OUTFIELDS=x&returnGeometry=true")
    entry = arcgis.journal.to("query")[-1]
    assert entry.query == "f=json&returnGeometry=true&layers=show%3A0&where=STATUS%20%3D%20%27a%26b%27"
    await world.client.get(f"{query}?where=1", "POST", b"f=json&where=1%3D1&outFields=*&a=1", Content_Type=FORM)
    entry = arcgis.journal.to("query")[-1]
    assert (entry.query, entry.body) == ("", b"f=json&a=1&layers=show%3A0&where=STATUS%20%3D%20%27a%26b%27")
    boundary = b'--b\r\nContent-Disposition: form-data; name="where"\r\n\r\n1=1\r\n--b--\r\n'
    await world.client.get(query, "POST", boundary, Content_Type="multipart/form-data; boundary=b")
    entry = arcgis.journal.to("query")[-1]
    assert b"1=1" not in entry.body
    assert entry.query.endswith("where=STATUS%20%3D%20%27a%26b%27")
