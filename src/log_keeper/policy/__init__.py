"""What a stage should look like, and why. Pure: nothing here calls AWS or asks for the time."""
