"""Reads what HTTP says about keeping answers: Cache-Control, dates, ages. Forgives nothing that would keep an answer
for longer; decides nothing (`core.caching`)."""

import calendar
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from proxy.core.remembering import remembered

_LONGEST: Final = 2**31  # seconds (RFC 9111 §1.2.2)
_MOST_DIGITS: Final = 40  # Python reads long numbers in more than linear time
# A name with or without a value; or a quoted text that stands where no value belongs, whose inside is no directive.
_DIRECTIVE: Final = re.compile(r'([^\s,;="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?|"(?:[^"\\]|\\.)*"?')
_DIGITS: Final = re.compile(r"[0-9]+")
_DAY: Final = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME: Final = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
# RFC 9110 §5.6.7: the form to write, and the two that are still to be read
_DATES: Final = (
    re.compile(rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(rf"[A-Z][a-z]{{5,8}}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(rf"{_DAY} {_MONTH} (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)


@remembered(1024)
def directives(text: str) -> Mapping[str, str]:
    """The directives of a Cache-Control by name, lower-case; "" for those without a value. Of two the first counts."""
    found: dict[str, str] = {}
    for match in _DIRECTIVE.finditer(text):
        if match[1]:
            found.setdefault(match[1].lower(), match[2] if match[2] is not None else match[3] or "")
    return MappingProxyType(found)


def seconds(text: str) -> int:
    """A number of seconds; what is none counts as zero, so that nothing is kept by mistake (RFC 9111 §4.2.1)."""
    if not _DIGITS.fullmatch(text):
        return 0
    return min(int(text), _LONGEST) if len(text) < _MOST_DIGITS else _LONGEST


@remembered(1024)
def http_date(text: str) -> float | None:
    """Seconds since 1970; None where it is no date."""
    for form in _DATES:
        match = form.fullmatch(text)
        if match is not None:
            year = int(match["year"])
            if year < 100:  # RFC 850: of the last hundred years, roughly
                year += 1900 if year >= 70 else 2000
            month = _MONTHS.index(match["month"]) + 1
            parts = (year, month, int(match["day"]), int(match["hour"]), int(match["minute"]), int(match["second"]))
            return _seconds_of(parts)
    return None


def _seconds_of(parts: tuple[int, int, int, int, int, int]) -> float | None:
    year, month, day, hour, minute, second = parts
    if not (1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):
        return None
    return float(calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0)))


def age_given(text: str) -> float:
    """The Age of an answer. What is no number counts as very old: RFC 9111 §5.1 would have it ignored, but who does
    not know the age of an answer had better ask for a new one."""
    return float(seconds(text)) if _DIGITS.fullmatch(text) else float(_LONGEST)
