"""proxy.core.operations: what a request does, and whether a rule lets it."""

import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from proxy.core import demands
from proxy.core.demands import read_parameters
from proxy.core.operation_table import JUDGED
from proxy.core.operations import Kind, Operation, operation, refuse_reason
from proxy.core.parameters import Field, of_form, split
from proxy.core.soap import soap_element
from proxy.core.target import parse_url
from proxy.errors import BadRequest
from proxy.model import Access
from tests.unit.core.rules import rule

CASES = yaml.safe_load(Path(__file__).parents[2].joinpath("cases/operations.yaml").read_text(encoding="utf-8"))
RULE = rule("https://h/arcgis")


def form(body: bytes) -> list[Field]:
    return of_form(body, frozenset(), JUDGED)[1]


def done(request: str, body: bytes = b"") -> Operation:
    method, _, path = request.rpartition(" ")
    target = parse_url(f"https://h/arcgis/{path}")
    parameters = read_parameters(split(target.query))
    return operation(method or "GET", target, parameters=parameters, soap_element=soap_element(body))


@pytest.mark.parametrize(("access", "request_"), [(a, r) for a, requests in CASES.items() for r in requests])
def test_a_request_has_its_class(access: str, request_: str) -> None:
    assert done(request_).access is Access[access.upper()]


@pytest.mark.parametrize(
    ("element", "access"),
    [
        ("GetMapServerInfo", Access.READ),
        ("ExportMapImage", Access.READ),
        ("RequiresTokens", Access.READ),
        ("Delete", Access.EDIT),
        ("ExportReplicaDataChanges", Access.EDIT),
    ],
)
def test_soap_is_classed_by_the_first_element_of_its_body(element: str, access: Access) -> None:
    envelope = f'<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Header/><s:Body a="b"> <e:{element} xmlns:e="y"/>'
    assert done("POST services/A/MapServer", envelope.encode()).access is access
    assert done("POST services", envelope.encode()).access is access


@pytest.mark.parametrize(
    ("body", "element"),
    [
        (b"<s:Envelope xmlns:s='x'><s:Body><GetX/></s:Body></s:Envelope>", "GetX"),
        (b"\xef\xbb\xbf <?xml version='1.0' encoding='UTF-8'?><!-- a --><Envelope><Header/><Body>\n<a:GetX", ""),
        (b"<Envelope><Header><Body><GetX/></Body></Header><Body><DeleteX/></Body></Envelope>", "DeleteX"),
        (b"<Envelope><!-- <Body><GetX/></Body> --><Body><DeleteX/></Body></Envelope>", "DeleteX"),
        (b"<Envelope a='<Body><GetX/>'><Body><DeleteX/></Body></Envelope>", ""),
        (b"<Envelope a='>'><Body b=\"'/>\"><DeleteX/></Body></Envelope>", "DeleteX"),
        (b"<Envelope><Body/><GetX/></Envelope>", ""),
        (b"<Envelope><Body></Body><Body><DeleteX/></Body></Envelope>", "DeleteX"),
        (b"<Envelope><Body></Body><Header><GetX/></Header></Envelope>", ""),
        (b"<Envelope><Body>text<GetX/></Body></Envelope>", ""),
        (b"<Envelope><Header><![CDATA[<Body>]]></Header><Body><GetX/></Body></Envelope>", ""),
        (b"<Envelope></Envelope></Envelope><Body><GetX/>", ""),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><Envelope><Body><GetX/></Body></Envelope>", ""),
        (b"<?xml version='1.0' encoding='UTF-7'?><Envelope><Body><GetX/></Body></Envelope>", ""),
        ("<Envelope><Body><GetX/></Body></Envelope>".encode("utf-16"), ""),
        ("<Envelope><Body><GetX/></Body></Envelope>".encode("utf-16-be"), ""),
        (b"<Envelope><Header>" + b" " * 9000 + b"</Header><Body><GetX/></Body></Envelope>", ""),
        (b"<Other><Body><GetX/></Body></Other>", ""),
        (b"<wfs:GetFeature service='WFS'/>", "GetFeature"),
        (b"<wfs:Transaction/>", ""),
        (b"<", ""),
        (b"f=json", None),
        (b"", None),
    ],
)
def test_the_first_element_is_read_or_left_unnamed(body: bytes, element: str | None) -> None:
    assert soap_element(body) == element


