"""AWS CloudFormation: stacks, change sets, stack sets, custom resources."""
