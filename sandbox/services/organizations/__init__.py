"""Organizations: the tree of units and accounts, delegated administrators, and service control policies."""
