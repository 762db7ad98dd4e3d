# Log Keeper from a release (docs/release.md): first only audited. Replace the bucket, the region and the version.
resource "aws_cloudformation_stack" "log_keeper" {
  name         = "log-keeper"
  template_url = "https://acme-log-keeper-eu-west-1.s3.eu-west-1.amazonaws.com/log-keeper/0.1.0/template.yaml"
  capabilities = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
  parameters = {
    Mode                      = "Audit"
    Regions                   = "eu-central-1,us-east-1"
    ExecutionLogRetentionDays = "30"
    AlarmEmail                = "ops@example.com"
  }
}
