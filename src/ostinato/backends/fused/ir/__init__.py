"""What the compiler works on, values and programs of them, and a plain way to run these."""
