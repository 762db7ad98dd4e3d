"""Rules of AWS that moto lacks or gets wrong, each with its source."""
