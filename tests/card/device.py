"""Which card and which machine this is. ask() asks the driver in a process of its own (this file, run as a program), because
even asking may hang or crash; machine() reads what the system tells."""
import ctypes
import json
import os
import platform
import re
import resource
import shutil
import sys

NO_DEVICE = 77
NO_DEVICE_ERRORS = (100, 101)  # CUDA_ERROR_NO_DEVICE, CUDA_ERROR_INVALID_DEVICE
COMPUTE_MODE, MAJOR, MINOR = 20, 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_MODE, _COMPUTE_CAPABILITY_*


def ask(timeout_s):
    """{"name", "uuid", "compute_capability", "memory_bytes", "driver_api", "pci_bus_id", "simulated"}. Raises NoDevice, or
    Trouble where the driver is there but does not answer."""
    import card
    import child
    done = child.run([sys.executable, os.path.abspath(__file__)], card.environment({}), timeout_s)
    if done.status == NO_DEVICE:
        raise card.NoDevice(done.stderr.strip())
    try:
        told = json.loads(done.stdout)
    except ValueError:
        raise card.Trouble(f"the driver did not answer ({done.how()}): {done.stderr.strip()[-500:]}") from None
    if told["simulated"] and not card.SIMULATED:
        raise card.NoDevice("the driver found is the simulated one (LD_LIBRARY_PATH?); LOWTIDE_GPU_SIMULATED=1 uses it on purpose")
    return told


def none(why):
    print(why, file=sys.stderr)
    sys.exit(NO_DEVICE)


def answer():
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        none(str(error))
    result = cuda.cuInit(0)
    if result in NO_DEVICE_ERRORS:
        none(f"cuInit: error {result}")
    if result:
        sys.exit(f"cuInit: error {result}")
    count, device, value = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    cuda.cuDeviceGetCount(ctypes.byref(count))
    if not count.value:
        none("the driver tells of no device")
    if cuda.cuDeviceGet(ctypes.byref(device), 0):
        sys.exit("cuDeviceGet failed")
    text, uuid, size = ctypes.create_string_buffer(256), (ctypes.c_ubyte * 16)(), ctypes.c_size_t()
    told = {"simulated": hasattr(cuda, "lowtide_sim_thread_ns"), "devices": count.value}
    if cuda.cuDeviceGetName(text, 256, device) == 0:
        told["name"] = text.value.decode(errors="replace")
    if hasattr(cuda, "cuDeviceGetUuid_v2") and cuda.cuDeviceGetUuid_v2(uuid, device) == 0:
        digits = bytes(uuid).hex()
        told["uuid"] = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    if cuda.cuDeviceTotalMem_v2(ctypes.byref(size), device) == 0:
        told["memory_bytes"] = size.value
    numbers = []
    for attribute in (MAJOR, MINOR):
        if cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device) == 0:
            numbers.append(str(value.value))
    told["compute_capability"] = ".".join(numbers)
    if cuda.cuDeviceGetAttribute(ctypes.byref(value), COMPUTE_MODE, device) == 0:
        told["compute_mode"] = value.value  # 0: any number of processes
    if cuda.cuDeviceGetPCIBusId(text, 256, device) == 0:
        told["pci_bus_id"] = text.value.decode(errors="replace")
    if cuda.cuDriverGetVersion(ctypes.byref(value)) == 0:
        told["driver_api"] = f"{value.value // 1000}.{value.value % 1000 // 10}"
    print(json.dumps(told))


def lines_of(path, pattern):
    """{name: value} of the lines `name: value` whose name matches."""
    try:
        with open(path) as file:
            pairs = [line.split(":", 1) for line in file if ":" in line]
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, value in pairs if re.search(pattern, name)}


def machine():
    told = {"kernel": platform.release(), "machine": platform.machine(), "processors": os.cpu_count(),
            "page_bytes": resource.getpagesize(), "python": platform.python_version(), "libc": " ".join(platform.libc_ver()),
            "locked_limit": resource.getrlimit(resource.RLIMIT_MEMLOCK)[0], "root": os.geteuid() == 0}
    told.update(lines_of("/proc/meminfo", "^(MemTotal|MemAvailable|HugePages_Total)$"))
    told.update(lines_of("/proc/self/status", "^(Seccomp|CapEff)$"))
    told.update({f"numa_{k}": v for k, v in ((n, read(f"/sys/devices/system/node/{n}")) for n in ("online", "has_cpu", "has_memory"))
                 if v})
    told["tools"] = {t: bool(shutil.which(t) or os.path.exists(f"/usr/local/cuda/bin/{t}")) for t in
                     ("nvcc", "cuda-gdb", "gdb", "nvidia-smi")}
    return told


def read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return None


SMI = r"^\s*(Product Name|Product Architecture|Driver Version|CUDA Version|Addressing Mode|Persistence Mode|MIG Mode|" \
      r"Virtualization Mode|CC State|Compute Mode|GPU Link Info|Max|Current|Total|Link Width|PCIe Generation|" \
      r"FB Memory Usage|BAR1 Memory Usage)\s*(:.*)?$"


def smi_lines(text):
    """Of `nvidia-smi -q`, what bears on paging, in its own words."""
    return [line.rstrip() for line in text.splitlines() if re.match(SMI, line)][:40]


if __name__ == "__main__":
    answer()
