"""``python -m tools.translate FOLDER``: write all templates and their policy documents in the form that linters need.

``FOLDER/template.json`` is the template after the serverless transform. The templates of its nested stacks and of the
stack sets are beside it, as in ``FOLDER/organization.json``. ``FOLDER/policies/VARIANT/RESOURCE.WHERE.json`` are the
policy documents for one set of parameters, with a value in place of every function of CloudFormation. Names and ARNs of
resources are samples: nothing is deployed.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.services.cloudformation import template_functions, templates

ROOT = Path(__file__).parent.parent
TEMPLATE = ROOT / "template.yaml"
ACCOUNT, REGION, STACK = "123456789012", "eu-west-1", "log-keeper"
FURTHER_REGION = "us-east-1"

#: Parameters with which the template creates all its resources.
EVERYTHING = {
    "Regions": f"{FURTHER_REGION},ap-southeast-2",
    "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/Boundary",
    "RolePath": "/platform/",
    "RoleNamePrefix": "org-",
    "AlarmEmail": "ops@example.com",
    "CreateTrail": "Yes",
    "ForwardAccessLogsTo": f"arn:aws:logs:{REGION}:210987654321:destination:siem",
    "ForwardExecutionLogsTo": f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/siem",
    "ForwardRoleArn": f"arn:aws:iam::{ACCOUNT}:role/ForwardLogs",
    "OrganizationId": "o-a1b2c3d4e5",
    "MemberOUs": "ou-ab12-12345678",
    "EnforceOUs": "ou-ab12-12345678",
}
#: Sets of parameters that together produce every variant of every policy.
VARIANTS: dict[str, dict[str, str]] = {
    "default": {},
    "audit": {"Mode": "Audit"},
    "owners-role": {"LogRoleArn": f"arn:aws:iam::{ACCOUNT}:role/OwnersLogRole"},
    "everything": EVERYTHING,
}

#: Nested stacks and stack sets, and the region of the stacks of a stack set. None: a nested stack, whose policies are
#: written with those of the stack.
EMBEDDED = {
    "Organization": None,
    "Observability": None,
    "Forwarders": FURTHER_REGION,
    "Members": REGION,
    "Enforcement": REGION,
}

#: Formats of ARNs by resource type.
_ARNS = {
    "AWS::Events::EventBus": "arn:aws:events:{region}:{account}:event-bus/{name}",
    "AWS::Events::Rule": "arn:aws:events:{region}:{account}:rule/{name}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{name}",
    "AWS::KMS::Key": "arn:aws:kms:{region}:{account}:key/{name}",
    "AWS::Lambda::Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "AWS::Scheduler::ScheduleGroup": "arn:aws:scheduler:{region}:{account}:schedule-group/{name}",
}
NESTED_STACK = "AWS::CloudFormation::Stack"
#: Types whose Ref is their ARN.
_REFERRED_TO_BY_ARN = frozenset({"AWS::SNS::Topic"})


def translated() -> dict[str, Any]:
    """Return the template after the serverless transform, as if the functions' package had been uploaded."""
    template = templates.parse_source(TEMPLATE.read_text())
    template["Globals"]["Function"]["CodeUri"] = "s3://packages/log-keeper"
    return templates.expand(template, {}, REGION, dict, _nothing)


