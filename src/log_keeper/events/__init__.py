"""What an incoming message means. Pure: nothing here calls AWS or asks for the time."""
