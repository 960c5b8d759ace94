/*
 * A driver small enough to check by eye: it hands out numbers for memory and counts what it
 * gave.
 *
 * It stands in for libcuda.so.1 where only *which* function is reached matters, and how much
 * memory was asked of it. Device 0 has FAKE_TOTAL bytes; FAKE_PEAK tells, through
 * cuCtxGetDevice's neighbour below, the most it ever held. Linked with -Bsymbolic, so that it
 * never calls through a preload.
 */
#include <cuda.h>
#include <pthread.h>
#include <string.h>

#define FAKE_TOTAL (1ull << 30)
#define FAKE_PAGE (2ull << 20)
#define SLOTS 4096
#define EXPORT __attribute__((visibility("default")))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot {
	unsigned long long bytes;
	int handles, mappings;
	CUcontext context; /* whose end frees it; NULL: none */
} slots[SLOTS];
static unsigned long long held, peak;

static CUresult take(unsigned long long *name, unsigned long long bytes)
{
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;

	if (!bytes)
		return CUDA_ERROR_INVALID_VALUE;
	bytes = (bytes + FAKE_PAGE - 1) / FAKE_PAGE * FAKE_PAGE;
	pthread_mutex_lock(&lock);
	for (unsigned int i = 1; i < SLOTS && bytes <= FAKE_TOTAL - held; i++)
		if (!slots[i].bytes) {
			slots[i] = (struct slot){.bytes = bytes, .handles = 1};
			held += bytes;
			if (held > peak)
				peak = held;
			*name = i * 0x100000000ull;
			result = CUDA_SUCCESS;
			break;
		}
	pthread_mutex_unlock(&lock);
	return result;
}

static CUresult drop(unsigned long long name)
{
	unsigned long long i = name / 0x100000000ull;
	CUresult result = CUDA_ERROR_INVALID_VALUE;

	pthread_mutex_lock(&lock);
	if (i < SLOTS && slots[i].bytes) {
		held -= slots[i].bytes;
		slots[i].bytes = 0;
		result = CUDA_SUCCESS;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

/* Not CUDA's: what a test asks the fake itself. */
EXPORT unsigned long long fake_peak_bytes(void);
unsigned long long fake_peak_bytes(void)
{
	return peak;
}

EXPORT unsigned long long fake_held_bytes(void);
unsigned long long fake_held_bytes(void)
{
	return held;
}

EXPORT CUresult CUDAAPI cuInit(unsigned int flags)
{
	return flags ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

EXPORT CUresult CUDAAPI cuDriverGetVersion(int *version)
{
	*version = 13000;
	return CUDA_SUCCESS;
}

EXPORT CUresult CUDAAPI cuCtxGetDevice(CUdevice *device)
{
	*device = 0;
	return CUDA_SUCCESS;
}

EXPORT CUresult CUDAAPI cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
	if (dev)
		return CUDA_ERROR_INVALID_DEVICE;
	*bytes = FAKE_TOTAL;
	return CUDA_SUCCESS;
}

EXPORT CUresult CUDAAPI cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
	*free_bytes = FAKE_TOTAL - held;
	*total = FAKE_TOTAL;
	return CUDA_SUCCESS;
}

static _Thread_local CUcontext current;
static int contexts; /* names given so far */

EXPORT CUresult CUDAAPI cuCtxCreate_v2(CUcontext *context, unsigned int flags, CUdevice dev)
{
	(void)flags;
	if (dev)
		return CUDA_ERROR_INVALID_DEVICE;
	*context = current = (CUcontext)(size_t)(16 * ++contexts);
	return CUDA_SUCCESS;
}

EXPORT CUresult CUDAAPI cuCtxGetCurrent(CUcontext *context)
{
	*context = current;
	return CUDA_SUCCESS;
}

EXPORT CUresult CUDAAPI cuCtxDestroy_v2(CUcontext context)
{
	for (unsigned long long i = 1; i < SLOTS; i++)
		if (slots[i].bytes && slots[i].context == context)
			drop(i * 0x100000000ull);
	if (current == context)
		current = NULL;
	return CUDA_SUCCESS;
}

EXPORT CUresult CUDAAPI cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytes)
{
	CUresult result = take(dptr, bytes);

	if (result == CUDA_SUCCESS)
		slots[*dptr / 0x100000000ull].context = current;
	return result;
}

