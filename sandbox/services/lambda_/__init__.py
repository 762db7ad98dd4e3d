"""AWS Lambda: functions that run in processes, and event source mappings of SQS queues."""
