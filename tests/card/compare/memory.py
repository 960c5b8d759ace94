"""The most device memory that a process took, by NVML at 10 Hz from outside; only where NVML lists its pid (in a container it
often does not). Everything that goes wrong with NVML means: not known."""
import ctypes
import threading

PERIOD_S = 0.1
NOT_TOLD = 2 ** 64 - 1  # NVML_VALUE_NOT_AVAILABLE
MOST_PROCESSES = 256


class Process(ctypes.Structure):  # nvmlProcessInfo_t of nvmlDeviceGetComputeRunningProcesses_v3
    _fields_ = [("pid", ctypes.c_uint), ("used", ctypes.c_ulonglong), ("gpu_instance", ctypes.c_uint), ("compute_instance", ctypes.c_uint)]


class Nvml:
    """The first device. opened: whether it answers. path: None for none at all."""

    def __init__(self, path="libnvidia-ml.so.1"):
        self.opened, self.device = False, ctypes.c_void_p()
        if not path:
            return
        try:
            self.library = ctypes.CDLL(path)
            self.opened = (self.library.nvmlInit_v2() == 0
                           and self.library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(self.device)) == 0
                           and hasattr(self.library, "nvmlDeviceGetComputeRunningProcesses_v3"))
        except (OSError, AttributeError):
            pass

    def used_bytes(self, pid):
        """None: it does not list the process, or not its memory."""
        listed, count = (Process * MOST_PROCESSES)(), ctypes.c_uint(MOST_PROCESSES)
        if self.library.nvmlDeviceGetComputeRunningProcesses_v3(self.device, ctypes.byref(count), listed):
            return None
        return next((p.used for p in listed[:count.value] if p.pid == pid and p.used != NOT_TOLD), None)


class Sampler:
    """Watches one process until stop(); peak_bytes: None where NVML never listed it."""

    def __init__(self, nvml, pid):
        self.nvml, self.pid, self.peak_bytes, self.over = nvml, pid, None, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        if nvml.opened:
            self.thread.start()

    def _watch(self):
        while not self.over.wait(PERIOD_S):
            used = self.nvml.used_bytes(self.pid)
            if used is not None:
                self.peak_bytes = max(used, self.peak_bytes or 0)

    def stop(self):
        self.over.set()
        if self.nvml.opened:
            self.thread.join(2)
            self.nvml.opened = not self.thread.is_alive()  # one that hangs is not asked again
        return self.peak_bytes
