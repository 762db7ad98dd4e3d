"""``make verify``: what the real account does at each point about AWS that is not recorded."""
