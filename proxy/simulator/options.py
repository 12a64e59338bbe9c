"""What the simulated site is like. Every knob stands for a difference that real servers show; nothing acts here."""

from dataclasses import dataclass, field

PASSWORD = "demo-only-1"
APP_ID, APP_SECRET = "demo-app", "demo-app-secret"
GATEWAY_HEADER, GATEWAY_KEY = "X-Api-Key", "demo-key-1"

# Items of the portal. What their sharing means: see `Options.items`.
ITEM_PUBLIC = "0" * 31 + "1"
ITEM_PRIVATE = "0" * 31 + "2"
ITEM_UNSHARED = "0" * 31 + "3"
ITEM_ABSENT = "0" * 31 + "9"


@dataclass(slots=True)
class Options:
    """Knobs, changed at will while the server runs. `profile` is a name only: `of_profile` sets what it stands for."""

    profile: str = "ags-10.8"
    context: str = "/arcgis"
    services_path: str = "/rest/services"  # below the context; "" where an API of one's own serves them at its root
    version: float = 10.81
    full_version: str | None = "10.8.1"
    soap_release: str | None = "10.8"  # ends the namespace of SOAP requests; None = the site has no SOAP
    is_soap_strict: bool = False  # a request in another namespace is a fault
    rest_info: bool = True
    has_directory: bool = True  # the HTML pages; False = "Services Directory has been disabled"
    missing_code: int = 404  # how a service that is not there is told: 404, 500 up to 10.8, 400 Online

    # --- who may come in: accounts, apps, keys ------------------------------------------------------------------
    users: dict[str, str] = field(default_factory=lambda: {"webmap": PASSWORD, "p+w%41&=#é": "p+w%41&=#é"})
    apps: dict[str, str] = field(default_factory=lambda: {APP_ID: APP_SECRET})
    app_may: bool = True  # the secured services and the private item are shared with the apps
    static_tokens: set[str] = field(default_factory=set)  # API keys and the like; take one out and it is revoked
    files: dict[str, str] = field(default_factory=dict)  # what users have put there, by path: text
    denial: str = ""  # what a good token meets at secured services: role, role_older, privilege
    has_tokens: bool = True  # False: the web server in front decides alone, tokens are neither given nor looked at

    # --- the token services -------------------------------------------------------------------------------------
    token_path: str = "/tokens"  # below the context; with generateToken at its end it is a JSON service alone
    text_tokens: bool = True  # /tokens with request=getToken
    json_tokens: bool = True  # /tokens/generateToken, and f=json at /tokens
    allow_get: bool = False
    allow_post_query: bool = False  # user name and password in the query string of a POST
    text_refusal: int = 403  # the status of a wrong password in text mode
    short_minutes: float = 60.0  # the longest life of a token that is bound to nothing
    long_minutes: float = 1440.0  # of a bound one; longer ones are capped without a word
    unbound_long: str = "refuse"  # an unbound token of more than `short_minutes`: refuse or cap
    portal_minutes: float = 21600.0
    app_minutes: float = 20160.0
    token_seconds: float | None = None  # for tests: no token lives longer, whoever gave it
    tells_validity: bool = True  # shortLivedTokenValidity in rest/info, since 10.1
    binds_referer: bool = True
    referer_match: str = "prefix"  # exact, prefix, origin, off
    # "", html, machines, status500, drop, redirect, empty, flood, locked, unbound_long, post_query, and, the token
    # given all the same: no_expires, text_expires, seconds, past
    token_fault: str = ""
    token_delay: float = 0.0
    token_services_url: str | None = None  # what rest/info names in place of its own

    # --- the portal beside it -----------------------------------------------------------------------------------
    federated: bool = False  # the server takes tokens of the portal beside it, exchanged
    takes_portal_tokens: bool = False  # and as they are
    exchange_fault: str = ""  # not_federated
    portal_anonymous: bool = True  # portals/self is open to those without a token
    # public; private: for users, and apps while `app_may`; unshared: exists, and nobody here may see it
    items: dict[str, str] = field(
        default_factory=lambda: {ITEM_PUBLIC: "public", ITEM_PRIVATE: "private", ITEM_UNSHARED: "unshared"}
    )

    # --- what stands in front -----------------------------------------------------------------------------------
    web_tier: str = ""  # of the server: "" or basic
    portal_web_tier: str = ""
    web_tier_user: str = "webmap"
    web_tier_password: str = PASSWORD
    gateway_header: tuple[str, str] | None = None  # wanted on every request

    # --- how tokens are heard and failures told -----------------------------------------------------------------
    # header (X-Esri-Authorization), bearer, query, form; raw: the whole Authorization header is the token
    accepts: set[str] = field(default_factory=lambda: {"query", "form", "header", "bearer"})
    bodies: str = "server"  # hosted: as ArcGIS Online and its imitators write them
    # json200, status (with JSON), status401, status_only, html200, http400, redirect
    json_failure: str = "json200"
    image_failure: str = "json200"
    tile_failure: str = "html200"
    soap_failure: str = "status_only"
    ogc_failure: str = "json200"  # or status_only, xml
    is_pretty: bool = False
    is_gzipped: bool = False
    error_type: str = "application/json;charset=UTF-8"
    jsonp_type: str = "application/javascript;charset=UTF-8"
    leaks: bool = True  # preferredHost, tileServers and an AGS_ROLES cookie, as real servers send them
    echoes_token: bool = False  # OGC capabilities repeat it in their links


