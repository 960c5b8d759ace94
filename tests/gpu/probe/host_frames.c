/* Question 1: frames in RAM, used by the GPU as if they were its own. */
#include "frame.h"
#include "speed.h"
#include "trials.h"

#include <stdlib.h>
#include <string.h>

/* One host frame beside one device frame, in one reservation, and both in one view. */
struct view {
	CUdeviceptr device, host;
	size_t bytes; /* of each */
};

/* A kernel met an error: the context is gone, and with it what would have come after. */
static void stop_at(CUresult result, const char *what)
{
	answer_result(result, "%s", what);
	if (result == CUDA_SUCCESS)
		return;
	answer_text("the rest: the context is lost", "not_asked");
	answer_done();
}

static struct view make(const struct gpu *g, const CUmemLocation *place)
{
	struct view v = {.bytes = gpu_fitting((g->quick ? 32 : 128) * MIB)};
	CUmemLocation device = place_device(g);
	CUmemGenericAllocationHandle frame, own;
	CUresult result;

	answer_number(gpu_attribute(g, ATTRIBUTE_HOST_NUMA_VMM), "attribute/host_numa_vmm");
	answer_number(gpu_attribute(g, ATTRIBUTE_HOST_VMM), "attribute/host_vmm");
	answer_number(gpu_attribute(g, ATTRIBUTE_HOST_NUMA_ID), "attribute/host_numa_id");
	answer_text(place_name(place), "place");
	answer_step("making a host frame");
	result = frame_make(place, v.bytes, &frame);
	answer_result(result, "create");
	if (result != CUDA_SUCCESS)
		answer_done();
	v.device = range_reserve(2 * v.bytes);
	v.host = v.device + v.bytes;
	TRY(range_back(g, v.device, v.bytes, &device, &own));
	answer_step("mapping it beside a device frame");
	result = cu(cuMemMap)(v.host, v.bytes, 0, frame, 0);
	answer_result(result, "map_beside_device");
	if (result != CUDA_SUCCESS)
		answer_done();
	result = range_open(g, v.host, v.bytes, true);
	answer_result(result, "set_access");
	if (result != CUDA_SUCCESS)
		answer_done();
	return v;
}

static void by_kernels(const struct gpu *g, const struct view *v)
{
	uint64_t wrong;

	answer_step("writing it by a kernel");
	gpu_fill(g, v->device, 2 * v->bytes, 7, g->stream);
	stop_at(cu(cuStreamSynchronize)(g->stream), "kernel_write");
	answer_step("reading it by a kernel");
	gpu_forget_wrong(g, g->stream);
	TRY(gpu_check(g, v->device, 2 * v->bytes, 7, 0, 0, g->stream));
	stop_at(cu(cuStreamSynchronize)(g->stream), "kernel_read");
	wrong = gpu_wrong(g, g->stream);
	answer_check(!wrong, "words differ",
		     "what one kernel wrote over both homes, another reads");
}

static bool all_are(const uint32_t *words, size_t count, uint32_t value)
{
	for (size_t i = 0; i < count; i++)
		if (words[i] != value)
			return false;
	return true;
}

static void by_atomics(const struct gpu *g, const struct view *v, uint32_t *buffer)
{
	static const char *const scopes[] = {"gpu", "system"};
	static const char *const facts[] = {"atomics_gpu", "atomics_system"};
	uint64_t words = MIB / 4;
	CUdeviceptr at = v->host;

	for (uint64_t of_system = 0; of_system < 2; of_system++) {
		answer_step("atomics of %s scope", scopes[of_system]);
		TRY(cu(cuMemsetD32Async)(at, 5, words, g->stream));
		for (int i = 0; i < 3; i++)
			LAUNCH(g, atomic, g->blocks, g->stream, &at, &words, &of_system);
		stop_at(cu(cuStreamSynchronize)(g->stream), facts[of_system]);
		TRY(cu(cuMemcpyDtoH_v2)(buffer, at, MIB));
		answer_check(all_are(buffer, words, 8), "sums differ",
			     "%s atomics on it add up", scopes[of_system]);
	}
}

/* Out of it, into it, and both ways to a device frame; false: one of them is refused. */
static bool copied(const struct view *v, uint64_t *buffer)
{
	CUresult result = cu(cuMemcpyHtoD_v2)(v->host, buffer, MIB);

	answer_result(result, "copy_from_pageable");
	if (result != CUDA_SUCCESS)
		return false;
	result = cu(cuMemcpyDtoD_v2)(v->device, v->host, MIB);
	answer_result(result, "copy_to_device_frame");
	if (result != CUDA_SUCCESS)
		return false;
	result = cu(cuMemcpyDtoD_v2)(v->host + MIB, v->device, MIB);
	answer_result(result, "copy_from_device_frame");
	if (result != CUDA_SUCCESS)
		return false;
	TRY(cu(cuStreamSynchronize)(NULL));
	memset(buffer, 0, MIB);
	result = cu(cuMemcpyDtoH_v2)(buffer, v->host + MIB, MIB);
	answer_result(result, "copy_to_pageable");
	return result == CUDA_SUCCESS;
}

static void by_copies(const struct view *v, uint64_t *buffer)
{
	size_t words = MIB / 8;
	bool same = true;

	for (size_t i = 0; i < words; i++)
		buffer[i] = gpu_word(11, i);
	answer_step("copying");
	if (!copied(v, buffer))
		return;
	for (size_t i = 0; i < words; i++)
		same = same && buffer[i] == gpu_word(11, i);
	answer_check(same, "bytes differ",
		     "copies into it, across and out of it carry every byte");
}

static void speeds(const struct gpu *g, const struct view *v)
{
	CUdeviceptr there;
	CUresult result;
	void *pinned;

	speed_of_kernels(g, v->device, v->bytes, "device");
	speed_of_kernels(g, v->host, v->bytes, "host");
	result = cu(cuMemHostAlloc)(&pinned, v->bytes, CU_MEMHOSTALLOC_DEVICEMAP);
	answer_result(result, "cuMemHostAlloc");
	if (result != CUDA_SUCCESS)
		return;
	TRY(cu(cuMemHostGetDevicePointer_v2)(&there, pinned, 0));
	speed_of_kernels(g, there, v->bytes, "pinned");
	TRY(cu(cuMemFreeHost)(pinned));
}

static void explore(const struct gpu *g, CUmemLocation place)
{
	uint64_t *buffer = malloc(MIB);
	struct view v;

	if (!buffer)
		answer_failed("out of memory");
	if (!driver_has_vmm())
		answer_skipped("virtual memory management: not offered by this driver");
	v = make(g, &place);
	by_kernels(g, &v);
	by_atomics(g, &v, (uint32_t *)buffer);
	by_copies(&v, buffer);
	free(buffer);
	speeds(g, &v);
}

void trial_host_numa(struct gpu *g)
{
	explore(g, place_nearest_node(g));
}

void trial_host_node0(struct gpu *g)
{
	if (place_nearest_node(g).id == 0)
		answer_skipped("node 0 is the nearest: see host_numa");
	explore(g, (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_HOST_NUMA, .id = 0});
}

void trial_host_any(struct gpu *g)
{
	explore(g, (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_HOST});
}
