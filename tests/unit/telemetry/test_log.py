"""Log lines: what they hold, what they never hold, and that nobody waits for their reader."""

import io
import logging
import time

import pytest

from proxy.model import AdmitPolicy
from proxy.runtime import Known
from proxy.secret import Secret
from proxy.telemetry.lines import Hit, HitLine, RequestLine, as_json, as_text, tally
from proxy.telemetry.log import AccessLog, state_change
from tests.unit.core.rules import rule
from tests.unit.telemetry.configurations import ROADS, exchange
from tests.unit.telemetry.logs import Begin, access, lines

CANARY = "canary-Zx9"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


LINE = {
    "level": "info",
    "event": "request",
    "request_id": "r-1",
    "client": "192.0.2.7",
    "user": "anna",
    "method": "GET",
    "target": "https://gis.example.com/roads/MapServer",
    "query": "f,where",
    "rule": ROADS,
    "credential": "city",
    "operation": "query",
    "status": 200,
    "outcome": "ok",
    "duration_ms": 30.4,
    "upstream_ms": 10.2,
    "cache": "miss",
    "attempts": 2,
    "renewals": 1,
    "bytes_in": 3,
    "bytes_out": 4,
    "generation": 5,
    "note": "a sentence",
}


def test_a_request_leaves_one_line_that_says_everything(begin: Begin) -> None:
    handle, stream = begin()
    access(
        exchange(
            target="https://gis.example.com/roads/MapServer",
            query_keys=("f", "where"),
            credential="city",
            user="anna",
            operation="query",
            cache="miss",
            attempts=2,
            renewals=1,
            upstream_seconds=0.0102,
            bytes_in=3,
            bytes_out=4,
            generation=5,
            note="a sentence",
        ),
        100.0304,
    )
    [line] = lines(handle, stream)
    assert line.pop("time").endswith("Z")
    assert line == LINE


def test_a_query_shows_names_alone(begin: Begin) -> None:
    handle, stream = begin()
    bare = "eyJhbGciOiJIUzI1NiJ9.canary-Zx9_and_so_on_for_long"
    access(exchange(query_keys=("f", bare, "token%3Dcanary", "where clause", *("x",) * 500)), 101.0)
    [line] = lines(handle, stream)
    assert line["query"].startswith("f,…,…,…,x,x")
    assert len(line["query"]) < 100


def test_one_line_each_in_plain_ascii_and_not_too_long(begin: Begin) -> None:
    handle, stream = begin()
    access(exchange(method='GET\r\n{"event":"forged"}', target="é\x1b[31m\u2028\x7f" * 9, note="n" * 9000), 101.0)
    state_change("started", text="a\nb")
    written = stream.getvalue
    [request, started] = lines(handle, stream)
    assert written().isascii()
    assert written().count("\n") == 2
    assert not any(ord(character) < 32 or ord(character) == 127 for character in written().replace("\n", ""))
    assert request["event"] == "request"
    assert len(request["note"]) == 512
    assert started["text"] == "a\nb"


def test_what_looks_like_a_credential_is_taken_out_of_every_line(begin: Begin) -> None:
    handle, stream = begin("debug")
    before = tally().redacted
    access(exchange(note=f"the service said token={CANARY}", target=f"https://u:{CANARY}@x/"), 101.0)
    state_change("reloaded", password=CANARY, complaints=[f"token: {CANARY}"], held={"Cookie": CANARY})
    state_change("credential_refused", credential=Secret(CANARY))
    logging.getLogger("aiohttp.server").error("cannot fetch %s", f"http://x/?f=json&token={CANARY}")
    logging.getLogger("aiohttp.access").warning("Authorization: Bearer %s", CANARY)
    logging.getLogger("asyncio").error("future: <Task exception=ClientError({'X-Esri-Authorization': '%s'})>", CANARY)
    handle.close()
    assert CANARY not in stream.getvalue()
    assert stream.getvalue().count("\n") == 6
    assert tally().redacted - before >= 6


def test_an_exception_leaves_its_name_and_places_but_not_its_words(begin: Begin) -> None:
    handle, stream = begin()

    def deepest(password: str) -> None:
        raise ValueError(f"invalid literal {password!r}")

    try:
        deepest(CANARY)
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling request")
    [line] = lines(handle, stream)
    assert (line["event"], line["logger"], line["level"]) == ("message", "aiohttp.server", "error")
    assert line["text"] == "Error handling request"
    assert line["exception"].startswith("ValueError at test_log.py:")
    assert "in deepest < test_log.py:" in line["exception"]
    assert CANARY not in stream.getvalue()