def embedded(resources: Mapping[str, Any], name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the template of a nested stack or stack set, and the parameters that it gets.

    ``resources``: properties of the resources of the template that contains it, as ``resolved`` returns them.
    """
    properties = resources[name]
    given = properties["Parameters"]
    if isinstance(given, list):
        given = {each["ParameterKey"]: each["ParameterValue"] for each in given}
    return templates.parse_source((ROOT / properties["TemplateURL"]).read_text()), given


def resolved_with_nested_stacks(
    template: Mapping[str, Any], parameters: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return the properties of the resources of a template and of its nested stacks, by logical id."""
    found = resolved(template, parameters)
    nested = [name for name in found if template["Resources"][name]["Type"] == NESTED_STACK]
    return found | {
        logical_id: properties for name in nested for logical_id, properties in resolved(*embedded(found, name)).items()
    }


def resolved(
    template: Mapping[str, Any], parameters: Mapping[str, str], region: str = REGION
) -> dict[str, dict[str, Any]]:
    """Return the properties of the resources that these parameters create, by logical id, with functions evaluated."""

    def resource_type(logical_id: str) -> str:
        return str(template["Resources"][logical_id]["Type"])

    def name(logical_id: str) -> str:
        sample = f"{STACK}-{logical_id}-SAMPLE"
        return sample.lower() if resource_type(logical_id) == "AWS::S3::Bucket" else sample

    def attribute(logical_id: str, wanted: str) -> str:
        if wanted != "Arn":
            return f"{name(logical_id)}.{wanted}"
        return _ARNS[resource_type(logical_id)].format(region=region, account=ACCOUNT, name=name(logical_id))

    def reference(logical_id: str) -> str:
        return attribute(logical_id, "Arn") if resource_type(logical_id) in _REFERRED_TO_BY_ARN else name(logical_id)

    stack_id = f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{STACK}/0"
    values = templates.parameter_values(template, parameters, _nothing)
    values |= templates.pseudo_parameters(ACCOUNT, region, STACK, stack_id)
    scope = template_functions.Scope(template, values, reference, attribute, _nothing)
    return {
        logical_id: scope.evaluate(declaration.get("Properties") or {})
        for logical_id, declaration in template["Resources"].items()
        if scope.wanted(declaration)
    }


def policy_documents(value: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each policy document in the value, at any depth, with its path: the keys that lead to it."""
    match value:
        case {"Version": _, "Statement": _}:
            yield ".".join(where), value
        case dict():
            for key, inner in value.items():
                yield from policy_documents(inner, (*where, key))
        case list():
            for number, inner in enumerate(value):
                yield from policy_documents(inner, (*where, str(number)))


def _with_resource(trust: dict[str, Any]) -> dict[str, Any]:
    """Return the trust policy with its role as resource. Trust policies have no resource, but linters require one."""
    role = f"arn:aws:iam::{ACCOUNT}:role/{STACK}"
    return {**trust, "Statement": [{**statement, "Resource": role} for statement in trust["Statement"]]}


def _nothing(name: str) -> str:
    raise LookupError(f"the template refers to {name}, which it does not define")


def main(folder: Path) -> None:
    """Write the translated templates and the policies of all variants into the folder, and delete its older content."""
    shutil.rmtree(folder, ignore_errors=True)
    template = translated()
    for variant, parameters in VARIANTS.items():
        _write_policies(folder / "policies" / variant, resolved_with_nested_stacks(template, parameters))
    resources = resolved_with_nested_stacks(template, EVERYTHING)
    _write_template(folder / "template.json", template, EVERYTHING)
    for name, region in EMBEDDED.items():
        child, given = embedded(resources, name)
        file = Path(resources[name]["TemplateURL"]).stem
        if region is not None:
            _write_policies(folder / "policies" / file, resolved(child, given, region))
        _write_template(folder / f"{file}.json", child, given)


def _write_template(path: Path, template: dict[str, Any], parameters: Mapping[str, str]) -> None:
    """Write the template, whose nested stacks have the templates beside it.

    Linters evaluate only the resources that the defaults of the parameters create.
    """
    for resource in template["Resources"].values():
        if resource["Type"] == NESTED_STACK:
            resource["Properties"]["TemplateURL"] = f"{Path(resource['Properties']['TemplateURL']).stem}.json"
    for parameter, value in parameters.items():
        template["Parameters"][parameter]["Default"] = value
    path.write_text(json.dumps(template, indent=2))


def _write_policies(folder: Path, resources: Mapping[str, Any]) -> None:
    """Write each policy document of the resources into a file of the folder, which it creates."""
    folder.mkdir(parents=True)
    for where, document in policy_documents(resources):
        readable = _with_resource(document) if where.endswith("AssumeRolePolicyDocument") else document
        (folder / f"{where}.json").write_text(json.dumps(readable, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
