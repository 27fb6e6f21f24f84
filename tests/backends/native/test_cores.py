"""How many threads to start, on made-up systems: hardware threads of one core, affinity, control groups."""

from pathlib import Path

import pytest

from llmir.backends.native import cores
from llmir.backends.native.cores import usable_cores


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def topology(root: Path, places: list[tuple[int, int]]) -> None:
    """Processors with these (package, core)."""
    for processor, (package, core) in enumerate(places):
        folder = f"sys/devices/system/cpu/cpu{processor}/topology"
        write(root, f"{folder}/physical_package_id", f"{package}\n")
        write(root, f"{folder}/core_id", f"{core}\n")


@pytest.fixture
def eight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages of two cores of two hardware threads, all allowed."""
    topology(tmp_path, [(0, 0), (0, 1), (1, 0), (1, 1)] * 2)
    monkeypatch.setattr(cores, "usable_processors", lambda: set(range(8)))
    return tmp_path


def test_hardware_threads_of_a_core_count_once(eight: Path):
    assert usable_cores(eight) == 4


@pytest.mark.parametrize(("allowed", "expected"), [({0, 4}, 1), ({0, 1}, 2), ({1, 5, 6}, 2), ({3}, 1)])
def test_only_allowed_processors_count(eight: Path, monkeypatch: pytest.MonkeyPatch, allowed: set[int], expected: int):
    monkeypatch.setattr(cores, "usable_processors", lambda: allowed)
    assert usable_cores(eight) == expected


def test_without_topology_processors_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cores, "usable_processors", lambda: {0, 1, 2})
    assert usable_cores(tmp_path) == 3


@pytest.mark.parametrize(
    ("group", "limits", "expected"),
    [
        ("/", {"": "max 100000"}, 4),
        ("/", {"": "150000 100000"}, 2),
        ("/a/b", {"a/b": "max 100000", "a": "100000 100000"}, 1),
        ("/a/b", {"a/b": "50000 100000"}, 1),
        ("/a/b", {"a/b": "900000 100000"}, 4),
        ("/a/b", {}, 4),
        ("/a", {"a": "nonsense"}, 4),
    ],
)
def test_control_groups_of_version_2_limit(eight: Path, group: str, limits: dict[str, str], expected: int):
    write(eight, "proc/self/cgroup", f"0::{group}\n")
    for name, text in limits.items():
        write(eight, f"sys/fs/cgroup/{name}/cpu.max", text + "\n")
    assert usable_cores(eight) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 4), ("250000", 3), ("20000", 1)])
def test_control_groups_of_version_1_limit(eight: Path, quota: str, expected: int):
    write(eight, "proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/docker/c\n")
    write(eight, "sys/fs/cgroup/cpu/docker/c/cpu.cfs_quota_us", quota + "\n")
    write(eight, "sys/fs/cgroup/cpu/docker/c/cpu.cfs_period_us", "100000\n")
    assert usable_cores(eight) == expected


def test_this_machine_has_a_core():
    assert 1 <= usable_cores() <= len(cores.usable_processors())
