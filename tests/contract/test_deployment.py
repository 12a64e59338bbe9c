"""The unit, the compose file and the manifests of Kubernetes fit the image, the configuration and each other: ports,
paths, users, and that nobody is killed while it drains."""

import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.model import Configuration
from proxy.settings.load import load

ROOT = Path(__file__).parents[2]
IMAGE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
MANIFESTS: dict[str, dict[str, Any]] = {
    document["kind"]: document
    for document in yaml.safe_load_all((ROOT / "config/kubernetes.yaml").read_text(encoding="utf-8"))
}
POD: dict[str, Any] = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
CONTAINER: dict[str, Any] = POD["containers"][0]
USER, GROUP = map(int, re.findall(r"^USER (\d+):(\d+)$", IMAGE, re.MULTILINE)[0])
FILE = re.findall(r"RESOURCE_PROXY_CONFIG=(\S+)", IMAGE)[0]
OURS = ["proxy", "demo", "replica-1", "replica-2"]


@pytest.fixture
def deployed(tmp_path: Path) -> Configuration:
    """The file in the ConfigMap, with secrets that are there."""
    text = MANIFESTS["ConfigMap"]["data"]["proxy.yaml"]
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef\n", encoding="utf-8")
    secret.chmod(0o400)
    file = tmp_path / "proxy.yaml"
    file.write_text(re.sub(r"\$\{file:[^}]*\}", f"${{file:{secret}}}", text), encoding="utf-8")
    return load(file, {})


def selectors(part: Any) -> Iterator[dict[str, str]]:
    """Every set of labels that something of ours is chosen by, or bears."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("matchLabels", "labels", "selector") and "matchLabels" not in value:
                yield value
            yield from selectors(value)
    elif isinstance(part, list):
        for value in part:
            yield from selectors(value)


def test_the_file_of_the_manifests_is_good(deployed: Configuration) -> None:
    assert deployed.rules
    assert not deployed.dangers
    assert deployed.admin_password is not None  # whoever is in the cluster reaches the listener


def test_the_manifests_speak_of_one_thing() -> None:
    foreign = {"kubernetes.io/metadata.name", "app.kubernetes.io/name"}
    for document in MANIFESTS.values():
        assert document["metadata"]["name"] == "resource-proxy"
        for labels in selectors(document):
            assert labels.keys() <= foreign
    mine = {"app.kubernetes.io/name": "resource-proxy"}
    chosen = MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"]
    assert chosen == MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"] == mine
    assert MANIFESTS["Service"]["spec"]["selector"] == mine
    assert MANIFESTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == mine
    assert MANIFESTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == mine
    target = MANIFESTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", "resource-proxy")


def test_ports_are_those_of_the_file(deployed: Configuration) -> None:
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert deployed.admin_listen is not None
    assert ports == {"http": deployed.listen.port, "admin": deployed.admin_listen.port}
    assert f"EXPOSE {ports['http']}" in IMAGE
    assert f"127.0.0.1:{ports['http']}/healthz" in IMAGE
    let_in = [each["port"] for rule in MANIFESTS["NetworkPolicy"]["spec"]["ingress"] for each in rule["ports"]]
    used = [CONTAINER[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    to = [port["targetPort"] for port in MANIFESTS["Service"]["spec"]["ports"]]
    assert {*let_in, *used, *to} == ports.keys()
    let_out = [each["port"] for rule in MANIFESTS["NetworkPolicy"]["spec"]["egress"] for each in rule["ports"]]
    assert deployed.state is not None
    assert {deployed.state.address.port, 443, 53} <= set(let_out)


def test_the_pod_is_as_tight_as_the_image() -> None:
    who = POD["securityContext"]
    assert (who["runAsUser"], who["runAsGroup"], who["fsGroup"], who["runAsNonRoot"]) == (USER, GROUP, GROUP, True)
    assert CONTAINER["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["automountServiceAccountToken"] is False


def test_secrets_and_file_are_where_they_are_looked_for() -> None:
    mounted = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert f"{mounted['configuration']}/proxy.yaml" == FILE
    text = MANIFESTS["ConfigMap"]["data"]["proxy.yaml"]
    named = set(re.findall(r"\$\{file:([^}]*)\}", text))
    made = re.findall(r"--from-literal=([\w-]+)=", (ROOT / "config/kubernetes.yaml").read_text(encoding="utf-8"))
    assert named == {f"{mounted['secrets']}/{name}" for name in made}
    (secret,) = (volume["secret"] for volume in POD["volumes"] if "secret" in volume)
    assert secret["defaultMode"] & 0o007 == 0  # else `check` refuses it


def test_nobody_is_killed_while_it_drains(deployed: Configuration) -> None:
    drain = deployed.limits.drain
    pause = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    assert POD["terminationGracePeriodSeconds"] > pause + drain
    for name in OURS:
        assert int(COMPOSE["services"][name]["stop_grace_period"].removesuffix("s")) > drain
    assert int(unit()["Service"]["TimeoutStopSec"]) > drain


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # systemd's names have capitals
    parser.read(ROOT / "config/resource-proxy.service", encoding="utf-8")
    return parser


def test_the_unit_is_told_what_the_process_does() -> None:
    service = unit()["Service"]
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) >= 10
    assert "AF_UNIX" in service["RestrictAddressFamilies"]  # to tell it


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_compose_is_as_tight(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert f"./config:{Path(FILE).parent}:ro" in service["volumes"]


def test_the_replicas_of_compose_are_those_of_their_file() -> None:
    configuration = load(ROOT / "config/replicas.yaml", {})
    assert configuration.state is not None
    assert configuration.state.address.host in COMPOSE["services"]
    front = (ROOT / "config/Caddyfile").read_text(encoding="utf-8")
    asked = re.findall(r"reverse_proxy (.*) \{", front)[0].split()
    assert asked == [f"{name}:{configuration.listen.port}" for name in OURS if name.startswith("replica")]
    assert "noeviction" in COMPOSE["services"]["redis"]["command"]
