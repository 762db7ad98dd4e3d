"""AWS Lambda: functions, which run in processes, and event source mappings of SQS queues."""
