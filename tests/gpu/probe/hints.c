/* Question 8: what the arena can ask for. */
#include "frame.h"
#include "trials.h"

#include <stdio.h>

#define TIB ((size_t)1 << 40)

static void hint(CUdeviceptr wanted, const char *name)
{
	CUdeviceptr at = 0;
	CUresult result = cu(cuMemAddressReserve)(&at, TIB, 0, wanted, 0);
	char where[32];

	if (result != CUDA_SUCCESS) {
		answer_result(result, "%s", name);
		return;
	}
	if (wanted)
		answer_yes_no(at == wanted, "%s", name);
	snprintf(where, sizeof(where), "0x%llx", (unsigned long long)at);
	answer_text(where, "%s/got", name);
	TRY(cu(cuMemAddressFree)(at, TIB));
}

static void largest(void)
{
	size_t reached = 0;

	for (size_t bytes = TIB; bytes <= 256 * TIB; bytes *= 2) {
		CUdeviceptr at;
		CUresult result;

		answer_step("reserving %zu TiB", bytes / TIB);
		result = cu(cuMemAddressReserve)(&at, bytes, 0, 0, 0);
		if (result != CUDA_SUCCESS) {
			answer_result(result, "reserve_%zuTiB", bytes / TIB);
			break;
		}
		reached = bytes;
		TRY(cu(cuMemAddressFree)(at, bytes));
	}
	answer_number((long long)reached, "largest_reservation_bytes");
}

static void granularity(const CUmemLocation *place, const char *name)
{
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = *place};
	static const struct {
		CUmemAllocationGranularity_flags flag;
		const char *name;
	} kinds[] = {{CU_MEM_ALLOC_GRANULARITY_MINIMUM, "minimum"},
		     {CU_MEM_ALLOC_GRANULARITY_RECOMMENDED, "recommended"}};

	for (int i = 0; i < 2; i++) {
		size_t bytes = 0;
		CUresult result =
		    cu(cuMemGetAllocationGranularity)(&bytes, &prop, kinds[i].flag);

		if (result == CUDA_SUCCESS)
			answer_number((long long)bytes, "granularity/%s/%s", name,
				      kinds[i].name);
		else
			answer_result(result, "granularity/%s/%s", name, kinds[i].name);
	}
}

void trial_hints(struct gpu *g)
{
	CUmemLocation device = place_device(g), node = place_nearest_node(g),
		      any = {.type = CU_MEM_LOCATION_TYPE_HOST},
		      current = {.type = CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT};

	if (!driver_has_vmm())
		answer_skipped("virtual memory management: not offered by this driver");
	answer_step("reserving with hints");
	hint(0, "no_hint");
	hint(0x500000000000, "hint_honoured");
	hint(0x600000000000, "hint_honoured_at_0x600000000000");
	largest();
	answer_step("asking for granularities");
	granularity(&device, "device");
	granularity(&node, "host_numa");
	granularity(&any, "host");
	granularity(&current, "host_numa_current");
}
