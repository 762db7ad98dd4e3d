"""Points about REST APIs."""

from __future__ import annotations

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from verify.log_role import needs_log_role
from verify.points import Point, UnclearError, Value
from verify.resource_types import DELIVERY_SOURCE
from verify.run import STAGE, Run, refusal


def _format_without_request_id(run: Run) -> Value:
    needs_log_role(run)
    group = run.log_group("rest-format")
    try:
        run.update_rest_stage(
            ("replace", "/accessLogSettings/destinationArn", run.log_group_arn(group)),
            ("replace", "/accessLogSettings/format", "$context.httpMethod"),
        )
    except ClientError as error:
        if error_code(error) == "BadRequestException" and "requestId" in refusal(error):
            return False
        raise UnclearError(refusal(error)) from error
    run.update_rest_stage(("remove", "/accessLogSettings", ""))
    return True


def _method_keys(run: Run) -> Value:
    run.update_rest_stage(("replace", "/pets/GET/logging/dataTrace", "false"))
    run.update_rest_stage(("replace", "/~1pets/GET/logging/dataTrace", "true"))
    stage = run.client("apigateway").get_stage(restApiId=run.rest_api, stageName=STAGE)
    keys = sorted({"pets/GET", "~1pets/GET"} & set(stage.get("methodSettings", {})))
    for key in keys:
        run.update_rest_stage(("remove", f"/{key}", ""))
    if not keys:
        raise UnclearError(f"the stage has the entries {', '.join(stage.get('methodSettings', {})) or 'none'}")
    return len(keys) == 1


def _source_without_account(run: Run) -> Value:
    needs_log_role(run)
    run.update_rest_stage(("replace", "/*/*/logging/loglevel", "ERROR"))
    path = f"/restapis/{run.rest_api}/stages/{STAGE}"
    arns = {
        account: f"arn:{run.partition}:apigateway:{run.account.region}:{account}:{path}"
        for account in (run.account_id, "")
    }
    # First with the account's id: it shows that everything else is right, and waits until the level is effective.
    try:
        run.account.patiently(
            lambda: _put_source(run, "with-account", arns[run.account_id]),
            30,
            lambda error: error_code(error) == "ValidationException",
        )
    except ClientError as error:
        raise UnclearError(f"a source with the account's id is refused too: {refusal(error)}") from error
    DELIVERY_SOURCE.delete(run.account, f"{run.name}-with-account")
    try:
        _put_source(run, "without-account", arns[""])
    except ClientError as error:
        if error_code(error) != "ValidationException":
            raise UnclearError(refusal(error)) from error
        return False
    finally:
        run.update_rest_stage(("replace", "/*/*/logging/loglevel", "OFF"))
    return True


def _put_source(run: Run, purpose: str, arn: str) -> None:
    name = f"{run.name}-{purpose}"
    put = run.client("logs").put_delivery_source
    run.create(DELIVERY_SOURCE, name, put, name=name, resourceArn=arn, logType="EXECUTION_LOGS", tags=run.tags)


POINTS = (
    Point(
        "method-setting-keys",
        "UpdateStage of /pets/GET, then of /~1pets/GET",
        "unifies_method_keys",
        False,
        {True: "leaves one entry", False: "leaves two entries"},
        _method_keys,
    ),
    Point(
        "format-without-request-id",
        "UpdateStage of a REST API with an access log format that names no request",
        "accepts_formats_without_request_id",
        False,
        {True: "is accepted", False: "is refused"},
        _format_without_request_id,
    ),
    Point(
        "delivery-source-without-account",
        "PutDeliverySource with the ARN of a REST stage without the account's id",
        "takes_delivery_sources_without_account",
        False,
        {True: "is accepted", False: "is refused"},
        _source_without_account,
    ),
)
