"""The search of metrics works as CloudWatch's user guide says: the guide's examples, and what is refused."""

from __future__ import annotations

import pytest

from sandbox.services.cloudwatch.metric_math import ExpressionError
from sandbox.services.cloudwatch.metrics import Key
from testing import metric_search


def metric(namespace: str, name: str, **dimensions: str) -> Key:
    return namespace, name, frozenset(dimensions.items())


def is_found(terms: str, key: Key) -> bool:
    return metric_search.found(f"SEARCH('{terms}', 'Sum', 300)", [key]) == [key]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CustomCount1", ["customcount1", "custom", "count", "1"]),
        ("SDBFailure", ["sdbfailure", "sdb", "failure"]),
        ("Project2-trial333", ["project2trial333", "project", "2", "trial", "333"]),
    ],
)
def test_tokens_are_those_of_the_guides_table(text: str, expected: list[str]) -> None:
    assert metric_search.tokens(text) == expected


@pytest.mark.parametrize(
    ("term", "name", "expected"),
    [
        *(
            (term, "CustomCount1", True)
            for term in ("count", "Count", "COUNT", "CustomCount", "Count1", "CustomCount1")
        ),
        *((term, "CustomCount1", False) for term in ("couNT", "customcount", "count1", "ountC", "Count2")),
        *(
            (term, name, True)
            for term in ("network/errors", "network+errors", "network-errors", "Network_Errors")
            for name in ("Network-Errors-2", "NetworkErrors2")
        ),
        ("errors-network", "Network-Errors-2", False),
        ("network-2", "Network-Errors-2", False),
        ("Errors", "ConnectionErrors", True),
        ("Errors", "errors", True),
        ('"CustomCount1"', "CustomCount1", True),
        ('"customcount1"', "CustomCount1", False),
        ('"Custom"', "CustomCount1", False),
        ('"Errors"', "ConnectionErrors", False),
        ('"Errors"', "errors", False),
        ('"Network-Errors-2"', "Network-Errors-2", True),
        ('"Network_Errors_2"', "Network-Errors-2", False),
        (r'"Europe\\France Traffic\(Network\)"', r"Europe\France Traffic(Network)", True),
        ('"Custom:Name[Special_Characters"', "Custom:Name[Special_Characters", True),
    ],
)
def test_term_finds_a_name(term: str, name: str, expected: bool) -> None:
    """As a metric's name, and as a dimension's value. A term without a property searches everything."""
    assert is_found(f"{{MyNamespace}}, {term} ", metric("MyNamespace", name)) is expected
    assert is_found(f"{{MyNamespace,Unit}} {term}", metric("MyNamespace", "Other", Unit=name)) is expected
    assert is_found(f" Unit={term} ", metric("MyNamespace", "Other", Unit=name)) is expected
    assert not is_found(f" Unit={term} ", metric("MyNamespace", name, Other=name))


