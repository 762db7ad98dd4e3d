"""A CloudTrail record names a stage, the log role, or nothing; anything else is refused."""

from __future__ import annotations

from copy import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_keeper.events.cloudtrail import API_GATEWAY_EVENTS, cause_of, read_event
from log_keeper.events.delivery_events import DELIVERY_EVENTS
from log_keeper.events.hints import (
    ApiNamed,
    ApiStagesNamed,
    Cause,
    DeliveryNamed,
    Hint,
    Ignored,
    IgnoreReason,
    LogRoleNamed,
    StageNamed,
    StagesTagged,
    UnreadableEventError,
)
from log_keeper.events.own_events import log_role_to_evaluate, stage_to_evaluate
from log_keeper.stages import ApiVersion, StageRef
from testing.builders import ACCOUNT, EVENTS, OWN_ROLE_ARN, REF, REGION, record, sample


def read(event: object) -> Hint:
    return read_event(event, account=ACCOUNT, regions=(REGION,), own_role_arn=OWN_ROLE_ARN)


PROD = StageNamed(REF)
LOG_ROLE = LogRoleNamed((REGION,))
STAGE_ARN = f"arn:aws:apigateway:{REGION}::/restapis/a1b2c3d4e5/stages/prod"

TAGGED = StageNamed(REF, tags_changed=True)
V2_PROD = StageNamed(StageRef(ACCOUNT, REGION, ApiVersion.V2, "f6g7h8i9j0", "prod"))
V2_DEFAULT = StageNamed(StageRef(ACCOUNT, REGION, ApiVersion.V2, "f6g7h8i9j0", "$default"))

SAMPLES: dict[str, Hint] = {
    "api-to-evaluate": ApiStagesNamed((REF,)),
    "create-api-quick": ApiNamed(REGION, "f6g7h8i9j0"),
    "create-deployment": PROD,
    "create-deployment-v2": V2_PROD,
    "create-deployment-console-without-stage": Ignored(IgnoreReason.NO_STAGE, "CreateDeployment"),
    "create-deployment-without-parameters": Ignored(IgnoreReason.NO_STAGE, "CreateDeployment"),
    "create-stage": PROD,
    "create-stage-v2": V2_DEFAULT,
    "delete-access-log-settings": V2_DEFAULT,
    "delete-log-group": StageNamed(REF, deleted_log_group="/aws/vendedlogs/apigateway/a1b2c3d4e5/prod"),
    "create-log-group-exists": StageNamed(REF, blocking_log_group="API-Gateway-Execution-Logs_a1b2c3d4e5/prod"),
    "delete-subscription-filter": replace(PROD, is_about_filter=True),
    "delete-resource-policy": V2_DEFAULT,
    "delete-resource-policy-of-account": Ignored(IgnoreReason.NO_STAGE, "DeleteResourcePolicy"),
    "put-resource-policy": V2_DEFAULT,
    "create-delivery": DeliveryNamed(REGION, source="shop"),
    "delete-delivery": DeliveryNamed(REGION),
    "put-delivery-destination": DeliveryNamed(REGION, destination="shop"),
    "put-delivery-source": StageNamed(REF, is_about_delivery=True),
    "delete-role": LOG_ROLE,
    "delete-route-settings": V2_PROD,
    "import-api": ApiNamed(REGION, "f6g7h8i9j0"),
    "log-role-to-evaluate": LOG_ROLE,
    "stage-to-evaluate": PROD,
    "tag-resource": TAGGED,
    "tag-resource-v2": replace(V2_DEFAULT, tags_changed=True),
    "tag-resources": StagesTagged((REF, V2_DEFAULT.ref)),
    "untag-resource": TAGGED,
    "untag-resource-v2": replace(V2_DEFAULT, tags_changed=True),
    "untag-resources": StagesTagged((REF,)),
    "update-account": LOG_ROLE,
    "update-stage-failed": Ignored(IgnoreReason.FAILED_CALL, "UpdateStage"),
    "update-stage-logging-off": PROD,
    "update-stage-v2": V2_DEFAULT,
}


def test_every_sample_event_is_tested() -> None:
    assert set(SAMPLES) == {path.stem for path in EVENTS.glob("*.json")}


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_event_names_what_it_is_about(name: str) -> None:
    assert read(sample(name)) == SAMPLES[name]


