"""What secrets look like in a text, and where they stand in one. Pure; takes nothing out.

A form is a chain of steps, and all chains are followed at once, as bits of a number: a secret that can be read in a
thousand ways costs no more than its length, where a regular expression would try one way after the other.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush
from typing import Final

_SHORTEST: Final = 6  # characters; shorter secrets are words of the language
_LONGEST_CHARACTER: Final = 64  # bytes of one character in its longest spelling: four times `&#37;25252581`
_FIRST: Final = 4  # bytes by which a beginning is known
_SAME: Final = "0-9A-Za-z"  # these are the same in every form
_RUN: Final = re.compile(f"[{_SAME}]+")
_PARTS: Final = re.compile(f"[{_SAME}]+|[^{_SAME}]")
_LONG: Final = 16  # bytes of letters and digits that most texts have nowhere together
_LONGEST_RUN: Final = 64
_LETTER: Final = b"x"
# Letters and digits all as one; anything else, dashes and lines of them too, as a blank
_AS_RUNS: Final = bytes(_LETTER[0] if re.match(rb"[0-9A-Za-z]", bytes((c,))) else 0x20 for c in range(256))
_LEADS: Final = (b"%", b"&", b"\\")  # with these begin all spellings but the plain one, and `+` for a blank
_FIRST_BYTES: Final = b"".join((*_LEADS, b"+"))
_MORE: Final = rb"[#%%&\\;0-9A-Za-z]{0,%d}" % _LONGEST_CHARACTER
_UNFINISHED: Final = re.compile(rb"[%&\\]" + _MORE + rb"\Z")

_States = dict[int, int]  # place in a text: the states reached there, as bits
_Way = tuple[int, int, int]  # from a place, to a place, for these states


@dataclass(frozen=True, slots=True)
class _Step:
    """Bytes that are the same in every form; or a character, with its `spellings`. Each has one end at most."""

    plain: bytes
    spellings: tuple[re.Pattern[bytes], ...] = ()

    def ends(self, text: bytes, at: int) -> list[int]:
        found = [at + len(self.plain)] if text.startswith(self.plain, at) else []
        if self.spellings and text[at : at + 1] in _FIRST_BYTES:
            found += [match.end() for spelling in self.spellings if (match := spelling.match(text, at))]
        return found

    def may_be_cut(self, text: bytes, at: int) -> bool:
        """Whether the text may end before this does."""
        left = len(text) - at
        if left < len(self.plain) and self.plain.startswith(text[at:]):
            return True
        return bool(self.spellings) and left < _LONGEST_CHARACTER and _UNFINISHED.match(text, at) is not None

    @property
    def longest(self) -> int:
        return _LONGEST_CHARACTER if self.spellings else len(self.plain)


_Chain = tuple[_Step, ...]


@dataclass(frozen=True, slots=True)
class Forms:
    """Everything that some secrets may look like. `first` are the states before a step of each chain, `last` those
    after all of them. `needles`: no form is without one of these; none = not known. `run`: as many letters together as
    each of them has but for UTF-16 and -32, which have zeros; empty where that is few."""

    steps: tuple[tuple[_Step, int], ...]  # each with the states that are before it
    first: int
    last: int
    starts: re.Pattern[bytes]
    longest: int  # bytes of a form
    widest: int  # bytes of a step
    needles: tuple[bytes, ...]
    run: bytes
    has_zeros: bool

    def may_be_in(self, text: bytes) -> bool:
        """A quick look: most texts have no part of a secret. Its first half takes a fifth of the second."""
        if self.run and self.run not in text.translate(_AS_RUNS):
            return self.has_zeros and b"\0" in text
        for needle in self.needles:  # a loop: `any` would cost as much as the looking
            if needle in text:
                return True
        return not self.needles

    def look(self, text: bytes, *, is_end: bool) -> tuple[list[tuple[int, int]], int]:
        """The stretches that forms cover, from and to, in order and apart; and where the first form begins that may go
        on behind the text: the length where none does, or where nothing comes behind it."""
        begin = 0 if self.may_be_in(text) else max(0, len(text) - self.longest)
        start = self.starts.search(text, begin)
        if start is None or (is_end and begin):
            return [], len(text)
        ways, cut = self._ways(text, start, is_end)
        safe = min((at for at, states in _leading(ways, cut, 0).items() if states & self.first), default=len(text))
        whole = _leading(ways, {}, self.last)
        return _joined([way for way in ways if (whole.get(way[1], 0) | self.last) & way[2] << 1]), safe

    def _ways(self, text: bytes, start: re.Match[bytes] | None, is_end: bool) -> tuple[list[_Way], _States]:
        """Every step of a form that may be one, in order; and the states before a step which the end may cut."""
        ways: list[_Way] = []
        cut: _States = {}
        reached: _States = {}
        places: list[int] = []  # those of `reached`, a heap
        known: dict[int, list[tuple[_Step, int]]] = {}  # the steps behind such states: mostly the same few
        near_end = len(text) if is_end else len(text) - self.widest
        while places or start:
            if start and (not places or start.start() <= places[0]):
                at = start.start()
                start = self.starts.search(text, at + 1)
                if at not in reached:
                    heappush(places, at)
                reached[at] = reached.get(at, 0) | self.first
            at = heappop(places)
            states = reached.pop(at)
            todo = known.get(states)
            if todo is None:
                todo = known[states] = [(step, here) for step, before in self.steps if (here := states & before)]
            for step, here in todo:
                for end in step.ends(text, at):
                    ways.append((at, end, here))
                    if end not in reached:
                        heappush(places, end)
                        reached[end] = 0
                    reached[end] |= here << 1
                if at > near_end and step.may_be_cut(text, at):
                    cut[at] = cut.get(at, 0) | here
        return ways, cut


def _leading(ways: list[_Way], goals: _States, always: int) -> _States:
    """The states from which a goal is reached; `always` are goals in every place."""
    found = dict(goals)
    for start, end, states in reversed(ways):
        if good := (found.get(end, 0) | always) & states << 1:
            found[start] = found.get(start, 0) | good >> 1
    return found


def _joined(ways: list[_Way]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end, _ in ways:
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


@lru_cache(maxsize=128)  # some 17 KiB each, for as many tokens as are in use at a time; each renewal makes a new one
def forms_of(secrets: tuple[str, ...], in_binary: bool) -> Forms:
    """Secrets of a few characters are left out: they may well be words. In what is no text, so are UTF-16 and -32,
    whose zeros are everywhere there."""
    usable = sorted({secret for secret in secrets if len(secret) >= _SHORTEST})
    encoded = [form for secret in usable for form in (*_base64(secret), *_hex(secret))]
    wide = [] if in_binary else [form for secret in usable for form in _wide(secret)]
    chains = [*map(_spelled, usable), *((_Step(form),) for form in (*encoded, *wide))]
    states: dict[_Step, int] = {}
    first = last = 0
    bit = 1
    for chain in chains:
        first |= bit
        for step in chain:
            states[step] = states.get(step, 0) | bit
            bit <<= 1
        last |= bit
        bit <<= 1
    runs = [_longest_run(secret) for secret in usable]
    is_known = all(len(run) >= _FIRST for run in runs)
    shortest = min(map(len, (*runs, *(_longest_run(form.decode("ascii")) for form in encoded))), default=0)
    zeros = [b"\0"] if wide else []  # those of UTF-16 would each cost as much, and hardly any text has one
    return Forms(
        steps=tuple(states.items()),
        first=first,
        last=last,
        starts=_starts(chains),
        longest=max((sum(step.longest for step in chain) for chain in chains), default=0),
        widest=max((step.longest for step in states), default=0),
        needles=(*zeros, *runs, *encoded) if is_known else (),
        run=_LETTER * min(shortest, _LONGEST_RUN) if shortest >= _LONG else b"",
        has_zeros=bool(zeros),
    )


def _longest_run(text: str) -> bytes:
    return max(_RUN.findall(text), key=len, default="").encode()


def _spelled(secret: str) -> _Chain:
    return tuple(_Step(part.encode()) if _RUN.fullmatch(part) else _character(part) for part in _PARTS.findall(secret))


@lru_cache(maxsize=1024)
def _character(character: str) -> _Step:
    """A character of a secret in percent, JSON, XML and HTML forms, some of them encoded more than once."""
    plain = character.encode()
    percent = [rb"(?:%|&#37;)".join(rb"(?:25){0,3}%02X" % byte for byte in plain)]
    if character == "%":  # of which 25 is the code
        percent = [rb"(?:25){%d}" % times for times in range(1, 5)]
    # JSON within JSON has more than one backslash; scripts have \x2F
    backslash = [rb"\\{1,7}".join(rb"u%04x" % unit for unit in _units(character))]
    backslash += [rb"x%02x" % ord(character)] if len(plain) == 1 else []
    forms = [
        *(lead + rb"(?i:%b)" % code for code in percent for lead in (b"%", b"&#37;")),
        *(rb"\\\\{0,6}(?i:%b)" % code for code in backslash),
        *(rb"&#0{0,40}%d;" % ord(character), rb"&(?i:#x0{0,40}%x;)" % ord(character)),
    ]
    named = {"&": b"&amp;", "<": b"&lt;", ">": b"&gt;", '"': b"&quot;", "'": b"&apos;", " ": rb"\+"}
    forms += [named[character]] if character in named else []
    forms += [rb"\\\\{0,6}%b" % plain] if character in '/"' else []
    forms += [rb"\\\\{%d}" % more for more in range(1, 8)] if character == "\\" else []
    return _Step(plain, tuple(map(re.compile, forms)))


def _units(character: str) -> tuple[int, ...]:
    raw = character.encode("utf-16-be")
    return tuple(int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2))


def _base64(secret: str) -> list[bytes]:
    """What a secret is inside base64 of something longer, at each of the three alignments, less the characters that
    its neighbours have a part in."""
    raw = secret.encode()
    found: list[bytes] = []
    for shift in range(3):
        whole = b64encode(b"\0" * shift + raw)
        first = (0, 2, 3)[shift]
        last = len(whole) - (0, 3, 2)[(len(raw) + shift) % 3]
        found += [whole[first:last], whole[first:last].replace(b"+", b"-").replace(b"/", b"_")]
    return list(dict.fromkeys(found))


def _hex(secret: str) -> list[bytes]:
    """As dumps have it."""
    written = secret.encode().hex()
    return [written.encode(), written.upper().encode()]


def _wide(secret: str) -> list[bytes]:
    """As texts of Windows have it, and those that a charset can be asked for."""
    return [secret.encode(f"utf-{bits}-{order}") for bits in (16, 32) for order in ("le", "be")]


def _starts(chains: list[_Chain]) -> re.Pattern[bytes]:
    """Finds where a chain may begin, by a few bytes. Each way begins with a certain byte: for these `re` looks fast."""
    ways = dict.fromkeys(way for first, *rest in chains for way in _beginnings(first, rest))
    return re.compile(b"|".join(ways) or rb"(?!)")


def _beginnings(first: _Step, rest: list[_Step]) -> list[bytes]:
    if not first.spellings:
        is_known = len(first.plain) >= _FIRST
        return [_so_far(first.plain[:_FIRST], b"" if is_known else _next(rest[0]))]
    after = _next(rest[0])
    spelled = [spelling.pattern + rb"(?:\Z|%b)" % after for spelling in first.spellings]
    unfinished = [re.escape(lead) + _MORE + rb"\Z" for lead in _LEADS]
    return [_so_far(first.plain, after), *spelled, *unfinished]


def _next(step: _Step) -> bytes:
    """By what a step is known that is not the first."""
    if not step.spellings:
        return _so_far(step.plain[: _FIRST - 1], b"")
    return rb"[+%b]" % b"".join(map(re.escape, (*_LEADS, step.plain[:1])))


def _so_far(plain: bytes, after: bytes) -> bytes:
    """These bytes and what is after them; or fewer, and then the text ends."""
    for at in reversed(range(len(plain))):
        after = re.escape(plain[at : at + 1]) + (rb"(?:\Z|%b)" % after if after else b"")
    return after
