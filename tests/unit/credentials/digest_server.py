"""A server that signs in by Digest, as RFC 7616 has it."""

import hashlib
from dataclasses import dataclass, field
from urllib.request import parse_http_list, parse_keqv_list

from proxy.core.hygiene import upstream_headers
from proxy.traffic import Reply
from tests.unit.credentials.wire import Sent
from tests.unit.credentials.world import PASSWORD


def _md5(text: bytes) -> bytes:
    return hashlib.md5(text).hexdigest().encode()


@dataclass(slots=True)
class DigestServer:
    """As a web server with RFC 7616 (MD5, qop=auth): what it reads are the bytes of the wire."""

    password: str = PASSWORD
    realm: bytes = b"ArcGIS"
    nonce: str = "nonce-1"
    life: int = 1_000_000  # uses of a nonce
    next_nonce: str = ""  # named in the next good answer
    guarded: str = "/"  # what begins so is for those who are signed in
    wrong: int = 0  # answers with another password: what locks accounts
    good: int = 0
    problems: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def __call__(self, sent: Sent) -> Reply:
        if not sent.target.path.startswith(self.guarded):
            return Reply(200, {}, b"public")
        given = self._given(sent)
        if given is None:
            return self._challenge()
        if given["nonce"] != self.nonce:
            return self._challenge(stale=True)
        if int(given["nc"], 16) > self.life:
            self.nonce += "+"
            return self._challenge(stale=True)
        if (given["nonce"], given["nc"]) in self._seen:
            self.problems.append("replayed")
        self._seen.add((given["nonce"], given["nc"]))
        self.counts.append(int(given["nc"], 16))
        if not self._is_right(given, sent):
            self.wrong += 1
            return self._challenge()
        self.good += 1
        headers = {}
        if self.next_nonce:
            headers = {"authentication-info": f'qop=auth, rspauth="0", nextnonce="{self.next_nonce}"'}
            self.nonce, self.next_nonce = self.next_nonce, ""
        return Reply(200, headers, b"map")

    def _given(self, sent: Sent) -> dict[str, str] | None:
        scheme, _, rest = sent.authorization.encode("utf-8").decode("latin-1").partition(" ")  # as aiohttp writes it
        return parse_keqv_list(parse_http_list(rest)) if scheme == "Digest" else None

    def _is_right(self, given: dict[str, str], sent: Sent) -> bool:
        if given["uri"] != sent.target.path_and_query:
            self.problems.append("uri")
        if given["realm"].encode("latin-1") != self.realm:
            self.problems.append("realm")
        secret = _md5(given["username"].encode("latin-1") + b":" + self.realm + b":" + self.password.encode())
        middle = f":{given['nonce']}:{given['nc']}:{given['cnonce']}:auth:".encode()
        request = _md5(f"{sent.method}:{given['uri']}".encode())
        return given["response"].encode() == _md5(secret + middle + request)

    def _challenge(self, *, stale: bool = False) -> Reply:
        value = b'Digest realm="' + self.realm + f'", nonce="{self.nonce}", qop="auth", algorithm=MD5'.encode()
        raw = [(b"WWW-Authenticate", value + (b", stale=true" if stale else b""))]
        return Reply(401, upstream_headers(raw), b"Unauthorized")
