"""proxy.core.standing: a login is proven, doubted or resting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.standing import Standing, goes_alone, is_resting, passed, refused


def test_a_new_login_goes_alone_and_a_proven_one_with_others() -> None:
    assert goes_alone(Standing())
    assert not is_resting(Standing(), 0.0)
    assert not goes_alone(passed(Standing()))


def test_a_login_that_never_worked_rests_after_one_refusal_and_twice_as_long_each_time() -> None:
    standing, now, waits = Standing(), 0.0, []
    for _ in range(9):
        standing = refused(standing, now)
        waits.append(standing.held_until - now)
        assert is_resting(standing, standing.held_until - 0.1)
        assert not is_resting(standing, standing.held_until)
        assert goes_alone(standing)
        now = standing.held_until
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_a_proven_login_is_doubted_twice_and_rests_after_the_third_refusal() -> None:
    standing = passed(Standing())
    for _ in range(2):
        standing = refused(standing, 10.0)
        assert not is_resting(standing, 10.0)
        assert goes_alone(standing)  # each could be a wrong password
    standing = refused(standing, 10.0)
    assert standing.held_until == 70.0
    assert not standing.is_proven
    assert refused(standing, 70.0).held_until == 70.0 + 120.0  # one try is enough from now on


@pytest.mark.parametrize("refusals", [1, 2])
def test_one_that_passes_in_between_takes_the_doubt_away(refusals: int) -> None:
    standing = passed(Standing())
    for _ in range(3):
        for _ in range(refusals):
            standing = refused(standing, 0.0)
        standing = passed(standing)
    assert standing == Standing(is_proven=True)


def test_a_login_that_works_again_has_a_clean_record() -> None:
    standing = passed(refused(refused(Standing(), 0.0), 60.0))
    assert standing == Standing(is_proven=True)
    for _ in range(3):
        standing = refused(standing, 1000.0)
    assert standing.held_until == 1060.0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 4000)), max_size=60))
def test_however_it_goes_no_rest_is_longer_than_an_hour_and_few_tries_are_in_vain(
    story: list[tuple[bool, float]],
) -> None:
    standing, now, in_vain = Standing(), 0.0, 0
    for does_pass, pause in story:
        now += pause
        if is_resting(standing, now):
            continue
        in_vain = 0 if does_pass else in_vain + 1
        standing = passed(standing) if does_pass else refused(standing, now)
        assert standing.held_until <= now + 3600.0
        assert in_vain < 3 or is_resting(standing, now)
        assert is_resting(standing, now) or standing.is_proven
