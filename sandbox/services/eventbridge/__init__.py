"""Amazon EventBridge: buses, rules, event patterns, targets."""
