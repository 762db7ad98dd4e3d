"""Points about REST APIs."""

from __future__ import annotations

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from verify.bench import STAGE, Bench, refusal
from verify.kinds import DELIVERY_SOURCE
from verify.log_role import needs_log_role
from verify.points import Point, UnclearError, Value


def _format_without_request_id(bench: Bench) -> Value:
    needs_log_role(bench)
    group = bench.log_group("rest-format")
    try:
        bench.update_rest_stage(
            ("replace", "/accessLogSettings/destinationArn", bench.log_group_arn(group)),
            ("replace", "/accessLogSettings/format", "$context.httpMethod"),
        )
    except ClientError as error:
        if error_code(error) == "BadRequestException" and "requestId" in refusal(error):
            return False
        raise UnclearError(refusal(error)) from error
    bench.update_rest_stage(("remove", "/accessLogSettings", ""))
    return True


def _method_keys(bench: Bench) -> Value:
    bench.update_rest_stage(("replace", "/pets/GET/logging/dataTrace", "false"))
    bench.update_rest_stage(("replace", "/~1pets/GET/logging/dataTrace", "true"))
    stage = bench.client("apigateway").get_stage(restApiId=bench.rest_api, stageName=STAGE)
    keys = sorted({"pets/GET", "~1pets/GET"} & set(stage.get("methodSettings", {})))
    for key in keys:
        bench.update_rest_stage(("remove", f"/{key}", ""))
    if not keys:
        raise UnclearError(f"the stage has the entries {', '.join(stage.get('methodSettings', {})) or 'none'}")
    return len(keys) == 1


def _source_without_account(bench: Bench) -> Value:
    needs_log_role(bench)
    bench.update_rest_stage(("replace", "/*/*/logging/loglevel", "ERROR"))
    path = f"/restapis/{bench.rest_api}/stages/{STAGE}"
    arns = {
        account: f"arn:{bench.partition}:apigateway:{bench.account.region}:{account}:{path}"
        for account in (bench.account_id, "")
    }
    # With the account's id first: it shows that all else is as it must be, and waits until the level is seen.
    try:
        bench.account.patiently(
            lambda: _put_source(bench, "with-account", arns[bench.account_id]),
            30,
            lambda error: error_code(error) == "ValidationException",
        )
    except ClientError as error:
        raise UnclearError(f"a source with the account's id is refused too: {refusal(error)}") from error
    DELIVERY_SOURCE.delete(bench.account, f"{bench.name}-with-account")
    try:
        _put_source(bench, "without-account", arns[""])
    except ClientError as error:
        if error_code(error) != "ValidationException":
            raise UnclearError(refusal(error)) from error
        return False
    finally:
        bench.update_rest_stage(("replace", "/*/*/logging/loglevel", "OFF"))
    return True


def _put_source(bench: Bench, purpose: str, arn: str) -> None:
    name = f"{bench.name}-{purpose}"
    put = bench.client("logs").put_delivery_source
    bench.create(DELIVERY_SOURCE, name, put, name=name, resourceArn=arn, logType="EXECUTION_LOGS", tags=bench.tags)


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
        "PutDeliverySource with the ARN of a REST stage that lacks the account's id",
        "takes_delivery_sources_without_account",
        False,
        {True: "is accepted", False: "is refused"},
        _source_without_account,
    ),
)
