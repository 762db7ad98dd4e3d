"""Every room that adds rules or services to the account, imported once by the first Sandbox.

A room registers itself on import: rules by ``@gateway.rule``, services by ``account.SERVICES``, targets of EventBridge
by ``event_bus.TARGETS``.
"""
