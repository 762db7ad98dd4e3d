"""Values of ``$context`` variables: of an ordinary request, and what clients, backends and attackers can write."""

from __future__ import annotations

from urllib.parse import quote

from log_keeper.stages import Protocol

BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)

#: The values of one ordinary request. A variable that is not here has no value.
ORDINARY = {
    "apiId": "a1b2c3d4e5",
    "cipherSuite": "TLS_AES_128_GCM_SHA256",
    "connectedAt": "1795424399000",
    "connectionId": "gbikjQ7HvQAYKEiWaA==",
    "domainName": "api.shop.example.com",
    "eventType": "MESSAGE",
    "extendedRequestId": "EP5yhEjCIAMEEcg=",
    "httpMethod": "GET",
    # The session name of a role may hold a comma.
    "identity.caller": "AROAEXAMPLEEXAMPLE123:last,first@example.com",
    "identity.sourceIp": "203.0.113.124",
    "identity.user": "AROAEXAMPLEEXAMPLE123:last,first@example.com",
    "identity.userAgent": BROWSER,
    "identity.userArn": "arn:aws:sts::123456789012:assumed-role/reader/last,first@example.com",
    "integration.requestId": "61ed2826-b9cd-4a75-a5d6-eed85f48dca5",
    "integration.status": "200",
    "integrationLatency": "46",
    "integrationStatus": "200",
    "messageId": "gbikjg7IzQAYKEiWaA==",
    "path": "/prod/customers/4711/orders",
    "protocol": "HTTP/1.1",
    "requestId": "c9f6a383-f162-4b5f-b524-cfce0ad80812",
    "requestTime": "23/Nov/2026:09:00:00 +0000",
    "requestTimeEpoch": "1795424400000",
    "resourcePath": "/customers/{customer}/orders",
    "responseLatency": "52",
    "responseLength": "2134",
    "routeKey": "GET /customers/{customer}/orders",
    "stage": "prod",
    "status": "200",
    "tlsVersion": "TLSv1.3",
    "wafResponseCode": "WAF_ALLOW",
    "xrayTraceId": "1-6ab63cdc-23269b8807297558714a9c07",
}

#: What an HTTP header can hold: no control character but the tab. *Source:* RFC 9110, section 5.5.
HEADERS = [
    "",
    "-",
    " ",
    BROWSER,
    "a,b,,c",
    'a"b',
    '"',
    '""',
    'ends with "',
    '"begins',
    '","',
    '"," ',
    ",",
    "it's",
    "\\",
    'a\\"b',
    "ends with \\",
    "\\n",
    "&",
    "&amp;",
    "&#10;",
    "<",
    "<b>",
    "</userAgent>",
    "]]>",
    "]]",
    "]",
    "<![CDATA[",
    "-->",
    "<!--",
    "?>",
    "a\tb",
    "a b",
    "[x] (y) {z}",
    "%0a",
    "%0d%0aSet-Cookie: a=b",
    "${context.status}",
    "$context.status",
    "\u00e9\u00fc\u00df",
    "\u65e5\u672c\u8a9e",
    "\U0001f600",
    "\u202etxt",
    "x" * 10_000,
    '"' * 1_000,
    "sqlmap/1.8#stable (https://sqlmap.org) ' OR 1=1 --",
    "() { :; }; /bin/sh -c id",
    "${jndi:ldap://x/a}",
    # Attacks on a format: they insert another status, another address or another record.
    'x","status":"200","ip":"198.51.100.1',
    'x"},{"status":"200","ip":"198.51.100.1","a":"',
    'x","nested":{"status":"200',
    'x","198.51.100.1","200","end',
    '","end"',
    "]]></userAgent><status>200</status><userAgent><![CDATA[",
    ']]></userAgent></request><request ip="198.51.100.1" status="200"><userAgent><![CDATA[',
    '" 200 - 198.51.100.1 - - [23/Nov/2026:09:00:00 +0000] "GET / HTTP/1.1" 200 1',
]

#: What can be in the decoded path of an HTTP API, or in a value that a backend or an authorizer sets.
TEXTS = [
    *HEADERS,
    "a\nb",
    "a\r\nb",
    "\n",
    "\r",
    "a\x00b",
    "a\x1b[31mb",
    "a\x7fb",
    "a\x85b",
    "a\u2028b",
    'x\n{"status":"200","ip":"198.51.100.1"}',
    'x"}\n{"status":"200","ip":"198.51.100.1","a":"',
    "x\n198.51.100.1,200",
    'x"\n"198.51.100.1","200"',
    'x\n198.51.100.1 - - [23/Nov/2026:09:00:00 +0000] "GET / HTTP/1.1" 200 1',
    ']]></path></request>\n<request ip="198.51.100.1" status="200"><path><![CDATA[',
]

#: Characters that a URL can have without encoding, and some that curl sends although the standard forbids it.
_AS_SENT = "/'!()*,;:@&=+$~-._%[]|^{}<>`"


def path_of(protocol: Protocol, text: str) -> str:
    """Return the path as a log line has it: HTTP APIs decode it, REST APIs leave it encoded.

    *Source:* middleapi/standard-server, pull request 93 (captures of both).
    """
    return "/" + (text if protocol is Protocol.HTTP else quote(text, safe=_AS_SENT))
