"""Amazon CloudWatch: metrics, alarms, dashboards, Contributor Insights."""
