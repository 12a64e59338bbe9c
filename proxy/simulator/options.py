"""What the simulated server is like. Every knob stands for a difference that real servers show."""

from dataclasses import dataclass, field

PASSWORD = "demo-only-1"


@dataclass(slots=True)
class Options:
    """Knobs, changed at will while the server runs."""

    profile: str = "ags-10.8"
    context: str = "/arcgis"
    users: dict[str, str] = field(default_factory=lambda: {"webmap": PASSWORD, "p+w%41&=#é": "p+w%41&=#é"})
    token_seconds: float = 3600.0
    binds_referer: bool = True
    accepts: set[str] = field(default_factory=lambda: {"query", "form", "header", "bearer"})
    federated: bool = False  # the server takes tokens of the portal beside it, exchanged
    # how a missing or bad token is told: json200, status, html200, status_only, redirect
    json_failure: str = "json200"
    image_failure: str = "json200"
    tile_failure: str = "html200"
    soap_failure: str = "status_only"
    is_pretty: bool = False
    is_gzipped: bool = False
    error_type: str = "application/json;charset=UTF-8"
    leaks: bool = True  # preferredHost, tileServers and an AGS_ROLES cookie, as real servers send them
    # the token service: "", html, status500, drop, slow, redirect, no_expires, text_expires, seconds, past, empty
    token_fault: str = ""
    token_delay: float = 0.0
    token_services_url: str | None = None  # what rest/info names in place of its own


PROFILES: dict[str, dict[str, object]] = {
    "ags-10.0": {"accepts": {"query", "form"}, "error_type": "text/plain;charset=utf-8"},
    "ags-10.8": {},
    "ags-11.4": {"json_failure": "json200", "tile_failure": "status"},
    "federated": {"federated": True},
    "koop": {"accepts": {"query"}},
}

VERSIONS = {"ags-10.0": (10.0, None), "ags-10.8": (10.81, "10.8.1"), "ags-11.4": (11.4, "11.4.0")}


def of_profile(name: str) -> Options:
    """The options of a release. Raises KeyError with the known names."""
    if name not in PROFILES:
        raise KeyError(f"unknown profile {name}; known: {', '.join(PROFILES)}")
    options = Options(profile=name)
    for key, value in PROFILES[name].items():
        setattr(options, key, value)
    return options