def test_call_of_the_tagging_api_names_the_stages_whose_tags_it_changed() -> None:
    def tagged(arns: object, failed: object = None) -> Hint:
        return read(
            record(
                "TagResources",
                {"resourceARNList": arns, "tags": {}},
                eventSource="tagging.amazonaws.com",
                responseElements={"failedResourcesMap": failed},
            )
        )

    other, elsewhere = STAGE_ARN.replace("/prod", "/test"), STAGE_ARN.replace(REGION, "eu-west-1")
    impossible = STAGE_ARN.replace("/prod", "/no name")
    failed = {other: {"StatusCode": 404}}
    assert tagged([STAGE_ARN, other, elsewhere, impossible, 7, ["x"]], failed) == StagesTagged((REF,))
    for arns in ([other], [], "truncated", None, [elsewhere]):
        assert tagged(arns, failed) == Ignored(IgnoreReason.NO_STAGE, "TagResources")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(record("UpdateStage", "truncated"), IgnoreReason.NO_STAGE, id="parameters that are no object"),
        pytest.param(record("UpdateStage", {}), IgnoreReason.NO_STAGE, id="no parameters"),
        pytest.param(record("UpdateStage", {"restApiId": "a1b2c3d4e5"}), IgnoreReason.NO_STAGE, id="no stage"),
        pytest.param(
            record("CreateStage", {"restApiId": "a1", "createStageInput": None}), IgnoreReason.NO_STAGE, id="no body"
        ),
        pytest.param(
            record("TagResource", {"resourceArn": STAGE_ARN + "%2Fx"}), IgnoreReason.NO_STAGE, id="longer ARN"
        ),
        pytest.param(
            record("TagResource", {"resourceArn": f"arn:aws:apigateway:{REGION}::/restapis/a1b2c3d4e5"}),
            IgnoreReason.NO_STAGE,
            id="tag of an API",
        ),
        pytest.param(record("CreateApi", {}, responseElements=None), IgnoreReason.NO_STAGE, id="no API id"),
        pytest.param(
            record("CreateDeployment", {"apiId": "a1b2c3d4e5"}), IgnoreReason.NO_STAGE, id="V2 without a stage"
        ),
        pytest.param(
            record("DeleteLogGroup", {"logGroupName": "mine"}, eventSource="logs.amazonaws.com"),
            IgnoreReason.NO_STAGE,
            id="log group of nobody's",
        ),
        pytest.param(record("TagResource", {"resourceArn": ["x"]}), IgnoreReason.NO_STAGE, id="ARN that is no text"),
        pytest.param(
            record("DeleteStage", {"restApiId": "a1", "stageName": "prod"}), IgnoreReason.UNKNOWN_EVENT, id="unknown"
        ),
        pytest.param(
            record("UpdateStage", eventSource="s3.amazonaws.com"), IgnoreReason.UNKNOWN_EVENT, id="another service"
        ),
        pytest.param(
            record(
                "UpdateStage",
                {"restApiId": "a1b2c3d4e5", "stageName": "prod"},
                userIdentity={"sessionContext": {"sessionIssuer": {"arn": OWN_ROLE_ARN}}},
            ),
            IgnoreReason.OWN_CALL,
            id="our own",
        ),
    ],
)
def test_record_about_nothing_is_ignored_with_its_reason(event: object, expected: IgnoreReason) -> None:
    hint = read(event)
    assert isinstance(hint, Ignored)
    assert hint.reason is expected


@pytest.mark.parametrize(
    "identity",
    [
        None,
        {"type": "Root"},
        {"type": "IAMUser", "sessionContext": {"attributes": {}}},
        {"invokedBy": "cloudformation.amazonaws.com"},
        {"sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::123456789012:role/another"}}},
    ],
)
def test_change_by_any_other_identity_is_evaluated(identity: object) -> None:
    event = record("UpdateStage", {"restApiId": "a1b2c3d4e5", "stageName": "prod"}, userIdentity=identity)
    assert read(event) == PROD


def test_own_event_of_a_region_that_is_no_longer_managed_is_ignored() -> None:
    """For example the end of an opt-in: its schedule exists longer than the region is managed."""
    ref = StageRef(ACCOUNT, "eu-west-1", ApiVersion.V1, "a1b2c3d4e5", "prod")
    assert read(stage_to_evaluate(ref)) == Ignored(IgnoreReason.OTHER_REGION, "Stage To Evaluate")
    role = log_role_to_evaluate(ACCOUNT, "eu-west-1")
    assert read(role) == Ignored(IgnoreReason.OTHER_REGION, "Log Role To Evaluate")


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="list"),
        pytest.param("text", id="text"),
        pytest.param({}, id="empty"),
        pytest.param({"detail": []}, id="detail that is no object"),
        pytest.param({"detail": {}}, id="detail without a name"),
        pytest.param(record("UpdateStage") | {"account": "999999999999"}, id="another account"),
        pytest.param(record("UpdateStage") | {"region": "eu-west-1"}, id="another region"),
        pytest.param(record("UpdateAccount") | {"region": None}, id="no region"),
        pytest.param(record("UpdateStage", {"restApiId": "../account", "stageName": "prod"}), id="path in an API id"),
        pytest.param(
            record("UpdateStage", {"restApiId": "a1", "stageName": "prod/../../x"}), id="path in a stage name"
        ),
        pytest.param(
            record("UpdateStage", {"restApiId": "a1", "stageName": "pro\nd"}), id="line break in a stage name"
        ),
        pytest.param(record("UpdateStage", {"restApiId": "a1", "stageName": 7}), id="number for a stage name"),
        pytest.param(record("UpdateStage", {"apiId": "a1", "stageName": "..%2Fx"}), id="encoded path in a stage name"),
        pytest.param(record("CreateApi", responseElements={"apiId": "../x"}), id="path in a new API's id"),
        pytest.param(record("Delete\nStage"), id="line break in an event's name"),
        pytest.param(record("x" * 129), id="long name of an event"),
        pytest.param({"account": ACCOUNT, "detail-type": "Stage To Evaluate", "detail": {}}, id="our event, empty"),
        pytest.param(
            {
                "account": ACCOUNT,
                "region": REGION,
                "detail-type": "Stage To Evaluate",
                "detail": {"version": "v3", "apiId": "a1", "stageName": "prod"},
            },
            id="our event, of another version",
        ),
    ],
)
def test_message_that_eventbridge_would_not_send_is_refused(event: object) -> None:
    with pytest.raises(UnreadableEventError):
        read(event)


