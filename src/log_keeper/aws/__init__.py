"""Every call of AWS, with one module for each service or purpose."""
