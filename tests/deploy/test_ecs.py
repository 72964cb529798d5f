"""The CloudFormation templates: linted, made in moto, and held against the service's settings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from app.settings import PROJECT, Settings

cfnlint = pytest.importorskip("cfnlint.decode", reason="cfn-lint is not installed (make deploy-check)")
import moto  # noqa: E402

from tests.deploy.stacks import DESCRIBE, Stack, certificate, describe_attributes, describe_service, make_stack, network  # noqa: E402

ECS: Final = PROJECT / "docker/ecs"
REGIONS: Final = ("us-east-1", "eu-central-1")
IMAGE: Final = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/digits:1"
# moto makes nothing of these; cfn-lint has checked them.
NOT_IN_MOTO: Final = {
    "fargate": {
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::SecretsManager::Secret",
    },
}
NOT_IN_MOTO["gpu"] = NOT_IN_MOTO["fargate"] | {"AWS::ECS::CapacityProvider", "AWS::ECS::ClusterCapacityProviderAssociations"}


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    """AWS, in this process's memory."""
    with pytest.MonkeyPatch.context() as patch, moto.mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        yield


@pytest.fixture(scope="module", params=NOT_IN_MOTO)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def stack(variant: str, aws: None) -> Stack:
    parameters = {"Image": IMAGE, "ApiKeyHashes": "0" * 64} | network()
    if variant == "gpu":  # and HTTPS
        parameters |= {"Compute": "GPU", "CertificateArn": certificate()}
    return make_stack(ECS / "service.yaml", f"digits-{variant}", **parameters)


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """The properties of each resource as they are written: moto does not tell all of them."""
    content, _ = cfnlint.decode(str(ECS / "service.yaml"))
    return {name: resource["Properties"] for name, resource in content["Resources"].items()}


@pytest.fixture(scope="module")
def container(stack: Stack) -> dict[str, Any]:
    [container] = DESCRIBE["AWS::ECS::TaskDefinition"](stack.physical_id("Task"))["containerDefinitions"]
    return dict(container)


def test_templates_at_the_strictest_are_clean() -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--regions", *REGIONS, "--"]
    result = subprocess.run([*command, *sorted(ECS.glob("*.yaml"))], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_repository_stack_keeps_tags_as_they_are() -> None:
    stack = make_stack(ECS / "repository.yaml", "repository")
    repository = DESCRIBE["AWS::ECR::Repository"](stack.physical_id("Repository"))
    assert stack.status == "CREATE_COMPLETE"
    assert repository["imageTagMutability"] == "IMMUTABLE"


def test_stack_is_complete_and_each_resource_is_found(stack: Stack, variant: str, measured: list[str]) -> None:
    assert stack.status == "CREATE_COMPLETE"
    assert stack.unsupported == NOT_IN_MOTO[variant]
    for resource in stack.resources:
        kind, physical_id = resource["ResourceType"], resource["PhysicalResourceId"]
        if kind == "AWS::ECS::Service":
            assert describe_service(stack.physical_id("Cluster"), physical_id)["status"] == "ACTIVE"
        else:
            assert DESCRIBE[kind](physical_id), kind
    measured.append(f"{variant}: {len(stack.resources)} resources found; not in moto: {', '.join(sorted(stack.unsupported))}")


def test_service_rolls_back_what_does_not_become_ready(template: dict[str, Any]) -> None:
    deployment = template["Service"]["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert deployment["MinimumHealthyPercent"] == 100


def test_target_group_asks_whether_to_send_traffic(stack: Stack) -> None:
    group = DESCRIBE["AWS::ElasticLoadBalancingV2::TargetGroup"](stack.physical_id("TargetGroup"))
    assert (group["HealthCheckPath"], group["Port"], group["TargetType"]) == ("/readyz", 8000, "ip")


def test_stopping_takes_no_longer_than_it_is_given(stack: Stack, container: dict[str, Any]) -> None:
    settings = Settings()
    attributes = describe_attributes(stack.physical_id("TargetGroup"))
    assert container["stopTimeout"] >= settings.drain_delay_s + settings.shutdown_timeout_s
    slowest_request_s = settings.body_timeout_s + settings.request_timeout_ms / 1000
    assert int(attributes["deregistration_delay.timeout_seconds"]) >= slowest_request_s


def test_load_balancer_closes_idle_connections_before_the_service_does(template: dict[str, Any]) -> None:
    attributes = {pair["Key"]: pair["Value"] for pair in template["LoadBalancer"]["LoadBalancerAttributes"]}
    assert int(attributes["idle_timeout.timeout_seconds"]) < Settings().keep_alive_s


def test_container_may_do_nothing_that_it_need_not(container: dict[str, Any]) -> None:
    assert container["readonlyRootFilesystem"] is True
    assert container["user"] == "10001:10001"
    assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert [secret["name"] for secret in container["secrets"]] == ["DIGITS_API_KEYS"]


def test_container_settings_are_the_services(container: dict[str, Any]) -> None:
    known = {f"DIGITS_{name.upper()}" for name in Settings.model_fields}
    assert {variable["name"] for variable in container["environment"] + container["secrets"]} <= known


def test_gpu_task_has_one_and_insists_on_it(variant: str, container: dict[str, Any]) -> None:
    gpus = {"gpu": [{"value": "1", "type": "GPU"}], "fargate": []}[variant]
    assert container.get("resourceRequirements", []) == gpus
    assert {"name": "DIGITS_PROVIDER", "value": "cuda" if gpus else "cpu"} in container["environment"]


def test_roles_name_what_they_open(template: dict[str, Any]) -> None:
    [policy] = template["ExecutionRole"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    everywhere = [statement["Action"] for statement in statements if statement["Resource"] == "*"]
    assert everywhere == ["ecr:GetAuthorizationToken"]  # which AWS gives for the whole registry only
    assert not any("*" in action for statement in statements for action in statement["Action"])
    assert template["TaskRole"].keys() == {"AssumeRolePolicyDocument"}
