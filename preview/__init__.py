"""What Log Keeper would do in an account. A command for people, with their own credentials: it is not deployed."""
