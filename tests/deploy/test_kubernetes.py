"""The Kubernetes files: valid against the published schemas, and of one mind with the service's settings."""

from __future__ import annotations

from typing import Any, Final

import pytest
import yaml

from app.settings import PROJECT, Settings

kubernetes_validate = pytest.importorskip(
    "kubernetes_validate", reason="kubernetes-validate is not installed (make deploy-check)"
)

FOLDER: Final = PROJECT / "docker/kubernetes"
OBJECTS: Final[dict[str, Any]] = {
    path.name: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml"
}
# The oldest and the newest of the releases that are maintained, roughly.
VERSIONS: Final = ("1.34", "1.37")


@pytest.fixture
def pod() -> dict[str, Any]:
    return dict(OBJECTS["deployment.yaml"]["spec"]["template"]["spec"])


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    [container] = pod["containers"]
    return dict(container)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_object_is_valid_to_the_letter(name: str, version: str) -> None:
    kubernetes_validate.validate(OBJECTS[name], version, strict=True)


def test_object_with_a_misspelt_field_is_refused() -> None:
    deployment = OBJECTS["deployment.yaml"]
    spelt_wrong = deployment | {"spec": deployment["spec"] | {"replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(spelt_wrong, VERSIONS[-1], strict=True)


def test_kustomization_names_every_object() -> None:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    assert set(kustomization["resources"]) == OBJECTS.keys()


def test_every_selector_finds_the_pods() -> None:
    labels = OBJECTS["deployment.yaml"]["spec"]["template"]["metadata"]["labels"]
    selectors = (
        OBJECTS["deployment.yaml"]["spec"]["selector"]["matchLabels"],
        OBJECTS["service.yaml"]["spec"]["selector"],
        OBJECTS["disruption.yaml"]["spec"]["selector"]["matchLabels"],
        OBJECTS["network.yaml"]["spec"]["podSelector"]["matchLabels"],
    )
    assert all(selector == labels for selector in selectors)
    target = OBJECTS["autoscaler.yaml"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", OBJECTS["deployment.yaml"]["metadata"]["name"])


def test_every_port_leads_to_the_containers(container: dict[str, Any]) -> None:
    [port] = container["ports"]
    assert port["containerPort"] == Settings().port
    probes = [container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    outer = [OBJECTS["service.yaml"]["spec"]["ports"][0]["targetPort"]]
    allowed = [OBJECTS["network.yaml"]["spec"]["ingress"][0]["ports"][0]["port"]]
    assert {*probes, *outer, *allowed} == {port["name"]}


def test_probes_ask_what_they_act_on(container: dict[str, Any]) -> None:
    asked = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def test_pod_stops_within_its_grace_and_is_left_alone_first(pod: dict[str, Any], container: dict[str, Any]) -> None:
    settings = Settings()
    assert pod["terminationGracePeriodSeconds"] >= settings.drain_delay_s + settings.shutdown_timeout_s
    readiness = container["readinessProbe"]
    assert readiness["periodSeconds"] * readiness["failureThreshold"] < settings.drain_delay_s


def test_no_variable_of_kubernetes_is_taken_for_a_setting(pod: dict[str, Any]) -> None:
    assert OBJECTS["service.yaml"]["metadata"]["name"] == "digits"
    assert pod["enableServiceLinks"] is False  # DIGITS_PORT=tcp://10.0.0.1:80


def test_pod_has_no_right_that_it_need_not(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_container_settings_are_the_services(container: dict[str, Any]) -> None:
    assert {variable["name"] for variable in container["env"]} <= {f"DIGITS_{name.upper()}" for name in Settings.model_fields}
