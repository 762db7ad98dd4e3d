"""The AWS services of the sandbox, a folder for each. ``catalogue`` lists them in the order of their imports."""
