"""proxy.core.catalog: questions to the SOAP catalog, and its answers."""

import time
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.catalog import question, result, target_namespace

ESRI = "http://www.esri.com/schemas/ArcGIS/10.8"
WSDL = (
    b'<?xml version="1.0" encoding="utf-8"?><definitions name="Catalog" targetNamespace="http://www.esri.com/schemas/'
    b'ArcGIS/10.8" xmlns="http://schemas.xmlsoap.org/wsdl/"><types/></definitions>'
)
ANSWER = (
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
    '<tns:GetTokenServiceURLResponse xmlns:tns="http://www.esri.com/schemas/ArcGIS/10.8">'
    "<TokenServiceURL>{}</TokenServiceURL></tns:GetTokenServiceURLResponse></soap:Body></soap:Envelope>"
)


def answer(text: str) -> bytes:
    return ANSWER.format(text).encode()


@pytest.mark.parametrize(
    ("wsdl", "expected"),
    [
        (WSDL, ESRI),
        (WSDL.replace(b'"', b"'"), ESRI),
        (WSDL.replace(b"targetNamespace=", b"targetNamespace \n = "), ESRI),
        (WSDL.replace(b"10.8", b"9.3"), "http://www.esri.com/schemas/ArcGIS/9.3"),
        (WSDL.replace(b"www.esri.com", b"evil.example"), None),
        (WSDL.replace(b"10.8", b'10.8"/><x a="'), ESRI),
        (WSDL.replace(b"10.8", b"10.8&quot;/&gt;"), None),
        (WSDL.replace(b"10.8", b"1" * 9), None),
        (WSDL.replace(b"10.8", b""), None),
        (b"<html>Service Directory</html>", None),
        (b"", None),
        (b"\xff\xfe\x00", None),
    ],
)
def test_only_esris_own_namespace_is_taken(wsdl: bytes, expected: str | None) -> None:
    assert target_namespace(wsdl) == expected


def test_a_question_is_xml_with_the_operation_in_its_namespace() -> None:
    envelope = ET.fromstring(question("GetTokenServiceURL", ESRI))
    assert envelope.tag == "{http://schemas.xmlsoap.org/soap/envelope/}Envelope"
    (body,) = envelope
    (asked,) = body
    assert asked.tag == f"{{{ESRI}}}GetTokenServiceURL"
    assert len(asked) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://gis.example.com/arcgis/tokens", "https://gis.example.com/arcgis/tokens"),
        ("\n  https://gis.example.com/arcgis/tokens \n", "https://gis.example.com/arcgis/tokens"),
        ("https://h/tokens?a=1&amp;b=2", "https://h/tokens?a=1&b=2"),
        ("", ""),
        ("x" * 2048, "x" * 2048),
        ("x" * 2049, None),
        ("https://h/<b/>", "https://h/"),
    ],
)
def test_the_text_of_an_element(text: str, expected: str | None) -> None:
    assert result(answer(text), "TokenServiceURL") == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<TokenServiceURL>a</TokenServiceURL>", "a"),
        (b"<a:TokenServiceURL xmlns:a='b'>a</a:TokenServiceURL>", "a"),
        (b"<TokenServiceURL\n xsi:type='xs:string'>a</TokenServiceURL>", "a"),
        (b"<TokenServiceURL>a</TokenServiceURL><TokenServiceURL>b</TokenServiceURL>", "a"),
        (b"<TokenServiceURL/>", None),
        (b"<TokenServiceURLs>a</TokenServiceURLs>", None),
        (b"<MyTokenServiceURL>a</MyTokenServiceURL>", None),
        (b"<TokenServiceURL>never closed", None),
        (b"<soap:Fault><faultstring>no</faultstring></soap:Fault>", None),
        (b"<TokenServiceURL>\xff</TokenServiceURL>", "\ufffd"),
        (b"", None),
    ],
)
def test_the_first_element_called_so_whatever_its_prefix(body: bytes, expected: str | None) -> None:
    assert result(body, "TokenServiceURL") == expected


@given(st.binary(max_size=400) | st.text(alphabet="<>:TokenServiceURL/ ='\"", max_size=400).map(str.encode))
def test_no_answer_is_an_error(body: bytes) -> None:
    target_namespace(body)
    result(body, "TokenServiceURL")


@pytest.mark.parametrize("piece", [b"<", b"<a:", b"<TokenServiceURL ", b"<TokenServiceURL>", b"targetNamespace ", b" "])
def test_a_long_answer_costs_no_time(piece: bytes) -> None:
    body = piece * (1_000_000 // len(piece))
    began = time.process_time()
    target_namespace(body)
    result(body, "TokenServiceURL")
    assert time.process_time() - began < 1.0
