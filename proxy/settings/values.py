"""The kinds of values that proxy.yaml has beside text and numbers: durations, sizes, networks, addresses, secrets."""

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, GetPydanticSchema, PlainSerializer, WithJsonSchema
from pydantic_core import core_schema

from proxy.core.target import parse_url
from proxy.errors import BadRequest
from proxy.identity import OutboundProxy
from proxy.model import Listen, StoreAddress
from proxy.secret import Secret
from proxy.urls import DEFAULT_PORTS, Network

_DURATION: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE: Final = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB)")
_BYTES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_LISTEN: Final = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9_.-]+)):([0-9]{1,5})")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_SHORTEST_KEY: Final = 16  # characters
_STORES: Final = ("redis", "rediss")
_DATABASE: Final = re.compile(r"(?:/[0-9]{0,5})?")
_LONGEST: Final = 366 * 86400.0  # seconds; more is a slip, and too much for a timer
_LARGEST: Final = 1024**4
REFERENCE: Final = r".*\$\{.+\}.*"


def _duration(value: object) -> float:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is no duration; write a number with s, m or h, such as 30s")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST:
        raise ValueError("is longer than a year; write a shorter one")
    return seconds


def _size(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is no size; write a number with KiB or MiB, such as 10MiB")
    size = int(match[1]) * _BYTES[match[2]]
    if size > _LARGEST:
        raise ValueError("is more than 1024GiB; write a smaller size")
    return size


def _listen(value: object) -> Listen:
    match = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[3]) > 65535:
        raise ValueError("is no address to listen on; write host:port, such as 0.0.0.0:8080")
    return Listen(match[1] or match[2], int(match[3]))


def _network(value: object) -> Network:
    try:
        return ip_network(str(value))
    except ValueError:
        raise ValueError("is no network; write it as 10.0.0.0/8, with all host bits zero") from None


def _secret(value: object) -> Secret:
    if not isinstance(value, str):
        raise ValueError("is not text; put it in quotes")
    if not value:
        raise ValueError("is empty; write it, or a reference such as ${NAME} or ${file:/run/secrets/name}")
    return Secret(value)


def _key(value: object) -> Secret:
    secret = _secret(value)
    if isinstance(value, str) and len(value) < _SHORTEST_KEY:
        raise ValueError("can be guessed; write 16 characters or more, made with: openssl rand -hex 32")
    return secret


def _parameter(value: object) -> Secret:
    if not isinstance(value, str):
        raise ValueError("is not text; put it in quotes")
    return Secret(value)  # it may be the key of an API, and is nobody's business otherwise


def _header(value: object) -> Secret:
    secret = _secret(value)
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
        raise ValueError("cannot stand in a header; write one line of plain characters")
    return secret


def _outbound(value: object) -> OutboundProxy | Literal["direct"]:
    if value == "direct":
        return "direct"
    if value == "environment":
        return OutboundProxy()
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts is None or parts.scheme not in DEFAULT_PORTS or parts.path.strip("/") or parts.query:
            raise ValueError(value)
        origin = parse_url(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}").origin
    except (BadRequest, ValueError):
        what = "is no outbound proxy; write http://host:port, http://user:password@host:port, environment or direct"
        raise ValueError(what) from None
    password = Secret(unquote(parts.password)) if parts.password else None
    return OutboundProxy(origin, unquote(parts.username or ""), password)


def _store(value: object) -> StoreAddress:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts is None or parts.scheme not in _STORES or not _DATABASE.fullmatch(parts.path):
            raise ValueError(value)
        if not parts.hostname or parts.query or parts.fragment:
            raise ValueError(value)
        port = parts.port or 6379
    except ValueError:
        what = "is no Redis; write redis://host:6379/0, or rediss://user:password@host:6379/0 for an encrypted one"
        raise ValueError(what) from None
    password = Secret(unquote(parts.password)) if parts.password else None
    database = int(parts.path.strip("/") or 0)
    return StoreAddress(
        parts.hostname, port, parts.scheme == "rediss", database, unquote(parts.username or ""), password
    )


def _plain(convert: Callable[[object], object]) -> GetPydanticSchema:
    return GetPydanticSchema(lambda source, handler: core_schema.no_info_plain_validator_function(convert))


def _text(pattern: str, example: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^(?:{pattern}|{REFERENCE})$", "examples": [example]}


_DURATION_SCHEMA: Final = _text(_DURATION.pattern, "30s")
_SIZE_SCHEMA: Final = _text(_SIZE.pattern, "10MiB")
_LISTEN_SCHEMA: Final = {"type": "string", "examples": ["0.0.0.0:8080"]}
_NETWORK_SCHEMA: Final = {"type": "string", "examples": ["10.0.0.0/8"]}
_OUTBOUND_SCHEMA: Final = {"type": "string", "examples": ["http://proxy.example.com:3128", "environment", "direct"]}
_STORE_SCHEMA: Final = {
    "type": "string",
    "examples": ["redis://redis:6379/0", "rediss://:${REDIS_PASSWORD}@redis:6379/0"],
}
_SECRET_SCHEMA: Final = {"type": "string", "examples": ["${CITY_PASSWORD}", "${file:/run/secrets/city}"]}

Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
Wait = Annotated[Duration, Field(gt=0)]  # a time-out: zero would mean none
Size = Annotated[int, BeforeValidator(_size), WithJsonSchema(_SIZE_SCHEMA)]
ListenAddress = Annotated[Listen, _plain(_listen), WithJsonSchema(_LISTEN_SCHEMA)]
NetworkAddress = Annotated[Network, _plain(_network), WithJsonSchema(_NETWORK_SCHEMA)]
OutboundText = Annotated[OutboundProxy | Literal["direct"], _plain(_outbound), WithJsonSchema(_OUTBOUND_SCHEMA)]
StoreText = Annotated[StoreAddress, _plain(_store), PlainSerializer(str), WithJsonSchema(_STORE_SCHEMA)]
SecretText = Annotated[Secret, _plain(_secret), PlainSerializer(repr), WithJsonSchema(_SECRET_SCHEMA)]
KeyText = Annotated[Secret, _plain(_key), PlainSerializer(repr), WithJsonSchema(_SECRET_SCHEMA)]
ParameterText = Annotated[Secret, _plain(_parameter), PlainSerializer(repr), WithJsonSchema({"type": "string"})]
HeaderText = Annotated[Secret, _plain(_header), PlainSerializer(repr), WithJsonSchema(_SECRET_SCHEMA)]