def test_an_element_without_a_certain_name_is_an_edit() -> None:
    envelope = b"<!DOCTYPE x><s:Envelope><s:Body><GetX/>"
    assert done("POST services/A/MapServer", envelope).access is Access.EDIT
    assert done("POST services/A/MapServer/WFSServer?request=GetFeature", b"<wfs:Transaction/>").access is Access.EDIT
    assert done("POST services/A/MapServer/WFSServer", b"<wfs:GetFeature/>").access is Access.READ
    assert done("POST services/A/MapServer/WMSServer?request=GetMap", b"<Delete/>").access is Access.EDIT


def test_a_refusal_names_the_rule_the_operation_and_what_would_allow_it() -> None:
    reason = refuse_reason(RULE, done("rest/services/A/FeatureServer/0/applyEdits"))
    assert reason is not None
    for word in ("https://h/arcgis", "applyedits", "access: edit", "allowOperations"):
        assert word in reason
    denied = refuse_reason(
        replace(RULE, deny_operations=frozenset({"Export"})), done("rest/services/A/MapServer/export")
    )
    assert denied is not None
    for word in ("https://h/arcgis", "export", "denyOperations"):
        assert word in denied


def test_allow_and_deny_lists_decide_before_the_class_in_any_letter_case() -> None:
    edit = done("rest/services/A/FeatureServer/0/applyEdits")
    for listed in ("applyedits", "applyEdits", "APPLYEDITS"):
        assert refuse_reason(replace(RULE, allow_operations=frozenset({listed})), edit) is None
        assert refuse_reason(replace(RULE, access=Access.ALL, deny_operations=frozenset({listed})), edit) is not None
    assert refuse_reason(replace(RULE, allow_operations=frozenset({"addfeatures"})), edit) is not None
    assert refuse_reason(replace(RULE, access=Access.EDIT), edit) is None
    assert refuse_reason(RULE, done("rest/services/A/MapServer/export")) is None
    admin = done("admin/services")
    assert refuse_reason(replace(RULE, access=Access.EDIT), admin) is not None
    assert refuse_reason(replace(RULE, access=Access.EDIT, allow_operations=frozenset({"admin"})), admin) is None


def test_a_tool_is_allowed_by_its_own_name() -> None:
    tool = done("POST rest/services/A/GPServer/Export%20Web%20Map/execute")
    assert tool == Operation("execute", Access.EDIT, Kind.SERVICE, remote_fetch=True, also=("export web map",))
    assert refuse_reason(replace(RULE, access=Access.EXECUTE), tool) is not None
    for listed in ("Export Web Map", "execute"):
        assert refuse_reason(replace(RULE, allow_operations=frozenset({listed})), tool) is None
    assert refuse_reason(replace(RULE, allow_operations=frozenset({"Other"})), tool) is not None
    reason = refuse_reason(RULE, tool)
    assert reason is not None
    assert "“export web map” in allowOperations" in reason
    assert "fetch a URL" in reason


@pytest.mark.parametrize(
    ("request_", "kind", "remote"),
    [
        ("rest/services", Kind.CATALOG, False),
        ("rest/services/A/MapServer/export", Kind.SERVICE, False),
        ("services/A/MapServer?wsdl", Kind.SOAP, False),
        ("services/A/MapServer/WMSServer?request=GetMap", Kind.OGC, False),
        ("services/A/MapServer/WMSServer?request=GetMap&sld=http://h/", Kind.OGC, True),
        ("services/A/MapServer/WMSServer?request=GetMap&sld_body=<a/>", Kind.OGC, False),
        (
            "services/A/MapServer/WMSServer?request=GetMap&SLD_BODY=%3Ca%20xlink:href=%22http://h/%22/%3E",
            Kind.OGC,
            True,
        ),
        (
            "rest/services/A/ImageServer/exportImage?renderingRule={%22rasterFunction%22:%22Hillshade%22}",
            Kind.SERVICE,
            False,
        ),
        (
            "rest/services/A/ImageServer/exportImage?renderingRule={%22Raster%22:{%22url%22:%22x%22}}",
            Kind.SERVICE,
            True,
        ),
        ("rest/services/A/ImageServer/exportImage?raster={%22uri%22:%22x%22}", Kind.SERVICE, True),
        ("rest/services/A/MapServer/0/query?geometry={url=x}", Kind.SERVICE, True),
        ("rest/services/A/MapServer/0/query?geometry={%22\\u0075rl%22:1}", Kind.SERVICE, True),
        ("rest/services/A/MapServer/0/query?geometry={%22curve%22:1}", Kind.SERVICE, False),
        ("sharing/rest/search", Kind.PORTAL, False),
        ("admin", Kind.RESTRICTED, False),
        ("anything", Kind.OTHER, False),
    ],
)
def test_a_request_has_its_kind(request_: str, kind: Kind, remote: bool) -> None:
    assert (done(request_).kind, done(request_).remote_fetch) == (kind, remote)


