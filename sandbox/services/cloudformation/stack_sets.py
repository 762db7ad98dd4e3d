"""Stack sets: one child stack for each account and region. With self-managed permissions, through two roles.

CloudFormation assumes the administration role, with it the execution role, and as that makes each child stack: what the
child's resources need, the execution role must be allowed. Regions are worked on one after the other, whatever
``RegionConcurrencyType`` says; with PARALLEL a region that fails stops no other.

*Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/what-is-cfnstacksets.html and the pages beside
it; sentences as aws-solutions/aws-control-tower-customizations issues 28 and 109, ansible-collections/community.aws
issue 103 and awslabs/aws-well-architected-labs issue 973 quote them.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError, Need
from sandbox.core.iam import authorization, identity, trust
from sandbox.core.registry import SERVICES
from sandbox.services.cloudformation import service_managed
from sandbox.services.cloudformation.stack_models import PRINCIPAL
from sandbox.services.cloudformation.stack_set_models import Instance, Operation, StackSet
from sandbox.services.cloudformation.stacks import CloudFormation
from sandbox.services.organizations.organization import organization_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sandbox.core.account import Account
    from sandbox.core.call import Call, Caller

#: A child stack takes no longer.
_LONGEST = 600.0

_READS = ("DescribeStacks", "ListStacks", "DescribeStackDriftDetectionStatus")

_CANCELLED = "Cancelled since failure tolerance has exceeded"


class InstanceFailedError(Exception):
    """A child stack is not as it should be; the text is the reason its instance gives."""


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
        manages = (stack_set.settings.get("ManagedExecution") or {}).get("Active")
        if not manages and any(each.status == "RUNNING" for each in stack_set.operations.values()):
            message = f"Another Operation on StackSet {stack_set.arn} is in progress"
            raise AwsError("OperationInProgressException", message, 409)
        if not stack_set.is_service_managed:
            self._check_administration_role(stack_set)
        operation_id = call.params.get("OperationId") or str(uuid.uuid4())
        if operation_id in stack_set.operations:
            raise AwsError("OperationIdAlreadyExistsException", f"Operation {operation_id} exists already.", 409)
        return self._new_operation(stack_set, action, call.params, operation_id)

    def _new_operation(self, stack_set: StackSet, action: str, params: dict[str, Any], operation_id: str) -> Operation:
        preferences = dict(params.get("OperationPreferences") or {})
        operation = Operation(operation_id, action, preferences, self.account.now(), retain=params.get("RetainStacks"))
        stack_set.operations[operation_id] = operation
        return operation

    def _check_administration_role(self, stack_set: StackSet) -> None:
        role = authorization.role_by_arn(self.account, stack_set.administration_role_arn)
        # Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-prereqs-self-managed.html
        context = {"aws:SourceAccount": stack_set.account, "aws:SourceArn": stack_set.arn}
        if role is None or not trust.trusts(role, PRINCIPAL, context):
            name = Arn.parse(stack_set.administration_role_arn).name
            message = f"Account {stack_set.account} should have '{name}' role with trust relationship to CloudFormation"
            raise AwsError("ValidationError", f"{message} service.")

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
            reason = failure.response["Error"].get("Message", "") if isinstance(failure, ClientError) else str(failure)
            instance.status, instance.detailed, instance.reason = broken, "FAILED", reason
            return False
        instance.status, instance.detailed = "CURRENT", "SUCCEEDED"
        return True

    def _execution_session(self, stack_set: StackSet, instance: Instance) -> Caller:
        """The execution role, assumed with the administration role, which IAM lets it."""
        account, name = self.account, stack_set.execution_role_name
        administration = authorization.role_by_arn(account, stack_set.administration_role_arn)
        arn = f"arn:aws:iam::{instance.account}:role/{name}"
        execution = authorization.role_by_arn(account, arn) if instance.account == account.account_id else None
        if administration is None or execution is None or not trust.allows(execution, administration.arn):
            administrator = stack_set.administration_role_arn.rsplit(":role/", 1)[-1]
            raise InstanceFailedError(
                f"Account {instance.account} should have '{name}' role with trust relationship to Role "
                f"'{administrator}'."
            )
        needs = [Need("sts:AssumeRole", arn)]
        if authorization.missing_permission(
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
        missing = authorization.missing_permission(
            self.account, execution, needs, service=PRINCIPAL, operation="cloudformation:ListStacks",
            region=instance.region,
        )  # fmt: skip
        if missing is not None:
            raise InstanceFailedError(f"The execution role is not authorized to perform: {missing.action}")

    def _client(self, stack_set: StackSet, instance: Instance) -> Any:
        if stack_set.is_service_managed:
            account = self.account.accounts.get(instance.account)
            if account is None:
                raise InstanceFailedError(f"Account {instance.account} does not exist")
            caller = service_managed.execution_caller(stack_set, account)
            return account.client("cloudformation", instance.region, caller=caller, invoked_by=PRINCIPAL)
        caller = self._execution_session(stack_set, instance)
        return self.account.client("cloudformation", instance.region, caller=caller, invoked_by=PRINCIPAL)

    # ---- automatic deployment

    def follow_organization(self, account_id: str) -> None:
        """Create and delete instances after an account was moved, has joined or has left.

        A switch decides whether an account that has left its organization keeps its stacks.
        """
        organization = organization_of(self.account)
        if organization is None:
            return
        for stack_set in self.sets.values():
            if not stack_set.deploys_automatically:
                continue
            has_filters = self.account.behaviour.automatic_deployment_keeps_account_filters
            wanted = service_managed.all_wanted(organization, stack_set, has_filters=has_filters)
            of_account = {target: unit for target, unit in wanted.items() if target[0] == account_id}
            for (_, region), unit in of_account.items():
                instance = stack_set.instances.setdefault(
                    (account_id, region), Instance(account_id, region, [], unit_id=unit)
                )
                instance.unit_id = unit
            made = [target for target in of_account if stack_set.instances[target].stack_id is None]
            removed = [target for target in stack_set.instances if target[0] == account_id and target not in of_account]
            retain = bool(stack_set.settings["AutoDeployment"].get("RetainStacksOnAccountRemoval"))
            has_left = account_id not in organization.parents
            retain = retain or (has_left and self.account.behaviour.leaving_accounts_keep_stacks)
            self._run_automatically(stack_set, "CREATE", made, self.make(stack_set))
            self._run_automatically(stack_set, "DELETE", removed, self.remove(stack_set, retain=retain))

    def _run_automatically(
        self, stack_set: StackSet, action: str, targets: list[tuple[str, str]], step: Callable[[Instance], None]
    ) -> None:
        if not targets:
            return
        operation = self._new_operation(stack_set, action, {}, str(uuid.uuid4()))
        chosen = [stack_set.instances[target] for target in targets]
        broken = "OUTDATED" if action == "CREATE" else "INOPERABLE"
        self.account.service(CloudFormation).run(lambda: self._run(operation, chosen, step, broken))

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
            reason = "; ".join(reversed(reasons)) or found.get("StackStatusReason", "")
            raise InstanceFailedError(f"ResourceLogicalId:{_failed(events)}, ResourceStatusReason:{reason}")


def _failed(events: list[dict[str, Any]]) -> str:
    return next((each["LogicalResourceId"] for each in reversed(events) if "FAILED" in each["ResourceStatus"]), "")


def _tolerance(operation: Operation, accounts: int) -> int:
    """How many accounts of one region may fail.

    *Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackSetOperationPreferences.html
    """
    preferences = operation.preferences
    if "FailureTolerancePercentage" in preferences:
        return int(preferences["FailureTolerancePercentage"]) * accounts // 100
    return int(preferences.get("FailureToleranceCount", 0))


SERVICES.append(StackSets)