def test_a_message_that_does_not_fit_its_arguments_goes_nowhere_else(
    begin: Begin, capsys: pytest.CaptureFixture[str]
) -> None:
    handle, stream = begin()
    before = tally().dropped
    record = logging.LogRecord("aiohttp.server", logging.ERROR, "", 0, "%d requests", (CANARY,), None)
    logging.getLogger().handlers[-1].handle(record)  # ours alone: pytest's own handler would raise
    state_change("started")
    assert [line["event"] for line in lines(handle, stream)] == ["started"]
    assert CANARY not in "".join(capsys.readouterr())
    assert tally().dropped == before + 1


def test_a_value_that_cannot_be_shown_costs_its_own_line_alone(begin: Begin) -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError(CANARY)

    handle, stream = begin()
    state_change("reloaded", odd=Odd())
    state_change("started")
    assert [line["event"] for line in lines(handle, stream)] == ["started"]


@pytest.mark.parametrize(
    ("level", "events"),
    [
        ("debug", ["request", "started", "credential_refused"]),
        ("info", ["request", "started", "credential_refused"]),
        ("warning", ["credential_refused"]),
        ("error", []),
    ],
)
def test_the_level_says_what_is_written(begin: Begin, level: str, events: list[str]) -> None:
    handle, stream = begin(level)
    access(exchange(), 101.0)
    state_change("started", generation=1)
    state_change("credential_refused", credential="city")
    logging.getLogger("asyncio").info("Using selector: EpollSelector")
    assert [line["event"] for line in lines(handle, stream)] == events


def test_closing_leaves_logging_as_it_was(begin: Begin) -> None:
    root, own = logging.getLogger(), logging.getLogger("proxy")
    before = (root.level, own.level, list(root.handlers))
    handle, _ = begin("debug")
    handle.close()
    assert (root.level, own.level, list(root.handlers)) == before


def test_text_on_a_terminal_and_json_elsewhere(begin: Begin) -> None:
    handle, stream = begin("info", "auto", Terminal())
    access(exchange(target="https://gis.example.com/roads", note="two words\n\x1b[31m"), 100.5)
    handle.close()
    [line] = stream.getvalue().splitlines()
    assert line.isascii()
    assert line.isprintable()
    assert " 200 ok GET https://gis.example.com/roads " in line
    assert "duration_ms=500.0" in line
    assert r'note="two words\n\u001b[31m"' in line
    assert "renewals" not in line  # nothing to tell
    for form, other in (("auto", io.StringIO()), ("json", Terminal())):
        handle, stream = begin("info", form, other)
        state_change("started")
        assert [each["event"] for each in lines(handle, stream)] == ["started"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_hit_reads_as_every_other_request(begin: Begin, form: str) -> None:
    known = Known(
        rule=rule(ROADS),
        policy=AdmitPolicy((), False, (), frozenset()),
        key=("", "", "", None),
        shown='https://gis.example.com/a?b"c token=abcdefghijklmnopqrstuvwxyz',
        query_keys=("f", "token", "a b"),
        credential="city",
        operation="export",
        generation=3,
    )
    for request_id, client in (("a" * 32, "192.0.2.7"), ("a.b-c", "2001:db8::1")):
        hit = Hit(known, request_id, client, 200, 30_000, 10.0, 10.0042)
        write = as_json if form == "json" else as_text
        long = RequestLine(1_700_000_000.25, hit.exchange(), hit.ended_at)
        before = tally().redacted
        assert write(HitLine(1_700_000_000.25, hit)) == write(long)
        assert (tally().redacted - before) % 2 == 0


def refused(log: AccessLog, stream: io.StringIO) -> None:
    """A thousand times, and until they are written: the queue is bounded, too."""
    before = stream.getvalue().count("\n")
    for _ in range(1000):
        log(exchange(outcome="referer", status=403), 100.0)
    until = time.monotonic() + 0.2
    while stream.getvalue().count("\n") < before + 1000 and time.monotonic() < until:
        time.sleep(0.01)


def test_whoever_is_refused_all_the_time_does_not_fill_the_disk(begin: Begin) -> None:
    handle, stream = begin()
    log = AccessLog()
    began = time.time()
    for _ in range(14):
        refused(log, stream)
    log(exchange(outcome="operation", status=403), 100.0)
    log(exchange(), 100.0)
    earned = (int(time.time()) - int(began)) * 100
    written = [line["outcome"] for line in lines(handle, stream) if line["event"] == "request"]
    assert 10_000 <= written.count("referer") <= 10_000 + earned
    assert (written.count("operation"), written.count("ok")) == (1, 1)


def test_what_was_not_written_is_told(begin: Begin) -> None:
    handle, stream = begin()
    log = AccessLog()
    until = time.monotonic() + 20
    while "unlogged" not in stream.getvalue() and time.monotonic() < until:
        refused(log, stream)
    told = [line for line in lines(handle, stream) if line["event"] == "requests_unlogged"]
    assert told[0]["outcome"] == "referer"
    assert told[0]["count"] > 0
