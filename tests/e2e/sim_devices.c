/*
 * A launch that names memory of two devices: each device's pager hears of it. usage:
 * sim_devices [bare|peers|places|taken_places]; two simulated devices, SIM_IMAGE naming the
 * test kernels.
 */
#include "program.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PIECES 10
#define TURNS 1000
#define BYTES (2 * MIB)

/* A kernel of one device writes all of the other's memory, some of which may be in RAM, before
 * and after more of it is allocated. */
static int reach_peers(void)
{
	CUcontext contexts[2];
	CUdeviceptr pieces[PIECES];
	CUfunction fill;
	unsigned int value = 7, found;
	unsigned long words = BYTES / 4;

	for (int i = 0; i < 2; i++)
		MUST(cuDevicePrimaryCtxRetain(&contexts[i], i));
	MUST(cuCtxSetCurrent(contexts[0]));
	MUST(cuModuleLoad(&module, getenv("SIM_IMAGE")));
	MUST(cuModuleGetFunction(&fill, module, "fill"));
	for (int i = 0; i < PIECES; i++) {
		if (i == PIECES / 2) {
			MUST(cuCtxSetCurrent(contexts[0]));
			MUST(cuCtxEnablePeerAccess(contexts[1], 0));
		}
		MUST(cuCtxSetCurrent(contexts[1]));
		MUST(cuMemAlloc(&pieces[i], BYTES));
	}
	MUST(cuCtxSetCurrent(contexts[0]));
	for (int i = 0; i < PIECES; i++) {
		value = 7 + (unsigned int)i;
		MUST(cuLaunchKernel(fill, 4, 1, 1, 1, 1, 1, 0, NULL,
				    (void *[]){&pieces[i], &value, &words}, NULL));
	}
	MUST(cuCtxSynchronize());
	MUST(cuCtxSetCurrent(contexts[1]));
	for (int i = 0; i < PIECES; i++) {
		MUST(cuMemcpyDtoH(&found, pieces[i] + BYTES - 4, 4));
		if (found != 7 + (unsigned int)i + words - 1) {
			fprintf(stderr, "piece %d holds %u\n", i, found);
			return 1;
		}
	}
	return 0;
}

/* Where each device's memory lies, and that of another which comes when others have gone;
 * `taken`: where the second would lie something else is. */
static int places(int taken)
{
	CUdeviceptr at, first[4];
	CUcontext contexts[4];
	int count;

	MUST(cuDeviceGetCount(&count));
	if (taken &&
	    mmap((void *)(uintptr_t)(0x508100000000 - ((uint64_t)4 << 40)), 1 << 20, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		wrong("no place for something else");
	for (int i = 0; i < count; i++) {
		MUST(cuDevicePrimaryCtxRetain(&contexts[i], i));
		MUST(cuCtxSetCurrent(contexts[i]));
		MUST(cuMemAlloc(&first[i], BYTES));
		MUST(cuMemsetD8(first[i], i, BYTES));
		for (int j = 0; j < 9; j++) /* past this card's cap */
			MUST(cuMemAlloc(&at, BYTES));
	}
	for (int i = 0; i < count; i++) {
		unsigned char found;
		int device;

		MUST(cuCtxSetCurrent(contexts[i]));
		MUST(cuMemcpyDtoH(&found, first[i] + BYTES - 1, 1));
		if (found != i)
			wrong("a byte");
		MUST(cuPointerGetAttribute(&device, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
					   first[i]));
		if (device != i)
			wrong("the device of an address");
		printf("%llx\n", (unsigned long long)first[i]);
	}
	return 0;
}

int main(int argc, char **argv)
{
	CUdeviceptr pieces[PIECES], out, many[400] = {0};
	CUcontext contexts[2];
	CUfunction by_many;
	unsigned int by = 1;
	void *params[] = {many, &by};
	int cold = -1;

	MUST(cuInit(0));
	if (argc == 2 && !strcmp(argv[1], "peers"))
		return reach_peers();
	if (argc == 2 && strstr(argv[1], "places"))
		return places(!strcmp(argv[1], "taken_places"));
	for (int i = 0; i < 2; i++)
		MUST(cuDevicePrimaryCtxRetain(&contexts[i], i));
	MUST(cuCtxSetCurrent(contexts[1]));
	for (int i = 0; i < PIECES; i++) {
		MUST(cuMemAlloc(&pieces[i], BYTES));
		MUST(cuMemsetD8(pieces[i], 0, BYTES));
	}
	for (int i = 0; i < PIECES && cold < 0; i++)
		if (!in_vram(pieces[i]))
			cold = i;
	MUST(cuCtxSetCurrent(contexts[0]));
	MUST(cuModuleLoad(&module, getenv("SIM_IMAGE")));
	MUST(cuModuleGetFunction(&by_many, module, "by_many"));
	MUST(cuMemAlloc(&out, BYTES));
	if (argc == 2 && !strcmp(argv[1], "bare"))
		cold = 0;
	if (cold < 0) {
		fprintf(stderr, "nothing of the second device is in RAM\n");
		return 1;
	}
	/* Of so many pointers the kernel uses only the last. By overlap it takes evidence, and
	 * a while. */
	many[0] = many[399] = out;
	many[1] = pieces[cold];
	for (int i = 0; i < TURNS && (!i || !in_vram(pieces[cold])); i++) {
		MUST(cuLaunchKernel(by_many, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
		MUST(cuCtxSynchronize());
	}
	if (!in_vram(pieces[cold])) {
		fprintf(stderr, "what was named of the second device stayed in RAM\n");
		return 1;
	}
	MUST(cuMemFree(out));
	MUST(cuCtxSetCurrent(contexts[1]));
	for (int i = 0; i < PIECES; i++)
		MUST(cuMemFree(pieces[i]));
	return 0;
}
