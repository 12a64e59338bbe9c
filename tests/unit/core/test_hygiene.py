"""proxy.core.hygiene: which headers cross."""

import pytest

from proxy.core.hygiene import client_headers, request_id, to_client, to_upstream, upstream_headers
from proxy.errors import BadRequest, UpstreamFailed


def up(**given: str) -> dict[str, str]:
    headers = {name.replace("_", "-"): value for name, value in given.items()}
    return to_upstream(headers, referer="https://r/")


def test_only_listed_headers_go_up() -> None:
    sent = up(
        accept="image/png",
        cookie="a=b",
        authorization="Bearer x",
        x_esri_authorization="Bearer x",
        origin="https://o",
        referer="https://page/",
        x_forwarded_for="1.2.3.4",
        expect="100-continue",
        te="trailers",
        x_http_method_override="DELETE",
        if_none_match='"a"',
        range="bytes=0-3",
        user_agent="QGIS",
    )
    assert sent == {
        "accept": "image/png",
        "accept-encoding": "identity",
        "if-none-match": '"a"',
        "range": "bytes=0-3",
        "referer": "https://r/",
        "user-agent": "QGIS",
    }


def test_without_a_referer_of_ours_none_goes_up() -> None:
    assert "referer" not in to_upstream({"referer": "https://page/?token=x"}, referer="")


def test_a_header_named_by_connection_stays_here() -> None:
    assert "range" not in up(connection="Range, close", range="bytes=0-3")


@pytest.mark.parametrize(
    ("offered", "sent"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br", "identity"),
        ("", "identity"),
        ("GZIP;q=0.5", "gzip"),
        ("gzip;q=0, deflate", "deflate"),
        ("*", "identity"),
    ],
)
def test_upstream_is_offered_only_codings_that_we_can_look_into(offered: str, sent: str) -> None:
    assert up(accept_encoding=offered)["accept-encoding"] == sent


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("parent", "state", "sent"),
    [
        (TRACE, "a=b", {"traceparent": TRACE, "tracestate": "a=b"}),
        (TRACE, "a=b, c@d=e", {"traceparent": TRACE, "tracestate": "a=b, c@d=e"}),
        (TRACE, "a=" + "b" * 511, {"traceparent": TRACE}),
        (TRACE, "a=b,<script>", {"traceparent": TRACE}),
        (TRACE.upper(), "a=b", {}),
        (TRACE + "-more", "a=b", {}),
        ("00-" + "0" * 32 + TRACE[35:], "a=b", {}),
        ("", "a=b", {}),
    ],
)
def test_a_trace_goes_on_at_the_server(parent: str, state: str, sent: dict[str, str]) -> None:
    """W3C Trace Context; what is not by its letter is no trace."""
    got = up(traceparent=parent, tracestate=state)
    assert {name: value for name, value in got.items() if name.startswith("trace")} == sent


def test_seventeen_ranges_are_none() -> None:
    assert "range" in up(range="bytes=" + ",".join(["0-1"] * 16))
    assert "range" not in up(range="bytes=" + ",".join(["0-1"] * 17))


def test_only_listed_headers_come_down() -> None:
    given = {
        "content-type": "application/json",
        "content-length": "2",
        "etag": '"a"',
        "set-cookie": "AGS_ROLES=x",
        "server": "Apache",
        "strict-transport-security": "max-age=1",
        "clear-site-data": "*",
        "access-control-allow-origin": "*",
        "refresh": "0",
        "www-authenticate": "Basic",
        "transfer-encoding": "chunked",
    }
    assert to_client(given, private=False) == {
        "content-type": "application/json",
        "content-length": "2",
        "etag": '"a"',
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("", "private"),
        ("public, max-age=99", "private, max-age=99"),
        ("s-maxage=5, max-age=9", "private, max-age=9"),
        ("no-store", "private, no-store"),
        ("private", "private"),
    ],
)
def test_an_answer_made_with_a_credential_is_private(given: str, sent: str) -> None:
    headers = {"cache-control": given} if given else {}
    assert to_client(headers, private=True)["cache-control"] == sent


@pytest.mark.parametrize(
    "kind",
    [
        "text/xsl",
        "multipart/x-mixed-replace; boundary=a",
        "text/html",
        "image/svg+xml",
        "application/xml",
        "TEXT/HTML; charset=utf-8",
    ],
)
def test_documents_that_run_are_sandboxed(kind: str) -> None:
    assert to_client({"content-type": kind}, private=False)["content-security-policy"] == "sandbox"


def test_what_has_no_type_is_sandboxed() -> None:
    assert to_client({"etag": '"1"'}, private=False)["content-security-policy"] == "sandbox"
    assert "content-security-policy" not in to_client({"content-type": "image/png"}, private=False)


def test_lists_are_joined_and_contradictions_refused() -> None:
    assert client_headers([(b"Accept", b"a"), (b"accept", b" b ")]) == {"accept": "a, b"}
    assert client_headers([(b"Content-Length", b"1"), (b"Content-Length", b"1")]) == {"content-length": "1"}
    with pytest.raises(BadRequest):
        client_headers([(b"Content-Length", b"1"), (b"Content-Length", b"2")])
    with pytest.raises(UpstreamFailed):
        upstream_headers([(b"Content-Type", b"a"), (b"Content-Type", b"b")])


@pytest.mark.parametrize("raw", [(b"a b", b"c"), (b"", b"c"), (b"a", b"b\r\nc: d"), (b"a", b"b\0"), (b"a\xff", b"b")])
def test_malformed_headers_are_refused(raw: tuple[bytes, bytes]) -> None:
    with pytest.raises(BadRequest):
        client_headers([raw])
    with pytest.raises(UpstreamFailed):
        upstream_headers([raw])


def test_a_request_id_is_a_plain_word() -> None:
    assert request_id({"x-request-id": "abc-1.2_3"}) == "abc-1.2_3"
    assert request_id({"x-request-id": "a b"}) is None
    assert request_id({"x-request-id": "a" * 129}) is None
    assert request_id({}) is None
