"""Runs what may be hostile in a process that can compute and answer, and do nothing else.

Everything here is the kernel's and needs no rights: Linux alone has it.
"""
