"""How fast the program is, against the stand-in with its limits switched on. `make bench` prints the table."""
