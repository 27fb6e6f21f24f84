"""What compiled programs and sessions have in common: the control block of a team of threads, 32-bit words that
`kernels/team.py` reads and `workers.py` fills, and names of functions."""

from __future__ import annotations

LINE = 128
"""Bytes between words that different threads write: two cache lines, since processors fetch them in pairs."""
ARRIVED, PHASE, BARRIER_SLEEPERS, JOBS, JOB_SLEEPERS = (LINE * i for i in range(5))
"""Offsets: threads that arrived at the barrier, barriers passed, threads asleep in one, jobs given so far, threads
asleep waiting for one."""
JOB = LINE * 5
"""Offset of the job, which changes seldom."""
BARRIER_SPINS, JOB_SPINS = LINE * 6, LINE * 6 + 16
"""Offsets of three words each: how often to look before going to sleep, and the least and the most that may become."""
CONTROL_BYTES = LINE * 7
EXIT, FIRST_STEP = 0, 1
"""Jobs: leave, and the first of the steps; the others follow."""
BARRIER_SECONDS, JOB_SECONDS = 40e-6, 200e-6
"""How long a thread looks before it sleeps, at most: at a barrier, and for the next job (longer than choosing a token
takes)."""
SPIN_PARTS = {BARRIER_SPINS: 4, JOB_SPINS: 1}
"""What part of that it looks at least, on a machine where looking is in vain."""
CROWDED_SPINS = 16
"""How often a thread looks when there are more threads than processors to run them."""
MOST_SPINS = 1 << 20
PAUSES = 256
"""Pauses that are timed, to know how often to look."""
RUN, WORKER, SPIN = "team_run", "team_worker", "team_spin"
"""Names of the team's functions."""
TOP_K, SOFTMAX = "top_k", "softmax"
"""Names of the functions that tokens are chosen by."""
