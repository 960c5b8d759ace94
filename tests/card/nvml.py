"""Memory on the card as NVML tells it, from outside the program that is watched.

Process memory by pid where NVML lists it; where it does not (other pid namespaces, some virtual machines), what the whole
device uses less what it used before, which is said ("device"), and true only while nothing else runs.

CARD_NVML names another library, for tests. NVML can hang with the driver: it is opened, and every sampler runs, in a thread
that is left alone if it does not come back. While NVML is open the driver stays initialised between runs."""
import ctypes
import os
import threading
import time

PERIOD_S = 0.1
NOT_TOLD = 2 ** 64 - 1  # NVML_VALUE_NOT_AVAILABLE


class Process(ctypes.Structure):  # nvmlProcessInfo_t, as version 3 of the call has it
    _fields_ = [("pid", ctypes.c_uint), ("used", ctypes.c_ulonglong), ("gpu_instance", ctypes.c_uint),
                ("compute_instance", ctypes.c_uint)]


class Memory(ctypes.Structure):  # nvmlMemory_t
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class Nvml:
    """One device. why: None, or why there is nothing to be had."""

    def __init__(self, uuid=None, simulated=False):
        self.library = self.device = self.driver_release = None
        path = os.environ.get("CARD_NVML")
        self.why = "the simulated card has no NVML" if simulated and not path else "NVML did not answer within 10 s"
        if simulated and not path:
            return
        opener = threading.Thread(target=self._open, args=(path or "libnvidia-ml.so.1", uuid), daemon=True)
        opener.start()
        opener.join(10)

    def _open(self, path, uuid):
        try:
            library = ctypes.CDLL(path)
            device = ctypes.c_void_p()
            if library.nvmlInit_v2():
                raise OSError("nvmlInit_v2 failed")
            found = uuid and library.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode(), ctypes.byref(device)) == 0
            if not found and library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)):
                raise OSError("nvmlDeviceGetHandleByIndex_v2 failed")
        except (OSError, AttributeError) as error:
            self.why = f"no NVML: {error}"
            return
        text = ctypes.create_string_buffer(96)
        if library.nvmlSystemGetDriverVersion(text, 96) == 0:
            self.driver_release = text.value.decode(errors="replace")
        self.library, self.device, self.why = library, device, None

    def used_bytes(self):
        memory = Memory()
        if self.library.nvmlDeviceGetMemoryInfo(self.device, ctypes.byref(memory)):
            return None
        return memory.used

    def processes(self):
        """{pid: bytes}; of those whose bytes it tells."""
        room = 64
        while room <= 4096:
            list_, count = (Process * room)(), ctypes.c_uint(room)
            result = self.library.nvmlDeviceGetComputeRunningProcesses_v3(self.device, ctypes.byref(count), list_)
            if result == 0:
                return {p.pid: p.used for p in list_[:count.value] if p.used != NOT_TOLD}
            room *= 4
        return {}


class Sampler:
    """Watches a process group from start() to stop(). by: "pid", "device" or None (nothing was seen)."""

    def __init__(self, nvml):
        self.nvml, self.by, self.peak_bytes, self.samples = nvml, None, 0, 0
        self._pid = self._thread = None
        self._over = threading.Event()
        self._by_pid = self._by_device = 0

    def start(self, pid):
        if self.nvml.why:
            return
        self._pid = pid
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self):
        if self._thread:
            self._over.set()
            self._thread.join(1)
            if self._thread.is_alive():
                self.nvml.why = "NVML stopped answering"
        if self._by_pid:
            self.by, self.peak_bytes = "pid", self._by_pid
        elif self._by_device > 0:
            self.by, self.peak_bytes = "device", self._by_device

    def _watch(self):
        before = self.nvml.used_bytes()  # the program has only just begun
        due = time.monotonic()
        while not self._over.is_set():
            mine = sum(used for pid, used in self.nvml.processes().items() if self._is_ours(pid))
            used = self.nvml.used_bytes()
            self.samples += 1
            self._by_pid = max(self._by_pid, mine)
            if used is not None and before is not None:
                self._by_device = max(self._by_device, used - before)
            due += PERIOD_S
            self._over.wait(max(0.0, due - time.monotonic()))

    def _is_ours(self, pid):
        try:
            return pid == self._pid or os.getpgid(pid) == self._pid
        except OSError:
            return False
