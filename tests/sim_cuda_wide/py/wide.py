"""What the scripts here share: the bare driver of the other folder, and NVIDIA's runtimes by ctypes."""

import ctypes
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../sim_cuda/py"))

from cu import *  # noqa: F403

MIB = 1 << 20


class Location(ctypes.Structure):
    _fields_ = [("type", U32), ("id", I32)]


class PoolProps(ctypes.Structure):
    _fields_ = [("type", U32), ("handles", U32), ("location", Location), ("windows", P), ("max", S), ("rest", U64 * 7)]


class Props(ctypes.Structure):
    _fields_ = [("type", U32), ("handles", U32), ("location", Location), ("windows", P), ("flags", U64)]


class Access(ctypes.Structure):
    _fields_ = [("location", Location), ("flags", U32)]


HERE = Location(1, 0)


def free_bytes():
    free, total = S(), S()
    call("cuMemGetInfo_v2", ref(free), ref(total))
    return free.value


def runtime(path):
    """A runtime whose functions assert that they succeed."""
    library = ctypes.CDLL(path)

    def run(name, *arguments, answers=0):
        result = getattr(library, name)(*arguments)
        assert result == answers, f"{name} answered {result}, not {answers}"

    return run


def runtime_free(run):
    free, total = S(), S()
    run("cudaMemGetInfo", ref(free), ref(total))
    return free.value
