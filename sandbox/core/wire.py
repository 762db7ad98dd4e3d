"""HTTP requests and answers in the protocol of each service: moto parses the calls, botocore serialises the answers."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

import botocore.serialize
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.serialize import get_serializer_class

from sandbox.core.call import Answer, AwsError

if TYPE_CHECKING:
    from moto.core.model import OperationModel
    from moto.core.request import Request

#: Signing name -> boto3's name of the service, if they differ.
SIGNING_NAMES = {
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
    "eventbridge": "events",
    "email": "ses",
    "elasticloadbalancing": "elbv2",
}

REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 400: "Bad Request", 403: "Forbidden",
            404: "Not Found", 409: "Conflict", 429: "Too Many Requests", 500: "Internal Server Error",
            501: "Not Implemented"}  # fmt: skip


def read_body(environ: dict[str, Any]) -> bytes:
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        return cast(bytes, stream.read())
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return cast(bytes, stream.read(length)) if length else b""


def with_body(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    copy = {key: value for key, value in environ.items() if not key.startswith("werkzeug.")}
    copy |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "wsgi.input_terminated": True}
    copy.pop("HTTP_TRANSFER_ENCODING", None)
    return copy


def credential(environ: dict[str, Any]) -> tuple[str, str, str] | None:
    """Return access key, region and signing name of a signed request, or None for an unsigned one."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    if "Credential=" in authorization:
        scope = authorization.split("Credential=", 1)[1].split(",")[0].strip()
    else:
        query = dict(pair.split("=", 1) for pair in environ.get("QUERY_STRING", "").split("&") if "=" in pair)
        scope = unquote(query.get("X-Amz-Credential", ""))
        if not scope and "AWSAccessKeyId" in query:  # S3's older presigned URLs
            return unquote(query["AWSAccessKeyId"]), "us-east-1", "s3"
    parts = scope.split("/")
    return (parts[0], parts[2], parts[3].lower()) if len(parts) == 5 else None


def service_of(signing_name: str, path: str, environ: dict[str, Any]) -> str:
    if signing_name == "apigateway":  # both versions have the signing name and host of apigateway
        return "apigatewayv2" if path.startswith("/v2/") else "apigateway"
    if signing_name == "dynamodb" and environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDBStreams"):
        return "dynamodbstreams"
    return SIGNING_NAMES.get(signing_name, signing_name)


def parameters(
    protocol: str, operation: OperationModel, request: Request, uri_params: dict[str, Any]
) -> dict[str, Any]:
    parser = PROTOCOL_PARSERS[protocol](operation)
    parsed = parser.parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.get_data(),
            "url_path": request.path,
            "url_params": uri_params,
        }
    )
    return parsed or {}


def parser_protocol(protocol: str) -> str:
    return {"query-json": "query"}.get(protocol, protocol)


def reserialized(
    environ: dict[str, Any], protocol: str, operation: OperationModel, params: dict[str, Any]
) -> tuple[dict[str, Any], bytes]:
    serializer = botocore.serialize.create_serializer(parser_protocol(protocol), include_validation=False)
    request = serializer.serialize_to_request(params, operation)
    body = request["body"]
    if isinstance(body, dict):  # in the query protocol the HTTP client encodes the text
        body = "&".join(f"{quote(str(k), safe='')}={quote(str(v), safe='')}" for k, v in body.items())
    body = body.encode() if isinstance(body, str) else body
    query = request["query_string"]
    if isinstance(query, dict):
        pairs = [(k, v) for k, vs in query.items() for v in (vs if isinstance(vs, list) else [vs])]
        query = "&".join(f"{quote(str(k), safe='')}={quote(str(v), safe='')}" for k, v in pairs)
    path = request["url_path"]
    changed = environ | {
        "PATH_INFO": unquote(path),
        "RAW_URI": f"{path}?{query}" if query else path,
        "REQUEST_URI": f"{path}?{query}" if query else path,
        "QUERY_STRING": query,
    }
    changed.pop("HTTP_CONTENT_ENCODING", None)
    return changed, body


def result_answer(protocol: str, operation: OperationModel, result: dict[str, Any], request_id: str) -> Answer:
    serializer = get_serializer_class(operation.service_model.service_name, protocol)(operation_model=operation)
    serialized = serializer.serialize(result)
    body = serialized["body"]
    headers = [(name, str(value)) for name, value in serialized["headers"].items()]
    headers.append(("x-amzn-RequestId", request_id))
    status = operation.http.get("responseCode", 200)
    return Answer(status, headers, body.encode() if isinstance(body, str) else body, result=result)


def error_answer(protocol: str, error: AwsError, request_id: str) -> Answer:
    headers = [("x-amzn-RequestId", request_id), *error.headers.items()]
    code, message = error.code, error.message
    if protocol in ("query", "ec2", "rest-xml"):
        detail = f"<Code>{escape(code)}</Code>" if code else ""
        detail += f"<Message>{escape(message)}</Message>"
        if protocol == "rest-xml":
            text = f"<Error>{detail}<RequestId>{request_id}</RequestId></Error>"
        else:
            fault = "Sender" if error.status < 500 else "Receiver"
            inner = f"<Error><Type>{fault}</Type>{detail}</Error>"
            text = f"<ErrorResponse>{inner}<RequestId>{request_id}</RequestId></ErrorResponse>"
        return Answer(error.status, [*headers, ("Content-Type", "text/xml")], text.encode(), error)
    body = {"message": message}
    if code and protocol == "json":
        body["__type"] = code
    if code:
        headers.append(("x-amzn-ErrorType", code))
    content_type = "application/x-amz-json-1.1" if protocol == "json" else "application/json"
    return Answer(error.status, [*headers, ("Content-Type", content_type)], json.dumps(body).encode(), error)