CPU = metric("AWS/EC2", "CPUUtilization", InstanceId="i-1234567890123456")
OTHER_CPU = metric("AWS/EC2", "CPUUtilization", InstanceId="i-6543210987654321")
PACKETS = metric("AWS/EC2", "NetworkPacketsIn", InstanceId="i-1234567890123456")
BY_TYPE = metric("AWS/EC2", "CPUUtilization", InstanceType="t2.micro")
OF_ALL = metric("AWS/EC2", "CPUUtilization")
READS = metric("AWS/EC2", "DiskReadOps", InstanceId="i-1234567890123456", Project="ProjectA")
VOLUME = metric("AWS/EBS", "VolumeReadOps", VolumeId="vol-1")
FLOWS = metric("AWS/NetworkELB", "ActiveFlowCount", LoadBalancer="net/a/1")
UNITS = metric("AWS/NetworkELB", "ConsumedLCUs", LoadBalancer="net/a/1")
ERRORS = metric("AWS/Lambda", "Errors", FunctionName="other")
CALLS = metric("AWS/Lambda", "Invocations", FunctionName="of-ProjectB-1")
OTHER_CALLS = metric("AWS/Lambda", "Invocations", FunctionName="other")
OWN = metric("My-Space", "CustomCount1", **{"Dimension Name": "x"})
METRICS = [
    CPU, OTHER_CPU, PACKETS, BY_TYPE, OF_ALL, READS, VOLUME, FLOWS, UNITS, ERRORS, CALLS, OTHER_CALLS, OWN,
]  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ('{AWS/EC2,InstanceId} MetricName="CPUUtilization"', [CPU, OTHER_CPU]),
        (' {AWS/EC2} MetricName="CPUUtilization" ', [OF_ALL]),
        (' {AWS/EC2,InstanceType} InstanceType=micro MetricName="CPUUtilization" ', [BY_TYPE]),
        (' InstanceType="t2.micro" Namespace="AWS/EC2" ', [BY_TYPE]),
        (' "AWS/EC2" MetricName="CPUUtilization" ', [CPU, OTHER_CPU, BY_TYPE, OF_ALL]),
        ("{AWS/EC2,InstanceId} network AND packets", [PACKETS]),
        (" {AWS/EC2,InstanceId} network packets ", [PACKETS]),
        (' {AWS/EC2,InstanceId} MetricName="CPUUtilization" NOT i-1234567890123456 ', [OTHER_CPU]),
        (' {AWS/EC2,InstanceId} NOT "CPUUtilization" NOT "NetworkPacketsIn" ', []),
        ("NOT Namespace=AWS ", [OWN]),
        (" (EC2 OR EBS) AND MetricName=ReadOps ", [READS, VOLUME]),
        (" (EC2 OR EBS) MetricName=ReadOps ", [READS, VOLUME]),
        (" (EC2 OR EBS) AND ReadOps AND ProjectA ", [READS]),
        (' {AWS/NetworkELB, LoadBalancer} "ConsumedLCUs" OR flow ', [FLOWS, UNITS]),
        (
            '{AWS/Lambda,FunctionName} MetricName="Errors" OR (MetricName="Invocations" AND (ProjectA OR ProjectB))',
            [ERRORS, CALLS],
        ),
        (' {"My-Space", "Dimension Name"}, Count ', [OWN]),
        (' "Dimension Name"=x ', [OWN]),
    ],
)
def test_search_finds(terms: str, expected: list[Key]) -> None:
    assert metric_search.found(f"SEARCH('{terms}', 'Average')", METRICS) == expected


def test_statistic_and_period_are_read() -> None:
    search = metric_search.parse("SEARCH(' {AWS/EC2,InstanceId} MetricName=\"CPUUtilization\" ', 'Average', 300)")
    assert (search.statistic, search.period) == ("Average", 300)
    assert metric_search.parse("SEARCH(' Errors ', 'Sum')").period is None


@pytest.mark.parametrize(
    "expression",
    [
        "SEARCH('Errors')",
        "SUM(SEARCH('Errors', 'Sum', 300))",
        "SEARCH(' ', 'Sum', 300)",
        "SEARCH('{}', 'Sum', 300)",
        "SEARCH('{My Namespace} Errors', 'Sum', 300)",
        "SEARCH('{Custom-Namespace} Errors', 'Sum', 300)",
        # Precedence of AND and OR is not documented.
        "SEARCH('EC2 OR EBS MetricName=ReadOps', 'Sum', 300)",
        "SEARCH('EC2 OR EBS AND ReadOps', 'Sum', 300)",
        "SEARCH('EC2 OR EBS NOT ReadOps', 'Sum', 300)",
        "SEARCH('(EC2 OR EBS', 'Sum', 300)",
        "SEARCH('EC2 OR EBS)', 'Sum', 300)",
        "SEARCH('()', 'Sum', 300)",
        "SEARCH('EC2 OR', 'Sum', 300)",
        "SEARCH('NOT', 'Sum', 300)",
        "SEARCH('MetricName=', 'Sum', 300)",
        "SEARCH('MetricName=(ReadOps OR WriteOps)', 'Sum', 300)",
        "SEARCH('=ReadOps', 'Sum', 300)",
        "SEARCH('MetricName=\"Network(Errors)\"', 'Sum', 300)",
        "SEARCH('MetricName=\"Errors', 'Sum', 300)",
        "SEARCH('--', 'Sum', 300)",
        "SEARCH(':aws.AccountId=444455556666 Errors', 'Sum', 300)",
        f"SEARCH('{'x' * 1025}', 'Sum', 300)",
    ],
)
def test_unknown_expression_is_refused(expression: str) -> None:
    with pytest.raises(ExpressionError):
        metric_search.parse(expression)
