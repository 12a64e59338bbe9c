"""Remembers what short texts mean, for what is asked of the same few again and again. Long ones are worked out each
time: strangers may write any number of them, and what is kept stays.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

_Text = TypeVar("_Text", str, bytes)
_Meaning = TypeVar("_Meaning")
_LONGEST = 512  # characters or bytes


def remembered(most: int) -> Callable[[Callable[[_Text], _Meaning]], Callable[[_Text], _Meaning]]:
    """For a function of one text: keeps its last `most` results."""

    def of(work: Callable[[_Text], _Meaning]) -> Callable[[_Text], _Meaning]:
        kept = lru_cache(maxsize=most)(work)

        @wraps(work)
        def found(text: _Text) -> _Meaning:
            return kept(text) if len(text) <= _LONGEST else work(text)

        return found

    return of
