"""Messages that come twice, late and out of order; and one stage, or API, that fails beside others that do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.account import Hook, Interposer
from sandbox.core.call import Answer, AwsError, Call, NoAnswerError
from sandbox.core.faults import Fault, FaultType
from testing.accounts import get_stage, levels, make_rest_stage, patch_stage
from testing.builders import record, updated
from testing.scenarios import SCENARIOS, Scenario
from testing.world import World, world


def writes(here: World, since: int = 0) -> int:
    return sum(made.call.operation == "UpdateStage" for made in here.calls(since))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_messages_that_come_twice_and_an_hour_late_change_nothing_more(scenario: Scenario) -> None:
    with world(policy=scenario.policy) as here:
        is_compliant = scenario.prepare(here)
        sqs, url = here.sandbox.client("sqs"), here.enforce.queue_url
        waiting = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1, WaitTimeSeconds=0).get(
            "Messages", []
        )
        for message in waiting:
            sqs.send_message(QueueUrl=url, MessageBody=message["Body"])
            sqs.send_message(QueueUrl=url, MessageBody=message["Body"], DelaySeconds=900)
        here.time.sleep(3600)
        here.settle()
        assert is_compliant()
        made = len(here.sandbox.calls)
        for message in waiting:
            sqs.send_message(QueueUrl=url, MessageBody=message["Body"])
        here.settle()
        assert is_compliant()
        assert here.dead_letters() == 0
        assert writes(here, made) == 0


def test_records_out_of_order_lead_to_what_is_so_now() -> None:
    """Tagged, untagged, switched off: whatever the order of the records, the stage is read as it is."""
    with world() as here:
        api_id = make_rest_stage(here.sandbox)
        arn = f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"
        client = here.sandbox.client("apigateway")
        client.tag_resource(resourceArn=arn, tags={"execution-logs": "INFO"})
        client.untag_resource(resourceArn=arn, tagKeys=["execution-logs"])
        for event in (
            record("UntagResource", {"resourceArn": arn}),
            updated(api_id),
            record("TagResource", {"resourceArn": arn}),
            record("CreateStage", {"restApiId": api_id, "createStageInput": {"stageName": "prod"}}),
        ):
            here.send(event)
        here.settle()
        assert levels(get_stage(here.sandbox, api_id)) == {"*/*": "ERROR"}
        assert writes(here) == 1


def test_stage_that_fails_again_and_again_takes_no_other_along() -> None:
    """Ten messages in a batch, one of which cannot succeed: nine stages are compliant at once, one message is kept."""
    with world() as here:
        apis = [make_rest_stage(here.sandbox) for _ in range(10)]
        bad = apis[4]
        here.sandbox.hooks.append(_refuses_changes_of(bad))
        for api_id in apis:
            here.send(updated(api_id))
        assert here.enforce.take()
        for api_id in apis:
            assert levels(get_stage(here.sandbox, api_id)) == ({} if api_id == bad else {"*/*": "ERROR"})
        here.settle()
        assert here.dead_letters() == 1
        here.sandbox.hooks.clear()
        here.redrive()
        here.settle()
        assert levels(get_stage(here.sandbox, bad)) == {"*/*": "ERROR"}


def _refuses_changes_of(api_id: str) -> Hook:
    def hook(_sandbox: Sandbox, call: Call) -> None:
        if call.operation == "UpdateStage" and call.params["restApiId"] == api_id and not call.caller.is_trusted:
            raise AwsError("BadRequestException", "This stage is cursed", 400)

    return hook


def test_api_that_hangs_is_given_up_before_the_invocation_is_cut_off() -> None:
    """Each try takes ten seconds: the others of the batch go back to the queue by themselves, and none is lost."""
    with world() as here:
        apis = [make_rest_stage(here.sandbox) for _ in range(5)]
        here.sandbox.interposers.insert(0, _takes_ten_seconds(here))
        here.sandbox.faults.add(Fault(FaultType.TIMEOUT, "apigateway", "GetStage", times=12))
        for api_id in apis:
            here.send(updated(api_id))
        here.settle()
        assert here.enforce.cut_off == 0
        assert here.dead_letters() == 0
        for api_id in apis:
            assert levels(get_stage(here.sandbox, api_id)) == {"*/*": "ERROR"}


def _takes_ten_seconds(here: World) -> Interposer:
    def interpose(_sandbox: Sandbox, _call: Call, answer: Callable[[], Answer]) -> Answer:
        try:
            return answer()
        except NoAnswerError:
            here.time.sleep(10)
            raise

    return interpose


def test_api_that_a_sweep_cannot_read_hides_no_other() -> None:
    """It is tried again by itself, and at last kept: alone in its message."""
    with world() as here:
        apis = [make_rest_stage(here.sandbox) for _ in range(3)]
        here.sandbox.faults.add(Fault(FaultType.ACCESS_DENIED, "apigateway", "GetStages", times=None, skip=2))
        here.begin_sweep()
        here.settle()
        compliant = [api_id for api_id in apis if levels(get_stage(here.sandbox, api_id)) == {"*/*": "ERROR"}]
        assert len(compliant) == 2
        assert here.dead_letters() == 1
        here.sandbox.faults.lift()
        here.redrive()
        here.settle()
        assert all(levels(get_stage(here.sandbox, api_id)) == {"*/*": "ERROR"} for api_id in apis)


def test_stages_of_an_api_do_not_wait_for_the_one_that_fails() -> None:
    with world() as here:
        client = here.sandbox.client("apigatewayv2")
        api_id = client.create_api(Name="web", ProtocolType="HTTP", Target="https://example.com")["ApiId"]
        for name in ("alpha", "beta"):
            client.create_stage(ApiId=api_id, StageName=name)
        here.sandbox.faults.add(Fault(FaultType.ACCESS_DENIED, "apigatewayv2", "UpdateStage"))
        here.send(record("CreateApi", {}, responseElements={"apiId": api_id}))
        here.enforce.take()

        def logged() -> int:
            stages = client.get_stages(ApiId=api_id)["Items"]
            return sum("DestinationArn" in stage.get("AccessLogSettings", {}) for stage in stages)

        assert logged() == 2
        here.settle()
        assert logged() == 3


def test_change_that_could_not_be_published_is_made_all_the_same() -> None:
    with world() as here:
        api_id = make_rest_stage(here.sandbox)
        here.sandbox.faults.add(Fault(FaultType.TIMEOUT, "events", "PutEvents", times=None))
        here.send(updated(api_id))
        here.enforce.take()
        assert here.enforce.is_idle()
        assert levels(get_stage(here.sandbox, api_id)) == {"*/*": "ERROR"}


def test_owners_patch_between_read_and_write_is_not_undone() -> None:
    """Only what the plan names is written: what the owner sets at that moment stays."""
    with world() as here:
        api_id = make_rest_stage(here.sandbox)

        def meddle(sandbox: Sandbox, call: Call, answer: Callable[[], Answer]) -> Answer:
            if call.caller == here.program and call.operation == "UpdateStage":
                here.sandbox.interposers.remove(meddle)
                patch_stage(sandbox, api_id, ("replace", "/*/*/throttling/rateLimit", "7"))
            return answer()

        here.sandbox.interposers.insert(0, meddle)
        here.send(updated(api_id))
        here.settle()
        settings = get_stage(here.sandbox, api_id)["methodSettings"]["*/*"]
        assert (settings["loggingLevel"], settings["throttlingRateLimit"]) == ("ERROR", 7)


def test_api_that_says_what_none_is_known_to_say_hides_no_other() -> None:
    """A stage of a name that no stage can have; it is kept in the dead-letter queue, and the others are compliant."""
    with world() as here:
        good, odd = make_rest_stage(here.sandbox), make_rest_stage(here.sandbox)

        def rename(_sandbox: Sandbox, call: Call, answer: Callable[[], Answer]) -> Answer:
            given = answer()
            if call.operation == "GetStages" and call.params["restApiId"] == odd and call.caller == here.program:
                given.body = given.body.replace(b'"prod"', b'"pr od"')
            return given

        here.sandbox.interposers.insert(0, rename)
        here.begin_sweep()
        here.settle()
        assert levels(get_stage(here.sandbox, good)) == {"*/*": "ERROR"}
        assert here.dead_letters() == 1
