"""How many threads are worth starting: physical cores that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

SYSTEM = Path("/")


def usable_cores(root: Path = SYSTEM) -> int:
    """Physical cores this process is allowed to run on, within the processor time its control group is given.

    Two hardware threads of one core count once: they share the vector units and the memory port that kernels fill.
    """
    allowed = usable_processors()
    cores = {_core_of(processor, root) for processor in allowed}
    return max(1, min(len(cores), _quota(root)))


def usable_processors() -> set[int]:
    """Hardware threads this process is allowed to run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _core_of(processor: int, root: Path) -> tuple[str, str] | int:
    """What tells a processor's core from others; the processor itself where the system does not say."""
    topology = root / f"sys/devices/system/cpu/cpu{processor}/topology"
    try:
        return (topology / "physical_package_id").read_text(), (topology / "core_id").read_text()
    except OSError:
        return processor


def _quota(root: Path) -> int:
    """Processors worth of time that the control groups of this process allow, rounded up."""
    limits = [*_version_2(root), *_version_1(root)]
    return math.ceil(min(limits)) if limits else len(usable_processors())


def _version_2(root: Path) -> list[float]:
    """`cpu.max` of the process's group and those around it: "quota period", or "max period"."""
    limits: list[float] = []
    for group in _groups(root, ""):
        quota, _, period = _text(root / "sys/fs/cgroup" / group / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit() and int(period):
            limits.append(int(quota) / int(period))
    return limits


def _version_1(root: Path) -> list[float]:
    """`cpu.cfs_quota_us` over `cpu.cfs_period_us`; a quota of -1 is none."""
    limits: list[float] = []
    for group in _groups(root, "cpu"):
        folder = root / "sys/fs/cgroup/cpu" / group
        quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            limits.append(int(quota) / int(period))
    return limits


def _groups(root: Path, controller: str) -> list[Path]:
    """The path of the process's control group and of all around it, without the leading slash."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            mine = Path(path.lstrip("/"))
            return [mine, *mine.parents]
    return [Path()]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
