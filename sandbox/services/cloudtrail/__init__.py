"""AWS CloudTrail: records of calls, trails, the event history."""
