"""How fast and how good beside other engines: measured by running them, each in its own Python."""
