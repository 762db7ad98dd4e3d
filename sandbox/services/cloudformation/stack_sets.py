"""Stack sets with self-managed permissions: one child stack for each account and region, through two roles.

CloudFormation assumes the administration role, with it the execution role, and as that makes each child stack: what the
child's resources need, the execution role must be allowed. Regions are worked on one after the other, whatever
``RegionConcurrencyType`` says; with PARALLEL a region that fails stops no other.

*Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/what-is-cfnstacksets.html and the pages beside
it; sentences as aws-solutions/aws-control-tower-customizations issues 28 and 109, ansible-collections/community.aws
issue 103 and awslabs/aws-well-architected-labs issue 973 quote them.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sandbox.core.call import AwsError, Need
from sandbox.core.iam import authorization, identity, trust
from sandbox.core.iam.policies import Decision, evaluate, load
from sandbox.core.registry import SERVICES, rule
from sandbox.core.resource_types import TemplateError
from sandbox.services.cloudformation import template_validation, templates
from sandbox.services.cloudformation.stack_models import PRINCIPAL
from sandbox.services.cloudformation.stacks import CloudFormation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from sandbox.core.account import Account
    from sandbox.core.call import Call, Caller
    from sandbox.core.registry import Proceed

_ADMINISTRATION, _EXECUTION = "AWSCloudFormationStackSetAdministrationRole", "AWSCloudFormationStackSetExecutionRole"
#: A child stack takes no longer.
_LONGEST = 600.0
_READS = ("DescribeStacks", "ListStacks", "DescribeStackDriftDetectionStatus")
_CANCELLED = "Cancelled since failure tolerance has exceeded"


class InstanceFailedError(Exception):
    """A child stack is not as it should be; the text is the reason its instance gives."""


@dataclass(slots=True)
class Instance:
    """One stack of a set: one account, one region."""

    account: str
    region: str
    overrides: list[dict[str, str]]
    stack_id: str | None = None
    status: str = "OUTDATED"
    detailed: str = "PENDING"
    reason: str | None = None
    operation_id: str = ""


@dataclass(slots=True)
class Operation:
    """One operation on a set, its results in the order they came."""

    operation_id: str
    action: str
    preferences: dict[str, Any]
    created: datetime
    retain: bool | None = None
    status: str = "RUNNING"
    ended: datetime | None = None
    results: list[dict[str, str]] = field(default_factory=list)

    @property
    def failures(self) -> int:
        return sum(result["Status"] == "FAILED" for result in self.results)


@dataclass(slots=True)
class StackSet:
    """A stack set, as CreateStackSet and UpdateStackSet have made it."""

    stack_set_id: str
    name: str
    region: str
    account: str
    #: TemplateBody, Parameters, Capabilities, Tags, Description, AdministrationRoleARN ... under their names.
    settings: dict[str, Any]
    instances: dict[tuple[str, str], Instance] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:stackset/{self.stack_set_id}"

    @property
    def administration_role_arn(self) -> str:
        default = f"arn:aws:iam::{self.account}:role/{_ADMINISTRATION}"
        return str(self.settings.get("AdministrationRoleARN") or default)

    @property
    def execution_role_name(self) -> str:
        return str(self.settings.get("ExecutionRoleName") or _EXECUTION)


class StackSets:
    """The stack sets of the account."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.sets: dict[str, StackSet] = {}

    def start(self) -> None:
        """There are none."""
        self.sets.clear()

    def stop(self) -> None:
        """Operations run on CloudFormation's threads, and end with them."""

    def named(self, call: Call) -> StackSet:
        """The set that the call names, by name or id."""
        name = call.params["StackSetName"]
        for each in self.sets.values():
            if each.region == call.region and name in (each.name, each.stack_set_id, each.arn):
                return each
        raise AwsError("StackSetNotFoundException", f"StackSet {name} not found", 404)

    # ---- operations

    def operate(
        self,
        stack_set: StackSet,
        call: Call,
        action: str,
        targets: Iterable[tuple[str, str]],
        step: Callable[[Instance], None],
        *,
        broken: str = "OUTDATED",
    ) -> dict[str, str]:
        """*step* is done, or is being done, for each of the targets; those it fails for are *broken*."""
        operation = self._begin(stack_set, call, action)
        chosen = [stack_set.instances[target] for target in targets]
        self.account.service(CloudFormation).run(lambda: self._run(operation, chosen, step, broken))
        return {"OperationId": operation.operation_id}

    def _begin(self, stack_set: StackSet, call: Call, action: str) -> Operation:
        if any(each.status == "RUNNING" for each in stack_set.operations.values()):
            message = f"Another Operation on StackSet {stack_set.arn} is in progress"
            raise AwsError("OperationInProgressException", message, 409)
        role = authorization.role_by_arn(self.account, stack_set.administration_role_arn)
        # Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-prereqs-self-managed.html
        context = {"aws:SourceAccount": stack_set.account, "aws:SourceArn": stack_set.arn}
        if role is None or not trust.trusts(role, PRINCIPAL, context):
            name = stack_set.administration_role_arn.rsplit("/", 1)[-1]
            message = f"Account {stack_set.account} should have '{name}' role with trust relationship to CloudFormation"
            raise AwsError("ValidationError", f"{message} service.")
        operation_id = call.params.get("OperationId") or str(uuid.uuid4())
        if operation_id in stack_set.operations:
            raise AwsError("OperationIdAlreadyExistsException", f"Operation {operation_id} exists already.", 409)
        preferences = dict(call.params.get("OperationPreferences") or {})
        operation = Operation(
            operation_id, action, preferences, self.account.now(), retain=call.params.get("RetainStacks")
        )
        stack_set.operations[operation_id] = operation
        return operation

    def _run(
        self,
        operation: Operation,
        chosen: list[Instance],
        step: Callable[[Instance], None],
        broken: str,
    ) -> None:
        order = list(dict.fromkeys([*operation.preferences.get("RegionOrder", []), *(each.region for each in chosen)]))
        is_parallel = operation.preferences.get("RegionConcurrencyType") == "PARALLEL"
        is_failed = False
        for region in order:
            accounts = [each for each in chosen if each.region == region]
            failed = 0
            for instance in accounts:
                instance.operation_id = operation.operation_id
                if (is_failed and not is_parallel) or failed > _tolerance(operation, len(accounts)):
                    instance.detailed, instance.reason = "CANCELLED", _CANCELLED
                else:
                    failed += not self._do(instance, step, broken)
                result = {"Account": instance.account, "Region": region, "Status": instance.detailed}
                operation.results.append(result | ({"StatusReason": instance.reason} if instance.reason else {}))
            is_failed = is_failed or failed > _tolerance(operation, len(accounts))
        operation.ended = self.account.now()
        operation.status = "FAILED" if is_failed else "SUCCEEDED"

    def _do(self, instance: Instance, step: Callable[[Instance], None], broken: str) -> bool:
        instance.detailed, instance.reason = "RUNNING", None
        try:
            step(instance)
        except (InstanceFailedError, ClientError) as failure:
            told = failure.response["Error"].get("Message", "") if isinstance(failure, ClientError) else str(failure)
            instance.status, instance.detailed, instance.reason = broken, "FAILED", told
            return False
        instance.status, instance.detailed = "CURRENT", "SUCCEEDED"
        return True

    def _execution_session(self, stack_set: StackSet, instance: Instance) -> Caller:
        """The execution role, assumed with the administration role, which IAM lets it."""
        account, name = self.account, stack_set.execution_role_name
        administration = authorization.role_by_arn(account, stack_set.administration_role_arn)
        arn = f"arn:aws:iam::{instance.account}:role/{name}"
        execution = authorization.role_by_arn(account, arn) if instance.account == account.account_id else None
        if administration is None or execution is None or not _trusts(execution, administration.arn):
            administrator = stack_set.administration_role_arn.rsplit(":role/", 1)[-1]
            raise InstanceFailedError(
                f"Account {instance.account} should have '{name}' role with trust relationship to Role "
                f"'{administrator}'."
            )
        needs = [Need("sts:AssumeRole", arn)]
        if authorization.lacking(
            account, administration, needs, service=PRINCIPAL, operation="sts:AssumeRole", region=stack_set.region
        ):
            session = f"arn:aws:sts::{stack_set.account}:assumed-role/{administration.name}/{uuid.uuid4()}"
            raise InstanceFailedError(
                f"User: {session} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            )
        if account.behaviour.stack_sets_read_all_stacks:
            self._check_reads(execution, instance)
        credentials = identity.credentials_of_role(account, arn, stack_set.name[:64].ljust(2, "_"))
        return identity.caller_of_key(account, credentials["AccessKeyId"])

    def _check_reads(self, execution: Any, instance: Instance) -> None:
        """Check that the role may read every stack.

        *Source:* AWS's managed policy AWSQuickSetupPatchPolicyDeploymentRolePolicy, which allows these on everything
        """
        needs = [Need(f"cloudformation:{action}", "*") for action in _READS]
        lacks = authorization.lacking(
            self.account, execution, needs, service=PRINCIPAL, operation="cloudformation:ListStacks",
            region=instance.region,
        )  # fmt: skip
        if lacks is not None:
            raise InstanceFailedError(f"The execution role is not authorized to perform: {lacks.action}")

    def _client(self, stack_set: StackSet, instance: Instance) -> Any:
        caller = self._execution_session(stack_set, instance)
        return self.account.client("cloudformation", instance.region, caller=caller, invoked_by=PRINCIPAL)

    # ---- steps

    def make(self, stack_set: StackSet) -> Callable[[Instance], None]:
        """Makes an instance's stack, or changes the one it has."""

        def make(instance: Instance) -> None:
            client = self._client(stack_set, instance)
            parameters = {each["ParameterKey"]: each for each in stack_set.settings.get("Parameters", [])}
            parameters |= {each["ParameterKey"]: each for each in instance.overrides}
            wanted: dict[str, Any] = {
                "TemplateBody": stack_set.settings["TemplateBody"],
                "Parameters": [
                    {"ParameterKey": key, "ParameterValue": each.get("ParameterValue", "")}
                    for key, each in parameters.items()
                ],
                "Capabilities": stack_set.settings.get("Capabilities", []),
                "Tags": stack_set.settings.get("Tags", []),
            }
            if instance.stack_id is None:
                name = f"StackSet-{stack_set.name}-{uuid.uuid4()}"[:128]
                stack_id = client.create_stack(StackName=name, OnFailure="DELETE", **wanted)["StackId"]
                self._await(client, stack_id, "CREATE_COMPLETE")
                instance.stack_id = stack_id
                return
            try:
                client.update_stack(StackName=instance.stack_id, **wanted)
            except ClientError as error:
                if "No updates are to be performed" not in error.response["Error"].get("Message", ""):
                    raise
                return
            self._await(client, instance.stack_id, "UPDATE_COMPLETE")

        return make

    def remove(self, stack_set: StackSet, *, retain: bool) -> Callable[[Instance], None]:
        """Removes an instance's stack, unless it is to stay, and then the instance.

        For an instance that never got a stack nothing is called; what AWS does then is not recorded.
        """

        def remove(instance: Instance) -> None:
            if instance.stack_id is not None and not retain:
                client = self._client(stack_set, instance)
                client.delete_stack(StackName=instance.stack_id)
                self._await(client, instance.stack_id, "DELETE_COMPLETE")
            del stack_set.instances[instance.account, instance.region]

        return remove

    def _await(self, client: Any, stack_id: str, wanted: str) -> None:
        def described() -> dict[str, Any] | None:
            found: dict[str, Any] = client.describe_stacks(StackName=stack_id)["Stacks"][0]
            return None if found["StackStatus"].endswith("_IN_PROGRESS") else found

        found = self.account.wait_until(described, _LONGEST)
        assert found is not None
        if found["StackStatus"] != wanted:
            events = client.describe_stack_events(StackName=stack_id)["StackEvents"]
            reasons = [each.get("ResourceStatusReason", "") for each in events if "FAILED" in each["ResourceStatus"]]
            told = "; ".join(reversed(reasons)) or found.get("StackStatusReason", "")
            raise InstanceFailedError(f"ResourceLogicalId:{_failed(events)}, ResourceStatusReason:{told}")


def _failed(events: list[dict[str, Any]]) -> str:
    return next((each["LogicalResourceId"] for each in reversed(events) if "FAILED" in each["ResourceStatus"]), "")


def _trusts(role: Any, principal_arn: str) -> bool:
    statements = load(role.assume_role_policy_document).get("Statement", [])
    statements = statements if isinstance(statements, list) else [statements]
    document = {"Statement": [{"Resource": "*", **statement} for statement in statements]}
    return evaluate([document], "sts:AssumeRole", role.arn, {}, {"AWS": principal_arn}) is Decision.ALLOWED


def _tolerance(operation: Operation, accounts: int) -> int:
    """How many accounts of one region may fail.

    *Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackSetOperationPreferences.html
    """
    preferences = operation.preferences
    if "FailureTolerancePercentage" in preferences:
        return int(preferences["FailureTolerancePercentage"]) * accounts // 100
    return int(preferences.get("FailureToleranceCount", 0))


SERVICES.append(StackSets)

# --- the API -------------------------------------------------------------------------------------------------------

_SETTINGS = (
    "Description", "TemplateBody", "Parameters", "Capabilities", "Tags", "AdministrationRoleARN", "ExecutionRoleName",
    "PermissionModel", "ManagedExecution",
)  # fmt: skip


@rule("cloudformation", "CreateStackSet", blocking=True)
def create_stack_set(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The set exists and has no instances yet."""
    sets, name = account.service(StackSets), call.params["StackSetName"]
    if not re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", name):
        message = f"1 validation error detected: Value '{name}' at 'stackSetName' failed to satisfy constraint"
        raise AwsError("ValidationError", message)
    if any(each.name == name and each.region == call.region for each in sets.sets.values()):
        raise AwsError("NameAlreadyExistsException", f"StackSet {name} already exists", 409)
    _check_model(call)
    stack_set = StackSet(f"{name}:{uuid.uuid4()}", name, call.region, call.caller.account, {})
    stack_set.settings = _settings(account, call, {"PermissionModel": "SELF_MANAGED"})
    sets.sets[stack_set.stack_set_id] = stack_set
    return {"StackSetId": stack_set.stack_set_id}


def _check_model(call: Call) -> None:
    if call.params.get("PermissionModel", "SELF_MANAGED") != "SELF_MANAGED" or call.params.get("AutoDeployment"):
        raise AwsError("NotImplemented", "The sandbox has no organization, so no service-managed stack sets", 501)


def _settings(account: Account, call: Call, before: dict[str, Any]) -> dict[str, Any]:
    settings = {**before, **{name: call.params[name] for name in _SETTINGS if name in call.params}}
    if call.params.get("TemplateURL"):
        settings["TemplateBody"] = account.service(CloudFormation).fetch(call, call.params["TemplateURL"])
    if not settings.get("TemplateBody"):
        raise AwsError("ValidationError", "Either Template URL or Template Body must be specified.")
    try:
        template = templates.parse(settings["TemplateBody"])
        template_validation.check_names(template)
    except TemplateError as error:
        raise AwsError("ValidationError", str(error)) from error
    given = {each["ParameterKey"] for each in settings.get("Parameters") or []}
    unknown = given - (template.get("Parameters") or {}).keys()
    if unknown:
        message = f"Parameters: [{', '.join(sorted(unknown))}] do not exist in the template"
        raise AwsError("ValidationError", message)
    return settings


@rule("cloudformation", "UpdateStackSet", blocking=True)
def update_stack_set(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The set is as asked, and its instances are being made so."""
    sets = account.service(StackSets)
    stack_set = sets.named(call)
    _check_model(call)
    targets = _existing(stack_set, call) if call.params.get("Regions") else list(stack_set.instances)
    before = stack_set.settings if call.params.get("UsePreviousTemplate") else {}
    kept: dict[str, Any] = {
        name: stack_set.settings[name]
        for name in ("PermissionModel", "AdministrationRoleARN", "ExecutionRoleName")
        if name in stack_set.settings
    }
    stack_set.settings = _settings(account, call, {**kept, **before})
    return sets.operate(stack_set, call, "UPDATE", targets, sets.make(stack_set))


@rule("cloudformation", "DeleteStackSet")
def delete_stack_set(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """The set is gone, if it had no instances."""
    sets = account.service(StackSets)
    stack_set = sets.named(call)
    if stack_set.instances:
        raise AwsError("StackSetNotEmptyException", "StackSet is not empty", 409)
    del sets.sets[stack_set.stack_set_id]
    return {}


@rule("cloudformation", "CreateStackInstances", blocking=True)
def create_stack_instances(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The instances are being made; those that exist and are OUTDATED are tried again, the others stay as they are.

    *Source:* botocore's documentation of CreateStackInstances, OperationId
    """
    sets = account.service(StackSets)
    stack_set, targets = sets.named(call), _targets(call)
    overrides = call.params.get("ParameterOverrides") or []
    for account_id, region in targets:
        stack_set.instances.setdefault((account_id, region), Instance(account_id, region, overrides))
    return sets.operate(stack_set, call, "CREATE", targets, sets.make(stack_set))


@rule("cloudformation", "UpdateStackInstances", blocking=True)
def update_stack_instances(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The instances get these overrides, and are being changed."""
    sets = account.service(StackSets)
    stack_set = sets.named(call)
    targets = _existing(stack_set, call)
    if "ParameterOverrides" in call.params:
        for target in targets:
            stack_set.instances[target].overrides = call.params["ParameterOverrides"]
    return sets.operate(stack_set, call, "UPDATE", targets, sets.make(stack_set))


@rule("cloudformation", "DeleteStackInstances", blocking=True)
def delete_stack_instances(account: Account, call: Call, _: Proceed) -> dict[str, str]:
    """The instances are being removed; one whose stack cannot be is INOPERABLE."""
    sets = account.service(StackSets)
    stack_set, retain = sets.named(call), bool(call.params.get("RetainStacks"))
    targets = [target for target in _targets(call) if target in stack_set.instances]
    step = sets.remove(stack_set, retain=retain)
    return sets.operate(stack_set, call, "DELETE", targets, step, broken="INOPERABLE")


def _targets(call: Call) -> list[tuple[str, str]]:
    accounts = call.params.get("Accounts") or (call.params.get("DeploymentTargets") or {}).get("Accounts") or []
    regions = call.params.get("Regions") or []
    if not accounts or not regions:
        raise AwsError("ValidationError", "Accounts and Regions are required.")  # the wording is not recorded
    return [(account_id, region) for region in regions for account_id in accounts]


def _existing(stack_set: StackSet, call: Call) -> list[tuple[str, str]]:
    targets = _targets(call)
    for account_id, region in targets:
        if (account_id, region) not in stack_set.instances:
            message = f"Stack instance for account {account_id} and region {region} not found"
            raise AwsError("StackInstanceNotFoundException", message, 404)
    return targets


@rule("cloudformation", "DescribeStackSet")
def describe_stack_set(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """The set's settings."""
    stack_set = account.service(StackSets).named(call)
    described = {
        **stack_set.settings,
        "StackSetName": stack_set.name,
        "StackSetId": stack_set.stack_set_id,
        "StackSetARN": stack_set.arn,
        "Status": "ACTIVE",
        "AdministrationRoleARN": stack_set.administration_role_arn,
        "ExecutionRoleName": stack_set.execution_role_name,
        "Regions": sorted({each.region for each in stack_set.instances.values()}),
    }
    return {"StackSet": described}


@rule("cloudformation", "ListStackSets")
def list_stack_sets(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """The region's sets that are not deleted, on one page."""
    found = [each for each in account.service(StackSets).sets.values() if each.region == call.region]
    if call.params.get("Status") == "DELETED":
        found = []
    return {
        "Summaries": [
            {
                "StackSetName": each.name,
                "StackSetId": each.stack_set_id,
                "Status": "ACTIVE",
                "PermissionModel": "SELF_MANAGED",
            }
            for each in found
        ]
    }


def _described(stack_set: StackSet, instance: Instance) -> dict[str, Any]:
    described = {
        "StackSetId": stack_set.stack_set_id,
        "Account": instance.account,
        "Region": instance.region,
        "StackId": instance.stack_id,
        "Status": instance.status,
        "StackInstanceStatus": {"DetailedStatus": instance.detailed},
        "StatusReason": instance.reason,
        "DriftStatus": "NOT_CHECKED",
        "LastOperationId": instance.operation_id,
    }
    return {name: value for name, value in described.items() if value is not None}


@rule("cloudformation", "DescribeStackInstance")
def describe_stack_instance(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """One instance."""
    stack_set = account.service(StackSets).named(call)
    target = call.params["StackInstanceAccount"], call.params["StackInstanceRegion"]
    if target not in stack_set.instances:
        message = f"Stack instance for account {target[0]} and region {target[1]} not found"
        raise AwsError("StackInstanceNotFoundException", message, 404)
    instance = stack_set.instances[target]
    return {"StackInstance": _described(stack_set, instance) | {"ParameterOverrides": instance.overrides}}


@rule("cloudformation", "ListStackInstances")
def list_stack_instances(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """The set's instances, or those of one account or region, on one page."""
    stack_set, params = account.service(StackSets).named(call), call.params
    found = [
        _described(stack_set, each)
        for each in stack_set.instances.values()
        if params.get("StackInstanceAccount") in (None, each.account)
        and params.get("StackInstanceRegion") in (None, each.region)
    ]
    return {"Summaries": found}


def _operation(stack_set: StackSet, call: Call) -> Operation:
    found = stack_set.operations.get(call.params["OperationId"])
    if found is None:
        raise AwsError("OperationNotFoundException", f"Operation {call.params['OperationId']} not found", 404)
    return found


def _described_operation(stack_set: StackSet, operation: Operation) -> dict[str, Any]:
    failed = [result["StatusReason"] for result in operation.results if result["Status"] == "FAILED"]
    described = {
        "OperationId": operation.operation_id,
        "StackSetId": stack_set.stack_set_id,
        "Action": operation.action,
        "Status": operation.status,
        "OperationPreferences": operation.preferences,
        "RetainStacks": operation.retain,
        "AdministrationRoleARN": stack_set.administration_role_arn,
        "ExecutionRoleName": stack_set.execution_role_name,
        "CreationTimestamp": operation.created,
        "EndTimestamp": operation.ended,
        "StatusReason": "; ".join(dict.fromkeys(failed)) if operation.status == "FAILED" else None,
        "StatusDetails": {"FailedStackInstancesCount": operation.failures},
    }
    return {name: value for name, value in described.items() if value is not None}


@rule("cloudformation", "DescribeStackSetOperation")
def describe_stack_set_operation(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """One operation."""
    stack_set = account.service(StackSets).named(call)
    return {"StackSetOperation": _described_operation(stack_set, _operation(stack_set, call))}


@rule("cloudformation", "ListStackSetOperations")
def list_stack_set_operations(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """The set's operations, newest first, on one page."""
    stack_set = account.service(StackSets).named(call)
    left = ("OperationId", "Action", "Status", "CreationTimestamp", "EndTimestamp", "StatusReason", "StatusDetails",
            "OperationPreferences")  # fmt: skip
    described = [_described_operation(stack_set, each) for each in reversed(stack_set.operations.values())]
    return {"Summaries": [{name: each[name] for name in left if name in each} for each in described]}


@rule("cloudformation", "ListStackSetOperationResults")
def list_stack_set_operation_results(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """What an operation did, instance by instance, on one page."""
    stack_set = account.service(StackSets).named(call)
    return {"Summaries": list(_operation(stack_set, call).results)}
