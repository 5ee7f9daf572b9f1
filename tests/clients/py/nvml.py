"""What pynvml is told."""

import ctypes
import inspect
import json
import sys

import pynvml as nvml

MIB = 1 << 20
LISTS = ("", "_v2", "_v3")


def first():
    nvml.nvmlInit()
    return nvml.nvmlDeviceGetHandleByIndex(0)


def share(pid, used, total):
    """The share's memory, and one process that holds some of it, in every form."""
    card, pid, used, total = first(), int(pid), int(used) * MIB, int(total) * MIB
    memory(card, used, total)
    for version in LISTS:
        lists(card, version, [(pid, used)])
    details = nvml.nvmlDeviceGetRunningProcessDetailList(card, nvml.nvmlProcessDetailList_v1, 0)
    assert [(one.pid, one.usedGpuMemory) for one in details] == [(pid, used)], details
    samples = nvml.nvmlDeviceGetProcessUtilization(card, 0)
    assert {one.pid for one in samples} <= {pid}, samples
    assert {one.pid for one in nvml.nvmlDeviceGetProcessesUtilizationInfo(card, 0)} <= {pid}
    assert nvml.nvmlSystemGetProcessName(pid).endswith("gpu-client")
    accounting(card, {pid})


def nobody(total):
    card = first()
    memory(card, 0, int(total) * MIB)
    for version in LISTS:
        lists(card, version, [])
    accounting(card, set())


def memory(card, used, total):
    plain = nvml.nvmlDeviceGetMemoryInfo(card)
    assert (plain.total, plain.used, plain.free) == (total, used, total - used), str(plain)
    second = nvml.nvmlDeviceGetMemoryInfo(card, version=nvml.nvmlMemory_v2)
    assert (second.total, second.used, second.free) == (total, used, total - used), str(second)
    assert second.reserved == 0


def lists(card, version, expected):
    found = getattr(nvml, "nvmlDeviceGetComputeRunningProcesses" + version)(card)
    assert [(one.pid, one.usedGpuMemory) for one in found] == expected, (version, found)
    for kind in ("Graphics", "MPSCompute"):
        assert getattr(nvml, f"nvmlDeviceGet{kind}RunningProcesses{version}")(card) == []


def accounting(card, known):
    try:
        assert set(nvml.nvmlDeviceGetAccountingPids(card)) <= known
    except nvml.NVMLError_NotSupported:
        pass


def all():
    """Every query of the card, of a link, a sensor or a clock of it, and of the system."""
    card, answers = first(), {}
    for name, function in sorted(inspect.getmembers(nvml, inspect.isfunction)):
        for words in queries(name, function):
            key = " ".join([name, *map(str, words)])
            given = words if name.startswith("nvmlSystem") else (card, *words)
            try:
                answers[key] = plain(function(*given))
            except nvml.NVMLError as error:
                answers[key] = str(error)
            except (TypeError, ValueError, ctypes.ArgumentError):
                pass  # It wants more than a number.
    print(json.dumps(answers))


def queries(name, function):
    """With which words to ask, beside the card: none, or a number where the second is one."""
    needs = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    if name.startswith("nvmlSystemGet"):
        return [()] if not needs else []
    if not name.startswith("nvmlDeviceGet") or name.startswith("nvmlDeviceGetHandle") or not needs:
        return []
    if len(needs) == 1:
        return [()]
    structs = ("info", "struct", "list", "c_", "ext", "pci", "profile", "mode")
    if len(needs) > 2 or any(word in needs[1].lower() for word in structs):
        return []
    return [(0,), (1,), (2,)] if "timeStamp" not in needs and "tilization" not in name else [(0,)]


def plain(value):
    """A value as JSON has it, without the moment at which it was taken."""
    if isinstance(value, (list, tuple, ctypes.Array)):
        return [plain(one) for one in value]
    if isinstance(value, ctypes.Structure):
        fields = (field[0] for field in value._fields_)
        return {field: plain(getattr(value, field)) for field in fields if field != "timeStamp"}
    if hasattr(value, "__dict__"):
        return {field: plain(one) for field, one in vars(value).items() if field != "timeStamp"}
    return value if isinstance(value, (int, float, str, type(None))) else str(value)


globals()[sys.argv[1]](*sys.argv[2:])
