"""What runs on Ray, and the stores and runs that it reads and writes. The only package that imports ray."""
