"""Changes of an alarm's state: the alarm's history, an event on the bus, and actions."""

from __future__ import annotations

import json
import logging
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.services.eventbridge import event_bus
from sandbox.services.sns import topics

if TYPE_CHECKING:
    from sandbox.core.account import Account

log = logging.getLogger(__name__)

PRINCIPAL = "cloudwatch.amazonaws.com"
_KEY_REFUSED = "CloudWatch Alarms does not have authorization to access the SNS topic encryption key."


def change(
    account: Account, region: str, alarm: Any, state: str, reason: str, data: dict[str, Any], moment: datetime
) -> None:
    """Set the state of the alarm. If it was another one, send an event and run the actions.

    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
    """
    before = alarm.state_value
    if state == before:
        return
    old_reason, old_time = alarm.state_reason, alarm.state_updated_timestamp
    alarm.update_state(reason, json.dumps(data), state)
    alarm.state_updated_timestamp = moment
    remember(alarm, moment, "StateUpdate", f"Alarm updated from {before} to {state}", data)
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": account.account_id,
        "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [alarm.alarm_arn],
        "detail": {
            "alarmName": alarm.name,
            "state": {"value": state, "reason": reason, "timestamp": time_of(moment)},
            "previousState": {"value": before, "reason": old_reason, "timestamp": time_of(old_time)},
            "configuration": {"description": alarm.description or ""},
        },
    }
    event_bus.put(account, region, event)
    if not alarm.actions_enabled:
        return
    actions = {"ALARM": alarm.alarm_actions, "OK": alarm.ok_actions}.get(state, alarm.insufficient_data_actions)
    message = json.dumps(_message(account, region, alarm, before, reason, moment))
    for action in actions or []:
        _act(account, alarm, action, message, f'{state}: "{alarm.name}" in {_region_name(region)}', moment)


def _act(account: Account, alarm: Any, action: str, message: str, subject: str, moment: datetime) -> None:
    """Send the message to the topic. A failure is recorded only in the history of the alarm.

    *Source:* https://repost.aws/knowledge-center/cloudwatch-receive-sns-for-alarm-trigger
    """
    try:
        if Arn.parse(action).service != "sns":
            raise AwsError("NotImplemented", f"The sandbox's alarms act on topics only, not on {action}", 501)
        topics.publish(account, action, PRINCIPAL, alarm.alarm_arn, message, subject[:100])
    except topics.KeyRefusedError:
        error = _KEY_REFUSED
    except topics.PolicyRefusedError:
        error = f"Resource: {alarm.alarm_arn} is not authorized to perform: SNS:Publish on resource: {action}"
    else:
        remember(alarm, moment, "Action", f"Successfully executed action {action}", {})
        return
    log.warning("The alarm %s cannot reach %s: %s", alarm.name, action, error)
    remember(alarm, moment, "Action", f'Failed to execute action {action}. Received error: "{error}"', {})


def remember(alarm: Any, moment: datetime, kind: str, summary: str, data: dict[str, Any]) -> None:
    item = {
        "AlarmName": alarm.name,
        "AlarmType": "MetricAlarm" if alarm.rule is None else "CompositeAlarm",
        "Timestamp": moment,
        "HistoryItemType": kind,
        "HistorySummary": summary,
        "HistoryData": json.dumps(data),
    }
    vars(alarm).setdefault("items", []).append(item)


def _message(account: Account, region: str, alarm: Any, before: str, reason: str, moment: datetime) -> dict[str, Any]:
    """Return the message for subscribers. *Source:* the example of the User Guide, "Amazon SNS message format"."""
    params: dict[str, Any] = vars(alarm)["params"]
    if alarm.rule is None:
        names = (
            "MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Unit", "Period", "EvaluationPeriods",
            "DatapointsToAlarm", "ComparisonOperator", "Threshold", "TreatMissingData", "Metrics",
        )  # fmt: skip
        trigger: dict[str, Any] = {name: params[name] for name in names if name in params}
        if "Dimensions" in params:
            trigger["Dimensions"] = [{"name": each["Name"], "value": each["Value"]} for each in params["Dimensions"]]
        about: dict[str, Any] = {"Trigger": trigger}
    else:
        about = {"AlarmRule": alarm.rule}
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": account.account_id,
        "NewStateValue": alarm.state_value,
        "NewStateReason": reason,
        "StateChangeTime": time_of(moment),
        "Region": _region_name(region),
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        "OKActions": alarm.ok_actions or [],
        "AlarmActions": alarm.alarm_actions or [],
        "InsufficientDataActions": alarm.insufficient_data_actions or [],
        **about,
    }


def _region_name(region: str) -> str:
    return {"us-east-1": "US East (N. Virginia)", "eu-west-1": "EU (Ireland)"}.get(region, region)


def time_of(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
