"""Parameters, settings and outputs of the template, and the pages about them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from log_keeper.log_group_names import LONGEST_PATTERN, PATTERN
from log_keeper.settings import Settings
from sandbox.core.resource_types import TemplateError
from sandbox.services.cloudformation import template_functions, template_validation, templates
from testing.templates import RESOURCES, ROOT, TEMPLATE, nothing, rows, statements

PARAMETERS_PAGE = (ROOT / "docs" / "parameters.md").read_text()
DEFAULTS = {name: str(parameter["Default"]) or "empty" for name, parameter in TEMPLATE["Parameters"].items()}


def test_environment_is_what_the_settings_read() -> None:
    """No variable is missing, and none is set that the functions do not read."""
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    choices = {
        "ACCESS_LOG_FORMAT": "CLF",
        "ALLOW_DATA_TRACE": "Yes",
        "DETAILED_METRICS": "Yes",
        "LOG_GROUP_TAGS": "x=y",
        "ACCESS_LOG_CLASS": "InfrequentAccess",
        "EXECUTION_LOG_CLASS": "Standard",
        "PROTECT_LOG_GROUPS": "Yes",
        "FORWARD_LOGS": "x,x,x,x",
        "ACCESS_LOG_GROUP_NAME": "/x/${apiId}/${stage}",
        "FORWARDS": "true",
        "MODE": "Audit",
    }
    given = {
        name: choices.get(
            name, "1" if name.endswith(("_DAYS", "_MINUTES", "_SECONDS", "_RATE", "ENVIRONMENTS")) else "x"
        )
        for name in variables
    }
    read: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    Settings.from_environment(Environment(given))
    assert read | {"VERSION"} == set(variables)  # for the clients' user agent


@pytest.mark.parametrize(
    ("function_name", "queue_name"), [("EnforceFunction", "StageQueue"), ("SweepFunction", "SweepQueue")]
)
def test_visibility_timeout_is_six_times_the_functions(function_name: str, queue_name: str) -> None:
    """As Lambda advises. *Source:* Lambda developer guide, "Creating and configuring an Amazon SQS event source"."""
    function, queue = RESOURCES[function_name]["Properties"], RESOURCES[queue_name]["Properties"]
    assert queue["VisibilityTimeout"] == 6 * function["Timeout"]


def test_page_lists_the_parameters_with_their_defaults() -> None:
    assert {row[0]: row[1] for row in rows("docs/parameters.md")} == DEFAULTS


def test_page_has_the_parameters_in_the_templates_groups() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    listed = [
        (heading, re.findall(r"^\| `(\w+)`", section, re.MULTILINE))
        for heading, section in re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", PARAMETERS_PAGE, re.MULTILINE | re.DOTALL)
    ]
    assert [each for each in listed if each[1]] == [
        (group["Label"]["default"], group["Parameters"]) for group in groups
    ]


def test_readme_names_six_parameters_with_their_defaults() -> None:
    named = {row[0]: row[1] for row in rows("README.md") if row[0] in DEFAULTS}
    assert len(named) == 6
    assert named.items() <= DEFAULTS.items()


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("eu-west-1", "console.aws.amazon.com"),
        ("cn-north-1", "console.amazonaws.cn"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com"),
    ],
)
def test_dashboard_is_in_the_console_of_its_partition(region: str, console: str) -> None:
    values = templates.parameter_values(TEMPLATE, {}, nothing)
    values |= templates.pseudo_parameters("123456789012", region, "log-keeper", "id")
    scope = template_functions.Scope(TEMPLATE, values, nothing, lambda name, attribute: f"{name}.{attribute}", nothing)
    dashboard = "Observability.Outputs.Dashboard"
    url = f"https://{console}/cloudwatch/home?region={region}#dashboards:name={dashboard}"
    assert scope.evaluate(TEMPLATE["Outputs"]["Dashboard"]["Value"]) == url


def test_environments_that_share_the_rate_are_as_many_as_run_at_once() -> None:
    mapping = RESOURCES["EnforceFunction"]["Properties"]["Events"]["StageChanged"]["Properties"]
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert mapping["ScalingConfig"]["MaximumConcurrency"] == variables["ENVIRONMENTS"]


def test_formats_of_the_owner_fit_into_the_environment() -> None:
    """Lambda measures it as JSON. docs/access-logs.md promises 1,700 characters for all formats together."""
    template = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    own = {"REST_ACCESS_LOG_FORMAT": '"a":"$context.b",' * 67, "HTTP_ACCESS_LOG_FORMAT": "x" * 561}
    values = templates.parameter_values(TEMPLATE, {}, nothing)
    values |= templates.pseudo_parameters("123456789012", "ap-southeast-1", "log-keeper", "id")

    def physical_id(name: str) -> str:
        return f"https://sqs.ap-southeast-1.amazonaws.com/123456789012/log-keeper-{name}-ABCDEFGHIJKL"

    scope = template_functions.Scope(TEMPLATE, values, physical_id, lambda name, _: physical_id(name), nothing)
    variables = {name: str(scope.evaluate(value)) for name, value in template.items()} | own
    assert sum(map(len, own.values())) == 1_700
    assert len(json.dumps(variables, separators=(",", ":"))) <= 4_096


@pytest.mark.parametrize("logs", ["Access", "Execution"])
def test_log_groups_of_the_class_infrequent_access_cannot_be_forwarded(logs: str) -> None:
    destination = f"arn:aws:lambda:eu-west-1:123456789012:function:siem-{logs.lower()}"

    def check(log_class: str) -> None:
        given = {f"Forward{logs}LogsTo": destination, f"{logs}LogClass": log_class}
        template_validation.check_rules(TEMPLATE, templates.parameter_values(TEMPLATE, given, nothing))

    check("Standard")
    with pytest.raises(TemplateError, match=f"Forward{logs}LogsTo needs {logs}LogClass=Standard"):
        check("InfrequentAccess")


def test_pattern_of_names_is_checked_at_deployment_as_the_functions_check_it() -> None:
    parameter = TEMPLATE["Parameters"]["AccessLogGroupName"]
    assert parameter["AllowedPattern"] == f"|{PATTERN}"
    assert parameter["MaxLength"] == LONGEST_PATTERN


def test_names_by_the_pattern_are_in_the_rules_and_the_permissions() -> None:
    values = {"AccessLogGroupName": "/x/${accountId}/y-${apiId}/z/${apiName}/${stage}"}
    values |= templates.pseudo_parameters("123456789012", "us-east-1", "log-keeper", "id")
    scope = template_functions.Scope(TEMPLATE, values, str, lambda name, _: name, nothing)
    named = RESOURCES["LogGroupDeletedRule"]["Properties"]["EventPattern"]["Fn::Sub"][1]["Named"]
    assert scope.evaluate(named) == "/x/"
    parameters = RESOURCES["Enforcement"]["Properties"]["Parameters"]
    [names] = [each["ParameterValue"] for each in parameters if each["ParameterKey"] == "AccessLogGroups"]
    assert scope.evaluate(names) == "/x/*/y-*/z/*/*"


@pytest.mark.parametrize(
    ("pattern", "is_read"),
    [("", False), ("/x/${apiId}/${stage}", False), ("/x/${apiName}/${apiId}/${stage}", True)],
)
def test_names_of_apis_may_be_read_only_if_the_pattern_has_them(pattern: str, is_read: bool) -> None:
    values = {"AccessLogGroupName": pattern} | templates.pseudo_parameters("123456789012", "us-east-1", "x", "id")
    scope = template_functions.Scope(TEMPLATE, values, str, lambda name, _: name, nothing)
    [read] = [each for each in statements() if each["Sid"] == "ReadStages"]
    assert ("arn:aws:apigateway:*::/restapis/*" in scope.evaluate(read["Resource"])) is is_read
    for stack_set in ("Members", "Enforcement"):
        parameters = RESOURCES[stack_set]["Properties"]["Parameters"]
        [passed] = [each["ParameterValue"] for each in parameters if each["ParameterKey"] == "ApiNames"]
        assert scope.evaluate(passed) == ("Yes" if is_read else "No")