EXPORT CUresult CUDAAPI cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pitch, size_t width,
					   size_t height, unsigned int element)
{
	(void)element;
	*pitch = (width + 511) / 512 * 512;
	return take(dptr, *pitch * height);
}

EXPORT CUresult CUDAAPI cuMemAllocAsync(CUdeviceptr *dptr, size_t bytes, CUstream stream)
{
	(void)stream;
	return take(dptr, bytes);
}

EXPORT CUresult CUDAAPI cuMemAllocAsync_ptsz(CUdeviceptr *dptr, size_t bytes, CUstream stream)
{
	(void)stream;
	return take(dptr, bytes);
}

EXPORT CUresult CUDAAPI cuMemFree_v2(CUdeviceptr dptr)
{
	return drop(dptr);
}

EXPORT CUresult CUDAAPI cuMemFreeAsync(CUdeviceptr dptr, CUstream stream)
{
	(void)stream;
	return drop(dptr);
}

EXPORT CUresult CUDAAPI cuMemCreate(CUmemGenericAllocationHandle *handle, size_t bytes,
				    const CUmemAllocationProp *prop, unsigned long long flags)
{
	(void)prop;
	(void)flags;
	return take(handle, bytes);
}

EXPORT CUresult CUDAAPI cuMemRelease(CUmemGenericAllocationHandle handle)
{
	struct slot *slot = &slots[handle / 0x100000000ull];

	return --slot->handles || slot->mappings ? CUDA_SUCCESS : drop(handle);
}

/* Maps anywhere; the address is the handle shifted, so that unmap finds it again. */
EXPORT CUresult CUDAAPI cuMemMap(CUdeviceptr ptr, size_t bytes, size_t offset,
				 CUmemGenericAllocationHandle handle, unsigned long long flags)
{
	(void)flags;
	if (offset || ptr != handle + 0x10000000ull ||
	    bytes != slots[handle / 0x100000000ull].bytes)
		return CUDA_ERROR_INVALID_VALUE;
	slots[handle / 0x100000000ull].mappings++;
	return CUDA_SUCCESS;
}

EXPORT CUresult CUDAAPI cuMemUnmap(CUdeviceptr ptr, size_t bytes)
{
	struct slot *slot = &slots[ptr / 0x100000000ull];

	(void)bytes;
	return --slot->mappings || slot->handles ? CUDA_SUCCESS : drop(ptr);
}

EXPORT CUresult CUDAAPI cuGetProcAddress_v2(const char *symbol, void **pfn, int version,
					    cuuint64_t flags,
					    CUdriverProcAddressQueryResult *status);

/* What a driver to come may have: the same name, other parameters. */
static CUresult alloc_to_come(CUdeviceptr *dptr, unsigned int kind, size_t bytesize)
{
	return kind ? CUDA_ERROR_INVALID_VALUE : cuMemAlloc_v2(dptr, bytesize);
}

static const struct {
	const char *base;
	int since;
	cuuint64_t flags;
	void (*function)(void);
} table[] = {
    {"cuMemAlloc", 99000, 0, (void (*)(void))alloc_to_come},
    {"cuInit", 2000, 0, (void (*)(void))cuInit},
    {"cuDriverGetVersion", 2020, 0, (void (*)(void))cuDriverGetVersion},
    {"cuMemAlloc", 3020, 0, (void (*)(void))cuMemAlloc_v2},
    {"cuMemFree", 3020, 0, (void (*)(void))cuMemFree_v2},
    {"cuMemAllocAsync", 11020, 2, (void (*)(void))cuMemAllocAsync_ptsz},
    {"cuMemAllocAsync", 11020, 0, (void (*)(void))cuMemAllocAsync},
    {"cuGetProcAddress", 12000, 0, (void (*)(void))cuGetProcAddress_v2},
};

EXPORT CUresult CUDAAPI cuGetProcAddress_v2(const char *symbol, void **pfn, int version,
					    cuuint64_t flags,
					    CUdriverProcAddressQueryResult *status)
{
	*pfn = NULL;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(table[i].base, symbol) && table[i].since <= version &&
		    (!table[i].flags || table[i].flags & flags)) {
			*pfn = __extension__(void *) table[i].function;
			if (status)
				*status = CU_GET_PROC_ADDRESS_SUCCESS;
			return CUDA_SUCCESS;
		}
	if (status)
		*status = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
	return CUDA_ERROR_NOT_FOUND;
}
