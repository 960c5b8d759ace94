/* Question 5: which calls make the caller wait for work queued before them, by where the memory
 * is. */
#include "frame.h"
#include "trials.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES = 4 << 20 };
#define BUSY_MS 20.0

struct ground {
	CUdeviceptr at;	   /* where the call writes, or reads from */
	CUdeviceptr other; /* device memory */
	void *pinned, *pageable;
};

typedef CUresult (*operation)(const struct ground *m, CUstream in);

static CUresult h2d_pageable(const struct ground *m, CUstream in)
{
	return cu(cuMemcpyHtoDAsync_v2)(m->at, m->pageable, BYTES, in);
}

static CUresult h2d_pinned(const struct ground *m, CUstream in)
{
	return cu(cuMemcpyHtoDAsync_v2)(m->at, m->pinned, BYTES, in);
}

static CUresult d2h_pageable(const struct ground *m, CUstream in)
{
	return cu(cuMemcpyDtoHAsync_v2)(m->pageable, m->at, BYTES, in);
}

static CUresult d2h_pinned(const struct ground *m, CUstream in)
{
	return cu(cuMemcpyDtoHAsync_v2)(m->pinned, m->at, BYTES, in);
}

static CUresult from_device(const struct ground *m, CUstream in)
{
	return cu(cuMemcpyDtoDAsync_v2)(m->at, m->other, BYTES, in);
}

static CUresult to_device(const struct ground *m, CUstream in)
{
	return cu(cuMemcpyDtoDAsync_v2)(m->other, m->at, BYTES, in);
}

static CUresult within(const struct ground *m, CUstream in)
{
	return cu(cuMemcpyAsync)(m->at + BYTES, m->at, BYTES, in);
}

static CUresult fill(const struct ground *m, CUstream in)
{
	return cu(cuMemsetD32Async)(m->at, 1, BYTES / 4, in);
}

static CUresult sync_h2d_pageable(const struct ground *m, CUstream in)
{
	(void)in;
	return cu(cuMemcpyHtoD_v2)(m->at, m->pageable, BYTES);
}

static CUresult sync_h2d_pinned(const struct ground *m, CUstream in)
{
	(void)in;
	return cu(cuMemcpyHtoD_v2)(m->at, m->pinned, BYTES);
}

static CUresult sync_d2h(const struct ground *m, CUstream in)
{
	(void)in;
	return cu(cuMemcpyDtoH_v2)(m->pinned, m->at, BYTES);
}

static CUresult sync_d2d(const struct ground *m, CUstream in)
{
	(void)in;
	return cu(cuMemcpyDtoD_v2)(m->at, m->other, BYTES);
}

static CUresult sync_fill(const struct ground *m, CUstream in)
{
	(void)in;
	return cu(cuMemsetD32_v2)(m->at, 1, BYTES / 4);
}

static const struct {
	const char *name;
	operation run;
	bool legacy; /* it works in the legacy stream */
} operations[] = {
    {"async_h2d_pageable", h2d_pageable, false},
    {"async_h2d_pinned", h2d_pinned, false},
    {"async_d2h_pageable", d2h_pageable, false},
    {"async_d2h_pinned", d2h_pinned, false},
    {"async_d2d_from_device", from_device, false},
    {"async_d2d_to_device", to_device, false},
    {"async_within", within, false},
    {"async_fill", fill, false},
    {"sync_h2d_pageable", sync_h2d_pageable, true},
    {"sync_h2d_pinned", sync_h2d_pinned, true},
    {"sync_d2h", sync_d2h, true},
    {"sync_d2d", sync_d2d, true},
    {"sync_fill", sync_fill, true},
};

/* "waits": the stream's earlier work was over when it returned. */
static const char *manner(const struct gpu *g, operation run, const struct ground *m,
			  CUstream in)
{
	CUevent before;
	double from, us;
	CUresult result, over;

	TRY(cu(cuEventCreate)(&before, CU_EVENT_DISABLE_TIMING));
	gpu_spin(g, BUSY_MS, in);
	TRY(cu(cuEventRecord)(before, in));
	from = gpu_now_us();
	result = run(m, in);
	us = gpu_now_us() - from;
	over = cu(cuEventQuery)(before);
	TRY(cu(cuCtxSynchronize)());
	TRY(cu(cuEventDestroy_v2)(before));
	if (result != CUDA_SUCCESS)
		return driver_error_name(result);
	return over == CUDA_SUCCESS && us > BUSY_MS * 1e3 / 2 ? "waits" : "returns at once";
}

static void at_place(const struct gpu *g, const struct ground *m, const char *place)
{
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		answer_step("%s at %s memory", operations[i].name, place);
		answer_text(
		    manner(g, operations[i].run, m, operations[i].legacy ? NULL : g->stream),
		    "%s/%s", place, operations[i].name);
	}
}

void trial_blocking(struct gpu *g)
{
	struct ground m = {.pageable = malloc(BYTES)};
	CUmemGenericAllocationHandle frame;
	struct places places;
	CUdeviceptr plain;
	void *pinned;

	if (!m.pageable)
		answer_failed("out of memory");
	memset(m.pageable, 1, BYTES);
	TRY(cu(cuMemHostAlloc)(&m.pinned, BYTES, 0));
	TRY(cu(cuMemAlloc_v2)(&m.other, BYTES));
	TRY(cu(cuMemAlloc_v2)(&plain, 2 * BYTES));
	TRY(cu(cuMemHostAlloc)(&pinned, 2 * BYTES, CU_MEMHOSTALLOC_DEVICEMAP));
	m.at = plain;
	at_place(g, &m, "device");
	TRY(cu(cuMemHostGetDevicePointer_v2)(&m.at, pinned, 0));
	at_place(g, &m, "pinned");
	places = places_find(g);
	if (!places.granularity[ON_HOST]) {
		answer_result(places.host_answer, "host_frames");
		return;
	}
	m.at = range_reserve(2 * BYTES);
	TRY(range_back(g, m.at, 2 * BYTES, &places.of[ON_HOST], &frame));
	at_place(g, &m, "host");
}
