"""proxy.settings.check_mounts: what a mount cannot be, and what it becomes."""

from pathlib import Path

import pytest

from proxy.core.target import parse_url
from tests.unit.settings.files import PAGES, complaints, loaded, warnings

SITE = PAGES + "serverUrls:\n  - {url: https://gis.example.com/arcgis, mount: %s}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((SITE % f'"{path}"', "3: serverUrls[0].mount: a mount is a path of letters, digits and . _ ~ -")
          for path in ("gis", "/", "/gis/", "//gis", "/gis/../x", "/.", "/a b", "/ä", "/g%69s", "/gis?x", "/a/*", "")),
        (SITE % "{path: gis}", "3: serverUrls[0].mount.path: a mount is a path of letters"),
        (SITE % "/proxy", "3: serverUrls[0].mount: server.paths has /proxy; write another path"),
        (SITE % "/Proxy.PHP", "3: serverUrls[0].mount: server.paths has /proxy.php; write another path"),
        (SITE % "/old" + "server: {paths: [/old/proxy.ashx]}\n", "3: serverUrls[0].mount: server.paths has /old"),
        (SITE % "/healthz", "3: serverUrls[0].mount: the health check answers at /healthz; write another path"),
        (SITE % "/gis" + "  - {url: https://b.example.com, mount: /gis}\n", "4: serverUrls[1].mount: the mount /gis"),
        (SITE % "/gis" + "  - {url: https://b.example.com, mount: /GIS/b}\n", "4: serverUrls[1].mount: the mount /gis"),
        (SITE % "/gis/a" + "  - {url: https://b.example.com, mount: /gis}\n", "4: serverUrls[1].mount: the mount /gis"),
        (SITE.replace("https:", "") % "/gis", "3: serverUrls[0].mount: a mount stands for one server"),
        (SITE.replace("https://gis", '"https://*').replace("arcgis", 'arcgis"') % "/gis", "3: serverUrls[0].mount: a"),
        (SITE.replace("}", ", matchAll: false}") % "/gis", "3: serverUrls[0].mount: a mount stands for all"),
        (SITE % "{path: /gis, aliases: [gis01]}", "3: serverUrls[0].mount.aliases[0]: The URL is not"),
        (SITE % "{path: /gis, aliases: ['http://a/?b']}", "3: serverUrls[0].mount.aliases[0]: leave out the query"),
        (SITE % "{paths: /gis}", "3: serverUrls[0].mount"),
    ],
)  # fmt: skip
def test_what_a_mount_cannot_be(tmp_path: Path, text: str, expected: str) -> None:
    assert complaints(tmp_path, text)[0].startswith(f"proxy.yaml:{expected}")


@pytest.mark.parametrize("path", ["/gis", "/gis/city-1", "/proxy/gis", "/proxy2", "/a.b_c~d"])
def test_what_a_mount_becomes(tmp_path: Path, path: str) -> None:
    (rule,) = loaded(tmp_path, SITE % path).rules
    assert (rule.mount, rule.aliases) == (path, ())
    assert warnings(tmp_path, SITE % path) == []


def test_the_long_form_has_aliases(tmp_path: Path) -> None:
    (rule,) = loaded(tmp_path, SITE % '{path: /gis, aliases: ["http://GIS01:6080/arcgis/"]}').rules
    assert rule.mount == "/gis"
    assert rule.aliases == (parse_url("http://gis01:6080/arcgis"),)


def test_a_mount_that_leaves_out_half_of_the_server_is_warned_of(tmp_path: Path) -> None:
    text = (SITE % "/gis").replace("/arcgis", "/arcgis/rest/services")
    (warning,) = warnings(tmp_path, text)
    assert warning.startswith("proxy.yaml:3: serverUrls[0].mount: rest/info, WMS and exported pictures of the server")
    assert warning.endswith("mount /arcgis")


def test_the_public_url_may_have_a_path(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, SITE % "/gis" + "server: {publicUrl: https://maps.example.com/secure/}\n")
    assert (str(configuration.public_url), configuration.public_path) == ("https://maps.example.com", "/secure")
