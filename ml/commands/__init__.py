"""Commands of python -m ml that have a module of their own: each adds its options and calls one function."""
