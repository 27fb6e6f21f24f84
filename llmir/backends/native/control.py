"""The control block of a team of threads, as `kernels/team.py` reads and `workers.py` fills it: 32-bit words."""

from __future__ import annotations

LINE = 128
"""Bytes between words that different threads write: two cache lines, since processors fetch them in pairs."""
ARRIVED, PHASE, BARRIER_SLEEPERS, JOBS, JOB_SLEEPERS = (LINE * i for i in range(5))
"""Offsets: threads that arrived at the barrier, barriers passed, threads asleep in one, jobs given so far, threads
asleep waiting for one."""
JOB, BARRIER_SPINS, JOB_SPINS = (LINE * 5 + 4 * i for i in range(3))
"""Offsets of what changes seldom: the job, and how often to look before going to sleep."""
CONTROL_BYTES = LINE * 6
EXIT, FIRST_STEP = 0, 1
"""Jobs: leave, and the first of the steps; the others follow."""
BARRIER_SECONDS, JOB_SECONDS = 40e-6, 200e-6
"""How long a thread looks before it sleeps: at a barrier, and for the next job (longer than choosing a token takes)."""
CROWDED_SPINS = 16
"""How often a thread looks when there are more threads than processors to run them."""
MOST_SPINS = 1 << 20
PAUSES = 256
"""Pauses that are timed, to know how often to look."""
RUN, WORKER, SPIN = "team_run", "team_worker", "team_spin"
"""Names of the team's functions."""
