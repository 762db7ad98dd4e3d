"""What the errors of AWS mean."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

#: Why a call brought no answer: AWS refused it, the way to AWS broke, or there was none.
CALL_ERRORS = (BotoCoreError, ClientError)


def error_code(error: ClientError) -> str:
    """The service's own code; empty where it sent none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))


def status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_throttle(error: ClientError) -> bool:
    """API Gateway answers some throttled calls without an error code.

    *Source:* awslabs/nx-plugin-for-aws, pull request 924; UpdateAccount can also pass on a throttle of CloudWatch Logs
    in its message ("Rate exceeded"): maschnetwork/aws-lambda-spring-boot-3, issue 2.
    """
    return (
        status(error) == 429
        or error_code(error) in ("TooManyRequestsException", "ThrottlingException", "Throttling")
        or "Rate exceeded" in error_message(error)
    )


def is_transient(error: Exception) -> bool:
    """The service, or the way to it, fails at this moment. Whether the call was done is not known."""
    if isinstance(error, ClientError):
        return status(error) >= 500 or is_throttle(error)
    return isinstance(error, HTTPClientError | NoConnectionError)


def is_region_disabled(error: ClientError) -> bool:
    """The account has not enabled the region.

    *Source:* IAM user guide, "Managing AWS STS in an AWS Region"; the codes differ from service to service.
    """
    return error_code(error) in ("AuthFailure", "InvalidClientTokenId", "OptInRequired", "UnrecognizedClientException")


def is_region_unavailable(error: ClientError) -> bool:
    """The region is disabled for the account, or denied to us, such as by a policy of its organisation."""
    return is_region_disabled(error) or error_code(error) in ("AccessDenied", "AccessDeniedException")


def is_log_role_missing(error: Exception) -> bool:
    """API Gateway refuses to log: the account settings of the region name no role.

    *Source:* aws-samples/amazon-bedrock-knowledgebase-slackbot, issue 6; anomalyco/sst, issue 4663.
    """
    return isinstance(error, ClientError) and "CloudWatch Logs role ARN must be set" in error_message(error)


def is_concurrent_change(error: Exception) -> bool:
    """Somebody else is changing the same things at this moment: read them again and look what is left to do.

    *Source:* API Gateway's "Unable to complete operation due to concurrent modification"
    (hashicorp/terraform-provider-aws, issue 776); its NotFoundException for a stage that is gone since it was read, and
    for an HTTP API's log group that is (radkawar/stackd, testdata/aws/apigateway/http_logs.json); CloudWatch Logs'
    errors of CreateLogGroup and PutRetentionPolicy.
    """
    return isinstance(error, ClientError) and error_code(error) in (
        "ConflictException",
        "NotFoundException",
        "OperationAbortedException",
        "ResourceAlreadyExistsException",
        "ResourceNotFoundException",
    )