@pytest.mark.parametrize("source", ["DataLayerSource", "Data&#76;ayerSource", "&#x44;ataLayerSource"])
def test_a_table_of_a_workspace_is_named_in_no_xml_either(source: str) -> None:
    body = f'<Envelope><Body><ExportMapImage><Source xsi:type="e:{source}"/></ExportMapImage></Body></Envelope>'
    assert demands.has_data_layer(read_parameters(split(None), demands.in_xml(body.encode())))
    assert not demands.has_data_layer(read_parameters(split(None), demands.in_xml(b"<Envelope><Body><GetX/>&#1;")))


def test_a_link_in_xml_is_fetched() -> None:
    body = b'<GetMap><StyledLayerDescriptor><a href="http://10.0.0.1/"/></StyledLayerDescriptor></GetMap>'
    given = read_parameters(split(None), demands.in_xml(body))
    target = parse_url("https://h/arcgis/services/A/MapServer/WMSServer")
    assert operation("POST", target, parameters=given, soap_element="GetMap").access is Access.EXECUTE


def test_a_path_of_nothing_but_types_of_services_costs_little() -> None:
    began = time.process_time()
    assert done("rest/services" + "/A/SceneServer" * 2000).access is Access.EDIT
    assert time.process_time() - began < 0.1


def test_a_name_from_a_path_is_kept_short() -> None:
    assert len(done("rest/services/A/FeatureServer/" + "x" * 5000).name) == 80


def test_parameters_are_read_only_where_they_are_judged() -> None:
    assert read_parameters(split("f=json&where=1%3D1&Layer=a+b"), form(b"f=html")) == {
        "f": ["json", "html"],
        "layer": ["a b"],
    }
    assert read_parameters(split("&&=&f&f=%zz")) == {"f": ["", "%zz"]}
    with pytest.raises(BadRequest):
        read_parameters(split(None), form(b"a&" * 2000))


def test_jsonp_and_data_layers_are_seen_in_query_and_form_however_written() -> None:
    assert demands.wants_jsonp(read_parameters(split("f=json&CallBack=x")))
    assert demands.wants_jsonp(read_parameters(split("callback=&callback=x")))
    assert demands.wants_jsonp(read_parameters(split(None), form(b"%63allback=x")))
    assert not demands.wants_jsonp(read_parameters(split("callback=&f=json")))
    assert demands.has_data_layer(read_parameters(split("dynamicLayers=%5B%7B%22type%22%20%3A%22dataLayer%22%7D%5D")))
    assert demands.has_data_layer(read_parameters(split(None), form(b'layer={"source":{"type":"data\\u004cayer"}}')))
    assert not demands.has_data_layer(read_parameters(split('dynamicLayers=[{"type":"mapLayer"}]')))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"source":{"type":"dataLayer"}}', True),
        ("{'source' : { type : DATALAYER }}", True),
        ('{"source":{"type":"\\u0064ata\\u004Cayer"}}', True),
        ('{"source":{"type":"mapLayer","mapLayerId":1}}', False),
        ('{"definitionExpression":"NAME = \'M\\u00fcnchen\'"}', False),
        ("show:0,2", False),
    ],
)
def test_a_data_layer_is_seen_however_it_is_spelled(value: str, expected: bool) -> None:
    for name in ("dynamicLayers", "layer", "LAYERS"):
        assert demands.has_data_layer(read_parameters(split(f"{name}={quote(value)}"))) is expected
        fields = form(f"{name}={quote(value)}".encode())
        assert demands.has_data_layer(read_parameters(split(None), fields)) is expected


def test_the_wanted_format_is_the_first_f() -> None:
    assert demands.wanted_format(read_parameters(split("F=Image&f=json"), form(b"f=html"))) == "image"
    assert demands.wanted_format(read_parameters(split(None))) == ""
