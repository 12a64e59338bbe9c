"""A web server with Basic, where some paths are not for everybody."""

from base64 import b64encode
from dataclasses import dataclass

from proxy.traffic import Reply
from tests.unit.credentials.places import NO
from tests.unit.credentials.wire import Sent
from tests.unit.credentials.world import PASSWORD


@dataclass(slots=True)
class Site:
    """A web server with Basic: some paths are for everybody, some not for our user."""

    password: str = PASSWORD
    public: str = "/public"
    forbidden: str = "/forbidden"
    is_down: str = "/none"
    wrong: int = 0
    now: float = 0.0

    def __call__(self, sent: Sent) -> Reply:
        path = sent.target.path
        if path.startswith(self.is_down):
            return Reply(503, {}, b"")
        if path.startswith(self.public):
            return Reply(200, {}, b"map")
        if not sent.authorization:
            return Reply(401, dict(NO), b"")
        is_right = sent.authorization == "Basic " + b64encode(f"web map:{self.password}".encode()).decode()
        self.wrong += not is_right
        return Reply(200, {}, b"map") if is_right and not path.startswith(self.forbidden) else Reply(401, dict(NO), b"")
