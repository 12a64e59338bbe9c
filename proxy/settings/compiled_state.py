"""`state` as written to what is run: the key that all shared words are sealed with."""

from proxy.identity import Credential
from proxy.model import Rule, SharedState
from proxy.secret import fingerprint
from proxy.settings.schema import Settings


def compile_state(
    settings: Settings, credentials: tuple[Credential, ...], rules: tuple[Rule, ...]
) -> SharedState | None:
    """None where nothing is shared. Without a key of its own it is made of all the credentials' secrets together:
    nobody has to configure one, and whoever has other credentials reads nothing."""
    state = settings.state
    if state.url is None:
        return None
    # Only here: who shares nothing does without the memory of cryptography
    from proxy.state.sealing import derived_key

    own = state.key.reveal() if state.key is not None else _of_credentials(credentials, rules)
    return SharedState(state.url, derived_key(own), state.prefix, state.timeout, state.caBundle)


def _of_credentials(credentials: tuple[Credential, ...], rules: tuple[Rule, ...]) -> str:
    return fingerprint((credentials, tuple(rule.route.identity for rule in rules)))
