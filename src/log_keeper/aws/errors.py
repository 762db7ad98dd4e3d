"""What the errors of AWS calls mean."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

#: The errors of a call: AWS refused it, the connection failed, or no answer arrived in time.
CALL_ERRORS = (BotoCoreError, ClientError)


class MemberRoleError(Exception):
    """A role cannot be assumed although the stack that creates it is current. The message says which role, and why.

    ``account_id``: of the member account.
    """

    def __init__(self, account_id: str, message: str) -> None:
        super().__init__(message)
        self.account_id = account_id


def error_code(error: ClientError) -> str:
    """Return the service's own error code; empty if it sent none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: ClientError) -> str:
    """Return the service's own message; empty if it sent none."""
    return str(error.response.get("Error", {}).get("Message", ""))


def http_status(error: ClientError) -> int:
    """Return the HTTP status of the answer; 0 if it is not known."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_throttle(error: ClientError) -> bool:
    """Return whether the call was throttled. API Gateway answers some throttled calls without an error code.

    *Source:* awslabs/nx-plugin-for-aws, pull request 924. UpdateAccount can also pass on a throttled call of CloudWatch
    Logs in its message ("Rate exceeded"): maschnetwork/aws-lambda-spring-boot-3, issue 2.
    """
    return (
        http_status(error) == 429
        or error_code(error) in ("TooManyRequestsException", "ThrottlingException", "Throttling")
        or "Rate exceeded" in error_message(error)
    )


def is_transient(error: Exception) -> bool:
    """Return whether the service or the connection failed for the moment. AWS may have executed the call or not."""
    if isinstance(error, ClientError):
        return http_status(error) >= 500 or is_throttle(error)
    return isinstance(error, HTTPClientError | NoConnectionError)


def is_region_disabled(error: ClientError) -> bool:
    """Return whether the account has not enabled the region.

    *Source:* IAM user guide, "Managing AWS STS in an AWS Region"; the codes differ from service to service.
    """
    return error_code(error) in ("AuthFailure", "InvalidClientTokenId", "OptInRequired", "UnrecognizedClientException")


def are_credentials_refused(error: Exception) -> bool:
    """Return whether the error, or one in its group, may mean that the role of the credentials does not exist any more.

    *Source:* IAM user guide, "Troubleshoot IAM": sessions of a deleted role are denied; the codes differ.
    """
    if isinstance(error, ExceptionGroup):
        return any(map(are_credentials_refused, error.exceptions))
    return isinstance(error, ClientError) and (is_region_unavailable(error) or error_code(error).startswith("Expired"))


def is_access_denied(error: ClientError) -> bool:
    """Return whether a policy does not allow the call."""
    return error_code(error) in ("AccessDenied", "AccessDeniedException")


def is_region_unavailable(error: ClientError) -> bool:
    """Return whether the region is disabled, or access to it is denied, for example by a policy of the organization."""
    return is_region_disabled(error) or is_access_denied(error)


def is_log_role_missing(error: Exception) -> bool:
    """Return whether API Gateway refuses to log because the account settings of the region have no log role.

    *Source:* aws-samples/amazon-bedrock-knowledgebase-slackbot, issue 6; anomalyco/sst, issue 4663.
    """
    return isinstance(error, ClientError) and "CloudWatch Logs role ARN must be set" in error_message(error)


def may_refuse_tags(error: ClientError) -> bool:
    """Return whether the error of a call with tags may be about the tags.

    The codes for a value that a tag policy refuses differ between services; that of CloudWatch Logs is not known.
    *Source:* superwerker/superwerker (ValidationException of DynamoDB); aws-samples (TagPolicyViolation of EC2).
    """
    codes = ("InvalidParameterException", "ValidationException")
    return error_code(error) in codes or "tag policy" in error_message(error).lower()


def may_refuse_destination(error: Exception) -> bool:
    """Return whether API Gateway may have refused an access log destination for what it is, not for permissions.

    *Source* of "Insufficient permissions to enable logging": anomalyco/sst, issues 125 and 6231.
    """
    is_refusal = isinstance(error, ClientError) and error_code(error) == "BadRequestException"
    return is_refusal and not is_log_role_missing(error) and "Insufficient permissions" not in str(error)


def is_concurrent_change(error: Exception) -> bool:
    """Return whether somebody else is changing the same resource now: read it again and see what is left to do.

    *Source:* API Gateway's "Unable to complete operation due to concurrent modification"
    (hashicorp/terraform-provider-aws, issue 776); its NotFoundException for a stage that was deleted after it was read,
    and for an HTTP API's log group that was (radkawar/stackd, testdata/aws/apigateway/http_logs.json); CloudWatch Logs'
    errors of CreateLogGroup and PutRetentionPolicy.
    """
    return isinstance(error, ClientError) and error_code(error) in (
        "ConflictException",
        "NotFoundException",
        "OperationAbortedException",
        "ResourceAlreadyExistsException",
        "ResourceNotFoundException",
    )
