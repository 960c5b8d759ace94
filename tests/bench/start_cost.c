/* What starting costs: milliseconds until the first allocation is there. */
#include <cuda.h>
#include <stdio.h>
#include <time.h>

int main(void)
{
	struct timespec from, upto;
	CUcontext context;
	CUdeviceptr buffer;

	clock_gettime(CLOCK_MONOTONIC, &from);
	if (cuInit(0) || cuDevicePrimaryCtxRetain(&context, 0) || cuCtxSetCurrent(context) ||
	    cuMemAlloc(&buffer, 2 << 20))
		return 3;
	clock_gettime(CLOCK_MONOTONIC, &upto);
	printf("%.3f\n", (double)(upto.tv_sec - from.tv_sec) * 1e3 +
			     (double)(upto.tv_nsec - from.tv_nsec) / 1e6);
	return 0;
}
