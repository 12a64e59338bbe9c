"""proxy.core.operations: what a request does, and whether a rule lets it."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from proxy.core import operations
from proxy.core.operations import Operation, operation, read_parameters, refuse_reason, soap_element
from proxy.core.target import parse_url
from proxy.model import Access
from tests.unit.core.rules import rule

CASES = yaml.safe_load(Path(__file__).parents[2].joinpath("cases/operations.yaml").read_text(encoding="utf-8"))
RULE = rule("https://h/arcgis")


def done(request: str, body: bytes = b"") -> Operation:
    method, _, path = request.rpartition(" ")
    target = parse_url(f"https://h/arcgis/{path}")
    parameters = read_parameters(target.query, b"")
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
    ],
)
def test_soap_is_classed_by_the_first_element_of_its_body(element: str, access: Access) -> None:
    envelope = f'<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Header/><s:Body a="b"> <e:{element} xmlns:e="y"/>'
    assert done("POST services/A/MapServer", envelope.encode()).access is access
    assert done("POST services", envelope.encode()).access is access


def test_soap_with_a_document_type_is_an_edit() -> None:
    envelope = b"<!DOCTYPE x><s:Envelope><s:Body><GetX/>"
    assert done("POST services/A/MapServer", envelope).access is Access.EDIT


def test_a_refusal_names_the_operation_and_what_would_allow_it() -> None:
    reason = refuse_reason(RULE, done("rest/services/A/FeatureServer/0/applyEdits"))
    assert reason is not None
    assert "applyedits" in reason
    assert "access: edit" in reason
    assert "allowOperations" in reason


def test_allow_and_deny_lists_decide_before_the_class() -> None:
    edit = done("rest/services/A/FeatureServer/0/applyEdits")
    assert refuse_reason(replace(RULE, allow_operations=frozenset({"applyedits"})), edit) is None
    assert refuse_reason(replace(RULE, access=Access.EDIT), edit) is None
    assert refuse_reason(replace(RULE, access=Access.ALL, deny_operations=frozenset({"applyedits"})), edit) is not None
    assert refuse_reason(RULE, done("rest/services/A/MapServer/export")) is None


def test_jsonp_and_data_layers_are_seen_in_query_and_form_however_written() -> None:
    assert operations.wants_jsonp(read_parameters("f=json&CallBack=x", b""))
    assert operations.wants_jsonp(read_parameters("callback=&callback=x", b""))
    assert operations.wants_jsonp(read_parameters(None, b"%63allback=x"))
    assert not operations.wants_jsonp(read_parameters("callback=&f=json", b""))
    assert operations.has_data_layer(read_parameters("dynamicLayers=%5B%7B%22type%22%20%3A%22dataLayer%22%7D%5D", b""))
    assert operations.has_data_layer(read_parameters(None, b'layer={"source":{"type":"data\\u004cayer"}}'))
    assert not operations.has_data_layer(read_parameters('dynamicLayers=[{"type":"mapLayer"}]', b""))


def test_the_wanted_format_is_the_first_f() -> None:
    assert operations.wanted_format(read_parameters("F=Image&f=json", b"f=html")) == "image"
    assert operations.wanted_format(read_parameters(None, b"")) == ""
