"""Runs a command that ends when its parent does:  child.py NICENESS COMMAND…  (a file, so that it starts in no time).

Linux sends the signal (prctl PR_SET_PDEATHSIG, kept over exec), so a supervisor that is killed leaves no orphans.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the parent is gone already")
    os.nice(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