@pytest.mark.parametrize("version", ["x" * 2_000, ["x" * 2_000]])
def test_refusal_is_short(version: object) -> None:
    """It becomes a line of the log."""
    detail = {"version": version, "apiId": "a1", "stageName": "prod"}
    with pytest.raises(UnreadableEventError) as refusal:
        read({"account": ACCOUNT, "region": REGION, "detail-type": "Stage To Evaluate", "detail": detail})
    assert len(str(refusal.value)) <= 200


NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
EVENT_ID = "10000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        pytest.param(
            record("UpdateStage", eventID=EVENT_ID, eventTime="2026-11-02T12:00:00Z"),
            Cause("UpdateStage", EVENT_ID, NOW),
            id="recorded",
        ),
        pytest.param(record("UpdateStage"), Cause("UpdateStage", None, None), id="neither id nor time"),
        pytest.param(
            record("UpdateStage", eventID="x" * 2_000, eventTime=7),
            Cause("UpdateStage", None, None),
            id="what is no id and no time",
        ),
        pytest.param(
            record("UpdateStage", eventTime="2026-11-02T11:59:00"), Cause("UpdateStage", None, None), id="no zone"
        ),
        pytest.param(
            {"detail-type": "Stage To Evaluate", "detail": {"eventName": ["x"], "eventID": EVENT_ID}},
            Cause("Stage To Evaluate", None, None),
            id="our own, which has none of it",
        ),
    ],
)
def test_cause_of_an_event_is_read(event: dict[str, Any], cause: Cause) -> None:
    assert cause_of(event) == cause


@pytest.mark.parametrize("detail_type", [["a list"], {}, None, 7])
def test_cause_of_a_record_does_not_depend_on_its_detail_type(detail_type: object) -> None:
    event = record("CreateStage") | {"detail-type": detail_type}
    assert cause_of(event) == cause_of(record("CreateStage"))
    assert cause_of(event).event_name == "CreateStage"


def test_age_of_an_event_is_known_if_its_time_is() -> None:
    assert Cause("UpdateStage", None, NOW).seconds_until(NOW + timedelta(seconds=90)) == 90
    assert Cause("UpdateStage", None, None).seconds_until(NOW) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PARAMETERS = st.dictionaries(
    st.sampled_from(
        [
            "restApiId",
            "stageName",
            "createStageInput",
            "createDeploymentInput",
            "resourceArn",
            "resource-arn",
            "apiId",
            "logGroupName",
        ]
    ),
    JSON | st.fixed_dictionaries({"stageName": JSON}) | st.sampled_from(["a1b2c3d4e5", "prod", STAGE_ARN]),
)
RECORDS = st.builds(
    lambda name, parameters, other: record(name, parameters, userIdentity=other, responseElements=other),
    st.sampled_from(sorted(API_GATEWAY_EVENTS)),
    JSON | PARAMETERS,
    JSON,
)

DELIVERY_RECORDS = st.builds(
    lambda name, parameters: record(name, parameters, eventSource="logs.amazonaws.com"),
    st.sampled_from(sorted(DELIVERY_EVENTS)),
    JSON
    | st.dictionaries(
        st.sampled_from(["name", "id", "resourceArn", "logType", "deliverySourceName"]),
        JSON | st.sampled_from(["EXECUTION_LOGS", STAGE_ARN]),
    ),
)


@given(JSON | RECORDS | DELIVERY_RECORDS)
def test_any_json_is_a_hint_or_refused(event: Any) -> None:
    """Nothing that can be sent to the queue raises any other error."""
    try:
        hint = read(event)
    except UnreadableEventError:
        return
    assert isinstance(hint, StageNamed | StagesTagged | ApiNamed | DeliveryNamed | LogRoleNamed | Ignored)
