"""Places outside of this machine: URIs, models and vectors fetched from them, and what is made sent there."""
