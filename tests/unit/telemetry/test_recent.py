"""The last troubles: in words, bounded, one row for each reason, and nothing of the client in them."""

from proxy.telemetry.recent import Recent, merged_recent
from tests.unit.clock import Clock
from tests.unit.telemetry.configurations import PARKS, ROADS, exchange


def test_a_reason_is_one_row_however_often_it_comes(clock: Clock) -> None:
    recent = Recent(clock)
    recent.record(exchange(outcome="rate_limited", status=429, rule=PARKS, note="Too many.", advice="Wait."))
    for _ in range(1000):
        recent.record(exchange(outcome="referer", status=403, target="https://h/x"))
    recent.record(exchange())
    recent.record(exchange(outcome="client_gone", status=0))
    clock.now += 7.2
    referer, limited = recent.rows()
    assert (referer["outcome"], referer["times"], referer["secondsAgo"]) == ("referer", 1000, 7)
    assert (limited["rule"], limited["what"], limited["advice"]) == (PARKS, "Too many.", "Wait.")


def test_the_oldest_goes_where_there_are_too_many() -> None:
    recent = Recent()
    for number in range(100):
        recent.record(exchange(outcome="referer", status=403, rule=f"https://h/{number}"))
    assert [row["rule"] for row in recent.rows()] == [f"https://h/{number}" for number in range(99, 79, -1)]


def test_refusals_push_no_failure_off_the_list() -> None:
    one, other = Recent(), Recent()
    for recent in (one, other):
        recent.record(exchange(outcome="credential_refused", status=502, rule=PARKS))
        for number in range(30):
            recent.record(exchange(outcome="operation", status=403, rule=f"https://h/{id(recent)}/{number}"))
    assert one.rows()[-1]["outcome"] == "credential_refused"
    merged = merged_recent([one.rows(), other.rows()])
    assert [len(merged), merged[-1]["outcome"], merged[-1]["times"]] == [20, "credential_refused", 2]
    for number in range(30):
        one.record(exchange(outcome="unreachable", status=502, rule=f"https://h/{number}"))
    assert {row["rule"] for row in one.rows()} == {f"https://h/{number}" for number in range(10, 30)}


def test_nothing_of_the_client_and_no_secret_is_kept() -> None:
    recent = Recent()
    note = "It says: token=abcdef0123456789 " + "x" * 999
    recent.record(exchange(outcome="denied", status=403, note=note, query_keys=("where",), user="ada"))
    (row,) = recent.rows()
    assert not {"192.0.2.7", "ada", "where", "abcdef0123456789"} & {*str(row).split(), str(row["what"])[:60]}
    assert "abcdef0123456789" not in str(row)
    assert "192.0.2.7" not in str(row)
    assert len(str(row["what"])) <= 300


def test_rows_of_several_processes_are_one_list() -> None:
    def row(outcome: str, times: int, ago: int) -> dict[str, object]:
        return {"outcome": outcome, "rule": ROADS, "times": times, "secondsAgo": ago}

    one, other = [row("referer", 2, 30), row("denied", 1, 40)], [row("referer", 3, 5)]
    assert merged_recent([one, other]) == [row("referer", 5, 5), row("denied", 1, 40)]
