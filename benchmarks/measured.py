"""measured.py DESCRIPTOR COMMAND...: runs the command and writes its figures to the descriptor.

A child's peak memory counts from that of the process that made it; this one is small."""

import json
import os
import subprocess
import sys
import time

begin = time.perf_counter()
child = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(child.pid, 0)
figures = {"wall": time.perf_counter() - begin, "cpu": usage.ru_utime + usage.ru_stime,
           "peak": usage.ru_maxrss / 1024, "code": os.waitstatus_to_exitcode(status)}
os.write(int(sys.argv[1]), json.dumps(figures).encode())
