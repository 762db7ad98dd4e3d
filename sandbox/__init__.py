"""An AWS account in one process, on one port of 127.0.0.1, that behaves as AWS does.

``assembly.Sandbox`` is the account. ``core`` holds what all services share and knows none of them; ``services`` has a
folder for each AWS service. How a call flows and how to correct one more behaviour: ``docs/sandbox.md``.
"""
