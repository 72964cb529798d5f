"""CloudFormation stacks in moto, AWS's stand-in in this process, and how to look for what they made."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3

UNSUPPORTED: Final = re.compile(r"Tried to parse (\S+) but it's not supported")


@dataclass(frozen=True)
class Stack:
    """A stack that was made.

    Attributes:
        status: CloudFormation's word.
        resources: what moto made: type, logical and physical ids.
        unsupported: types of the template that moto makes nothing of.
    """

    status: str
    resources: list[dict[str, Any]]
    unsupported: set[str]

    def physical_id(self, logical_id: str) -> str:
        """What a name of the template became."""
        [found] = [resource["PhysicalResourceId"] for resource in self.resources if resource["LogicalResourceId"] == logical_id]
        return str(found)


def make_stack(template: Path, name: str, **parameters: str) -> Stack:
    """Make a stack in this region of moto's."""
    cloudformation = boto3.client("cloudformation")
    with warnings.catch_warnings(record=True, action="always") as caught:
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=template.read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        [description] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    return Stack(
        description["StackStatus"],
        [resource for resource in resources if "ResourceType" in resource],
        {found[1] for warning in caught if (found := UNSUPPORTED.search(str(warning.message)))},
    )


def network() -> dict[str, str]:
    """Moto's default VPC, as service.yaml's parameters."""
    ec2 = boto3.client("ec2")
    subnets = ",".join(subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"])
    return {"VpcId": ec2.describe_vpcs()["Vpcs"][0]["VpcId"], "PublicSubnets": subnets, "TaskSubnets": subnets}


def certificate() -> str:
    """The ARN of one for any domain."""
    return str(boto3.client("acm").request_certificate(DomainName="digits.example")["CertificateArn"])


def _describe(
    service: str, operation: str, answer: str, argument: str, *, many: bool = True
) -> Callable[[str], dict[str, Any]]:
    def describe(physical_id: str) -> dict[str, Any]:
        found = getattr(boto3.client(service), operation)(**{argument: [physical_id] if many else physical_id})[answer]
        [only] = found if isinstance(found, list) else [found]
        return dict(only)

    return describe


def describe_service(cluster: str, service: str) -> dict[str, Any]:
    """An ECS service, which is found in its cluster only."""
    [found] = boto3.client("ecs").describe_services(cluster=cluster, services=[service])["services"]
    return dict(found)


def describe_attributes(target_group: str) -> dict[str, str]:
    """A target group's attributes."""
    answer = boto3.client("elbv2").describe_target_group_attributes(TargetGroupArn=target_group)
    return {attribute["Key"]: attribute["Value"] for attribute in answer["Attributes"]}


# By resource type: the call that describes one by its physical id.
DESCRIBE: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "AWS::AutoScaling::AutoScalingGroup": _describe(
        "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", "AutoScalingGroupNames"
    ),
    "AWS::EC2::LaunchTemplate": _describe("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateIds"),
    "AWS::EC2::SecurityGroup": _describe("ec2", "describe_security_groups", "SecurityGroups", "GroupIds"),
    "AWS::ECR::Repository": _describe("ecr", "describe_repositories", "repositories", "repositoryNames"),
    "AWS::ECS::Cluster": _describe("ecs", "describe_clusters", "clusters", "clusters"),
    "AWS::ECS::TaskDefinition": _describe("ecs", "describe_task_definition", "taskDefinition", "taskDefinition", many=False),
    "AWS::ElasticLoadBalancingV2::Listener": _describe("elbv2", "describe_listeners", "Listeners", "ListenerArns"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _describe(
        "elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerArns"
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": _describe("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupArns"),
    "AWS::IAM::InstanceProfile": _describe("iam", "get_instance_profile", "InstanceProfile", "InstanceProfileName", many=False),
    "AWS::IAM::Role": _describe("iam", "get_role", "Role", "RoleName", many=False),
    "AWS::Logs::LogGroup": _describe("logs", "describe_log_groups", "logGroups", "logGroupNamePrefix", many=False),
}
