"""Log forwarding is switched off again: the commands of docs/removal.md delete Log Keeper's filters, and no others."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import make_http_stage, make_rest_stage, make_role, make_websocket_stage, set_log_role
from testing.builders import record, updated
from testing.deliveries import Deliver
from testing.log_destinations import make_siem_function

ROOT = Path(__file__).parent.parent.parent


def filters(sandbox: Sandbox) -> list[str]:
    """Return the names of all subscription filters of the region."""
    logs = sandbox.client("logs")
    groups = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
    found = [logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"] for group in groups]
    return sorted(each["filterName"] for some in found for each in some)


def test_filters_are_deleted_by_the_commands_of_the_page(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver
) -> None:
    function = make_siem_function(sandbox)
    environment.setenv("FORWARD_LOGS", f"{function},{function},log-keeper,")
    environment.setenv("ACCESS_LOG_GROUP_NAME", "/access-logs/${apiId}/${stage}")
    set_log_role(sandbox, make_role(sandbox))
    rest, http, websocket = make_rest_stage(sandbox), make_http_stage(sandbox), make_websocket_stage(sandbox)
    assert (
        deliver(
            updated(rest),
            record("CreateStage", {"apiId": http, "stageName": "%24default"}),
            record("CreateStage", {"apiId": websocket, "stageName": "prod"}),
        )
        == []
    )
    sandbox.client("logs").put_subscription_filter(
        logGroupName=f"/access-logs/{rest}/prod", filterName="theirs", filterPattern="", destinationArn=function
    )
    sandbox.client("logs").create_log_group(logGroupName="/aws/apigateway/without")
    assert filters(sandbox) == ["log-keeper"] * 5 + ["theirs"]
    page = (ROOT / "docs" / "removal.md").read_text()
    [commands] = re.findall(r"```console\n\$ (for prefix in .*?)```", page, re.DOTALL)
    assert "such as `/access-logs/`" in page
    subprocess.run(
        ["/bin/sh", "-uc", commands.replace("; do", " /access-logs/; do", 1)],
        env=sandbox.environment() | {"PATH": f"{ROOT / '.venv-tools' / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        check=False,  # a log group without a filter is an error of one call
        timeout=120,
    )
    assert filters(sandbox) == ["theirs"]
