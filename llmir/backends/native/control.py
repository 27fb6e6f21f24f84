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
RUN, WORKER, SPIN = "team_run", "team_worker", "team_spin"
"""Names of the team's functions."""
