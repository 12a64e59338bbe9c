"""core.caching beside hishel, a library of the same RFCs: what we keep and reuse, it would, too."""

import time
import uuid
from email.utils import formatdate

from hishel import (
    CacheMiss,
    CacheOptions,
    CouldNotBeStored,
    Entry,
    FromCache,
    Headers,
    IdleClient,
    Request,
    Response,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core import caching
from proxy.core.cache_control import directives
from proxy.core.caching import Use
from proxy.model import CachePolicy

SHARED = CacheOptions(shared=True, supported_methods=["GET"], allow_stale=False)
URL = "https://gis.example.com/arcgis/rest/services/A/MapServer"
STANDARD = CachePolicy()

said = st.lists(
    st.sampled_from(
        [
            *("max-age=100", "max-age=0", "s-maxage=100", "s-maxage=0", "MAX-AGE=100", 'max-age="100"', "public"),
            *("private", "no-store", "no-cache", "must-revalidate", "proxy-revalidate", "foo", 'foo="max-age=100"'),
        ]
    ),
    max_size=4,
    unique_by=lambda directive: directive.partition("=")[0].lower(),
).map(", ".join)
wished = st.sampled_from(["", "no-cache", "max-age=1000", "foo"])
statuses = st.sampled_from([200, 203, 204, 206, 301, 304, 404, 500])
ages = st.sampled_from([0, 50, 150, 5000])
expiries = st.sampled_from([None, -100, 100, 1000])
languages = st.sampled_from([None, "de", "fr"])


@settings(max_examples=500)
@given(said, wished, statuses, ages, expiries, st.booleans(), st.booleans(), languages, languages)
def test_what_is_kept_and_reused_a_second_opinion_would_keep_and_reuse(
    control: str,
    wish: str,
    status: int,
    age: int,
    expires: int | None,
    authorized: bool,
    varies: bool,
    first: str | None,
    second: str | None,
) -> None:
    now = time.time()
    told = {"date": formatdate(now - age, usegmt=True), "content-length": "5", "etag": '"a"', "cache-control": control}
    if expires is not None:
        told["expires"] = formatdate(now - age + expires, usegmt=True)
    if varies:
        told["vary"] = "Accept-Language"
    if status == 206:
        told["content-range"] = "bytes 0-4/10"
    asked = {"authorization": "Basic eA=="} if authorized else {}
    theirs = CacheMiss(options=SHARED, request=_request(asked, first)).next(Response(status, Headers(told)))
    if not caching.is_storable(status, told, asked, STANDARD):
        return
    assert not isinstance(theirs, CouldNotBeStored)
    request = _request({"cache-control": wish} if wish else {}, second)
    entry = Entry(uuid.uuid4(), _request(asked, first), Response(status, Headers(told)))
    reuse = IdleClient(options=SHARED).next(request, [entry])
    ours = caching.use(
        caching.life(told, STANDARD),
        caching.initial_age(told, delay=0, wall=now),
        caching.wish({"cache-control": wish} if wish else {}),
    )
    suits = not varies or first == second
    assert (ours is Use.AT_ONCE and suits) <= isinstance(reuse, FromCache)
    if ours is Use.CHECKED and not {"no-cache", "max-age"} & directives(wish).keys():
        assert not isinstance(reuse, FromCache)


def _request(headers: dict[str, str], language: str | None) -> Request:
    return Request("GET", URL, Headers({**headers, **({"accept-language": language} if language else {})}))