_TEXT = {"error_type": "text/plain;charset=utf-8", "jsonp_type": "text/plain;charset=utf-8", "missing_code": 500}
_FORMS = {"accepts": {"query", "form"}}
_OPEN = {"allow_get": True, "allow_post_query": True}
_HOSTED = {"bodies": "hosted", "missing_code": 400, "soap_release": None, "tells_validity": False}
_GATEWAY: dict[str, object] = {"gateway_header": (GATEWAY_HEADER, GATEWAY_KEY)}

PROFILES: dict[str, dict[str, object]] = {
    "ags-9.3": {
        **_TEXT, **_OPEN, "version": 9.31, "full_version": None, "soap_release": "9.3", "is_soap_strict": True,
        "rest_info": False, "json_tokens": False, "tells_validity": False, "accepts": {"query"},
        "ogc_failure": "status_only",
    },
    "ags-10.0": {
        **_TEXT, **_FORMS, **_OPEN, "version": 10.0, "full_version": None, "soap_release": "10.0",
        "is_soap_strict": True, "tells_validity": False,
    },
    "ags-10.2": {**_TEXT, **_FORMS, **_OPEN, "version": 10.22, "full_version": "10.2.2", "soap_release": "10.2"},
    "ags-10.3": {**_TEXT, **_FORMS, "version": 10.31, "full_version": "10.3.1", "soap_release": "10.3"},
    "ags-10.8": {"missing_code": 500},
    "ags-11.4": {"version": 11.4, "full_version": "11.4.0", "soap_release": "11.4", "tile_failure": "status"},
    "ags-12.0": {
        "version": 12.0, "full_version": "12.0.0", "soap_release": "12.0", "tile_failure": "status",
        "token_path": "/security/tokens",
    },
    "portal": {"portal_anonymous": False},
    "federated": {"federated": True},
    "federated-web-tier": {"federated": True, "portal_web_tier": "basic"},
    "agol": {
        **_HOSTED, "version": 11.5, "full_version": None, "context": "/0123456789ABCDEF/arcgis", "federated": True,
        "takes_portal_tokens": True, "text_tokens": False, "json_tokens": False,
    },
    "koop": {
        **_HOSTED, "version": 11.2, "full_version": "11.2.0", "token_path": "/rest/generateToken", "allow_get": True,
        "text_tokens": False, "accepts": {"query", "raw"},
    },
    "web-tier-basic": {"web_tier": "basic", "has_tokens": False},
    "custom-api": _GATEWAY,
    "arbitrary-root": {
        **_GATEWAY, "context": "/map", "services_path": "", "has_tokens": False, "rest_info": False,
        "soap_release": None,
    },
}  # fmt: skip


def of_profile(name: str) -> Options:
    """The options of a release. Raises KeyError with the known names."""
    if name not in PROFILES:
        raise KeyError(f"unknown profile {name}; known: {', '.join(PROFILES)}")
    options = Options(profile=name)
    for key, value in PROFILES[name].items():
        setattr(options, key, set(value) if isinstance(value, set) else value)
    return options
