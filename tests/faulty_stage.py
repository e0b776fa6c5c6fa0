"""A stage's process for the rehearsals of test_gpu.py, without torch: what FAULT says goes wrong in ``correctness``."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

stage, work = sys.argv[1], Path(sys.argv[sys.argv.index("--work") + 1])
fault = os.environ.get("FAULT") if stage == "correctness" else None
print(f"{stage} begins", flush=True)
if fault == "hangs":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleeper = subprocess.Popen((sys.executable, "-c", "import time; time.sleep(600)"))
    (work / "pids").write_text(f"{os.getpid()} {sleeper.pid}")
    time.sleep(600)
elif fault == "raises":
    raise RuntimeError("the weather")
elif fault == "fills the disk":
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    for number in range(3):
        (Path(os.environ["TMPDIR"]) / str(number)).write_bytes(bytes(1 << 20))
    (Path(os.environ["TMPDIR"]) / "last").write_bytes(bytes(1 << 21))
elif fault == "prints without end":
    while True:
        print("x" * 1000)
elif fault == "breaks its process":
    sys.exit(75)
elif fault == "is killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif fault == "leaves half a result":
    (work / "results" / f"{stage}.json").write_text('{"state": "do')
    sys.exit(0)
elif fault == "says nothing of itself":
    sys.exit(0)
(work / "results" / f"{stage}.json").write_text(json.dumps({"state": "done", "process": os.getpid()}))
