"""Stacks and change sets. CloudFormation creates each resource with ordinary API calls for the deployer.

This module replaces moto's own engine, which creates resources without a caller, records, permissions and rollback.
Resources are created one after the other, in the order of their dependencies.
"""

from __future__ import annotations

import re
import threading
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from sandbox.core.call import AwsError
from sandbox.core.iam import identity
from sandbox.core.registry import SERVICES
from sandbox.core.resource_types import TemplateError, is_known
from sandbox.services.cloudformation import template_validation, templates
from sandbox.services.cloudformation.stack_changes import check_capabilities
from sandbox.services.cloudformation.stack_models import PRINCIPAL, ChangeSet, Desired, Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.core.account import Account
    from sandbox.core.call import Call, Caller
    from sandbox.services.cloudformation.stack_models import HeldUpdate, Nesting

#: A call that starts work on a stack answers after the work, at the latest after this many seconds (AWS: at once).
#: Waiters of the clients poll every 5 to 30 seconds. This way their first call usually finds the work ended.
ANSWER_AFTER_SECONDS = 20.0


class CloudFormation:
    """The stacks and change sets of the account, in every region."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.stacks: dict[str, Stack] = {}
        self.change_sets: dict[str, ChangeSet] = {}
        #: Region and name of a nested stack -> the work on its parent, while that calls CloudFormation for it.
        self.nesting: dict[tuple[str, str], Nesting] = {}
        #: Id of a nested stack -> its update, while the update of its parent goes on.
        self.held: dict[str, HeldUpdate] = {}
        #: Guards ``stacks``, ``change_sets`` and the status of each stack.
        self.lock = threading.RLock()
        self._work: list[threading.Thread] = []

    def start(self) -> None:
        """Start without stacks and change sets."""
        self.stacks.clear()
        self.change_sets.clear()
        self.nesting.clear()
        self.held.clear()

    def stop(self) -> None:
        """Wait until the work on all stacks has ended."""
        for thread in self._work:
            thread.join()
        self._work.clear()

    # ---- finding

    def stack(self, region: str, name_or_id: str) -> Stack:
        """Return the stack, a deleted one only by its id. Raise AWS's error if there is none."""
        for stack in self.stacks.values():
            if stack.region != region:
                continue
            if name_or_id == stack.stack_id or (name_or_id == stack.name and stack.deleted is None):
                return stack
        raise AwsError("ValidationError", f"Stack with id {name_or_id} does not exist")

    def is_protected(self, stack: Stack) -> bool:
        """Return whether the stack is protected from deletion: a nested stack is if the outermost one is.

        *Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-protect-stacks.html
        """
        return self.stacks.get(stack.root_id or "", stack).termination_protection

    def change_set(self, region: str, name_or_id: str, stack_name: str | None) -> ChangeSet:
        """Return the change set by its ARN, or by its name and the name of its stack.

        *Source* of the refusals: LocalStack's ``test_delete_change_set_exception`` and its neighbours.
        """
        found = self.change_sets.get(name_or_id)
        if found is None and not name_or_id.startswith("arn:"):
            if stack_name is None:
                message = "StackName must be specified if ChangeSetName is not specified as an ARN."
                raise AwsError("ValidationError", message)
            try:
                stack = self.stack(region, stack_name)
            except AwsError as error:
                raise AwsError(error.code, f"Stack [{stack_name}] does not exist") from error
            found = next(
                (each for each in self.change_sets.values() if each.stack is stack and each.name == name_or_id), None
            )
        if found is None:
            raise AwsError("ChangeSetNotFound", f"ChangeSet [{name_or_id}] does not exist", 404)
        return found

    def exports(self, region: str) -> dict[str, tuple[str, Stack]]:
        """Return the region's exports: name, and a pair of value and exporting stack."""
        return {
            output["ExportName"]: (output["OutputValue"], stack)
            for stack in self.stacks.values()
            if stack.region == region and stack.deleted is None
            for output in stack.outputs
            if "ExportName" in output
        }

    # ---- making

    def new_stack(self, call: Call, status: str) -> Stack:
        """Create a stack with the name that the call gives, without resources."""
        name, region = call.params["StackName"], call.region
        if not re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", name):
            raise AwsError(
                "ValidationError",
                f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*|arn:[-a-zA-Z0-9:/._+]*",
            )
        partition = templates.pseudo_parameters(call.caller.account, region, name, "")["AWS::Partition"]
        stack_id = f"arn:{partition}:cloudformation:{region}:{call.caller.account}:stack/{name}/{uuid.uuid4()}"
        stack = Stack(stack_id, name, region, call.caller.account, self.account.now(), status)
        stack.notification_arns = call.params.get("NotificationARNs") or []
        stack.termination_protection = bool(call.params.get("EnableTerminationProtection"))
        if nesting := self.nesting.get((region, name)):
            parent = nesting.parent
            stack.parent_id, stack.root_id = parent.stack_id, parent.root_id or parent.stack_id
        self.stacks[stack_id] = stack
        return stack

    def desired(self, call: Call, stack: Stack | None) -> Desired:
        """Return the state that the call requests for a stack.

        Raise TemplateError or AwsError where AWS refuses the call.
        """
        params, before = call.params, stack.desired if stack else None
        body = params.get("TemplateBody")
        if params.get("UsePreviousTemplate") and before:
            body = before.body
        elif params.get("TemplateURL"):
            if urlsplit(params["TemplateURL"]).scheme not in {"http", "https"}:
                # Source: aws/aws-cli issue 2314, mlnrt/incident-response-and-forensic issue 1
                raise AwsError("ValidationError", "TemplateURL must be a supported URL.")
            body = self.fetch(call, params["TemplateURL"])
        if not body:
            raise AwsError("ValidationError", "Either Template URL or Template Body must be specified.")
        if params.get("TemplateBody"):
            template_validation.check_length(body)
        # sam writes the address of S3 that it used into TemplateURL, and reads it again in `sam delete`, which requires
        # an address of AWS. Source: samcli 1.170, ``S3Uploader.to_path_style_s3_url`` and ``parse_s3_url``.
        body = body.replace(f"{self.account.endpoint}/", f"https://s3.{call.region}.amazonaws.com/")
        given: dict[str, str] = {}
        for parameter in params.get("Parameters") or []:
            key = parameter["ParameterKey"]
            if parameter.get("UsePreviousValue"):
                if before is None or key not in before.parameters:
                    if before is None:
                        raise AwsError("ValidationError", f"Parameters: [{key}] must have values")
                    continue  # the parameter had its default value, and keeps it
                given[key] = before.parameters[key]
            else:
                given[key] = parameter.get("ParameterValue", "")
        original = templates.parse(body)
        values = templates.parameter_values(original, given, lambda name: self._stored_parameter(call, name))
        name = params["StackName"].split("/")[1] if ":" in params["StackName"] else params["StackName"]
        pseudo = templates.pseudo_parameters(call.caller.account, call.region, name, stack.stack_id if stack else "")
        del pseudo["AWS::NoValue"]
        plain = {key: ",".join(value) if isinstance(value, list) else value for key, value in values.items()}
        template = templates.expand(
            original,
            {**plain, **pseudo},
            call.region,
            lambda: self._managed_policies(call),
            lambda location: self.fetch(call, location),
        )
        types = {each["Type"] for each in template["Resources"].values()}
        unknown = sorted(each for each in types if not is_known(each))
        if unknown:
            raise TemplateError(
                f"Template format error: Unrecognized resource types: [{', '.join(unknown)}] (the sandbox lacks them)"
            )
        template_validation.check_structure(template)
        template_validation.check_names(template)
        template_validation.check_rules(template, {**pseudo, **values})
        template_validation.check_conditions(template, {**pseudo, **values})
        capabilities = tuple(params.get("Capabilities") or ())
        check_capabilities(template, capabilities)
        tags = (
            {tag["Key"]: tag["Value"] for tag in params["Tags"]}
            if "Tags" in params
            else dict(before.tags if before else {})
        )
        return Desired(body, template, given, values, tags, capabilities)

    def _client(self, call: Call, service: str) -> Any:
        return self.account.client(service, call.region, caller=call.caller, invoked_by=PRINCIPAL)

    def _managed_policies(self, call: Call) -> dict[str, str]:
        pages = self.account.client("iam", call.region).get_paginator("list_policies").paginate(Scope="AWS")
        return {policy["PolicyName"]: policy["Arn"] for page in pages for policy in page["Policies"]}

    def _stored_parameter(self, call: Call, name: str) -> str:
        try:
            return str(self._client(call, "ssm").get_parameter(Name=name)["Parameter"]["Value"])
        except ClientError as error:
            raise TemplateError(
                f"Unable to fetch parameters [{name}] from parameter store for this account."
            ) from error

    def fetch(self, call: Call, location: str) -> str:
        """Return a template, or a part of one, from S3. ``location``: an ``s3://`` or ``https://`` address."""
        url = urlsplit(location)
        path = unquote(url.path).lstrip("/")
        if url.scheme == "s3":
            bucket, key = url.netloc, path
        elif re.match(r"[^.]+\.s3[.-]", url.netloc):
            bucket, key = url.netloc.split(".s3", 1)[0], path
        else:
            bucket, _, key = path.partition("/")
        try:
            return str(self._client(call, "s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode())
        except ClientError as error:
            raise AwsError("ValidationError", f"S3 error: {error.response['Error'].get('Message')}") from error

    # ---- working

    def run(self, work: Callable[[], None], *, waits: bool = True) -> None:
        """Run *work* in a thread. Return when it ends, or after ``ANSWER_AFTER_SECONDS`` while it continues.

        ``waits``: False to return at once, as AWS does.
        """
        thread = threading.Thread(target=work, name="cloudformation", daemon=True)
        with self.lock:
            self._work = [each for each in self._work if each.is_alive()]
            self._work.append(thread)
        thread.start()
        if waits:
            thread.join(ANSWER_AFTER_SECONDS)

    def deployer(self, caller: Caller, role_arn: str | None) -> Caller:
        """Return the caller that creates the stack's resources: its service role, or the caller of the operation."""
        if role_arn is None:
            return caller
        credentials = identity.credentials_of_role(self.account, role_arn, "AWSCloudFormation")
        return identity.caller_of_key(self.account, credentials["AccessKeyId"])


SERVICES.append(CloudFormation)
