/* Managed memory: where its pages are, what moves them, and what an access costs there. */
#include "sim_control.h"
#include "sim_test.h"

#include <math.h>

#define PAGE (2 * MIB)

static const CUmemLocation cpu = {.type = CU_MEM_LOCATION_TYPE_HOST},
			   card = {.type = CU_MEM_LOCATION_TYPE_DEVICE};

static CUdeviceptr managed(size_t bytes)
{
	CUdeviceptr at;

	OK(cuMemAllocManaged(&at, bytes, CU_MEM_ATTACH_GLOBAL));
	return at;
}

/* The memory of a third level of safety: at home in RAM, in place for the card. */
static CUdeviceptr at_home_in_ram(size_t bytes)
{
	CUdeviceptr at = managed(bytes);

	OK(cuMemAdvise(at, bytes, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, cpu));
	OK(cuMemAdvise(at, bytes, CU_MEM_ADVISE_SET_ACCESSED_BY, card));
	return at;
}

static void prefetch(CUdeviceptr at, size_t bytes, CUmemLocation to)
{
	OK(cuMemPrefetchAsync(at, bytes, to, 0, NULL));
	OK(cuStreamSynchronize(NULL));
}

/* What the kernel itself takes, behind another that hides the host's own time. */
static double kernel_ns(CUfunction function, unsigned int blocks, void **params)
{
	CUevent from, to;
	float ms;

	OK(cuEventCreate(&from, 0));
	OK(cuEventCreate(&to, 0));
	OK(cuCtxSynchronize());
	OK(sim_spin(1e5, NULL));
	OK(cuEventRecord(from, NULL));
	OK(sim_launch(function, blocks, NULL, params));
	OK(cuEventRecord(to, NULL));
	OK(cuEventSynchronize(to));
	OK(cuEventElapsedTime(&ms, from, to));
	return (double)ms * 1e6;
}

/* Reads one word of the page, so the rate hardly counts. */
static double peek_ns(CUdeviceptr at)
{
	CUdeviceptr out = sim_alloc(256);
	void *params[] = {&at, &out};
	double ns = kernel_ns(sim_function("peek"), 1, params);

	OK(cuMemFree(out));
	return ns;
}

static double fill_ns(CUdeviceptr at, size_t bytes)
{
	unsigned int value = 3;
	unsigned long n = bytes / 4;
	void *params[] = {&at, &value, &n};

	return kernel_ns(sim_function("fill"), 4, params);
}

static void near(double got, double want)
{
	cr_assert_lt(fabs(got - want), 0.02 * want + 300, "got %g, want %g", got, want);
}

Test(sim_managed, is_in_ram_until_a_kernel_touches_it_and_then_comes_by_a_fault)
{
	CUdeviceptr at;
	size_t before;
	double first;

	sim_start();
	at = managed(3 * PAGE);
	sim_alloc(256); /* the small ones' page */
	before = sim_free_bytes();
	cr_assert_eq(sim_in_vram(at), 0);
	first = peek_ns(at + PAGE);
	near(first, 30e3 + PAGE / 25.0);
	cr_assert_eq(sim_in_vram(at), 0);
	cr_assert_eq(sim_in_vram(at + PAGE), 1);
	cr_assert_eq(sim_in_vram(at + 2 * PAGE), 0);
	cr_assert_eq(before - sim_free_bytes(), PAGE);
	cr_assert_lt(peek_ns(at + PAGE), 100);
	OK(cuMemFree(at));
	cr_assert_eq(before, sim_free_bytes());
}

Test(sim_managed, with_advice_a_kernel_uses_it_where_it_is)
{
	CUdeviceptr at;
	size_t before;

	sim_start();
	at = at_home_in_ram(4 * PAGE);
	before = sim_free_bytes();
	for (int i = 0; i < 3; i++)
		near(fill_ns(at, 4 * PAGE), 4 * PAGE / 15.0);
	cr_assert_eq(sim_in_vram(at), 0);
	cr_assert_eq(before, sim_free_bytes());
	for (unsigned int i = 0; i < PAGE; i += 4096)
		cr_assert_eq(((unsigned int *)at)[i], 3 + i);
}

Test(sim_managed, a_preferred_place_alone_keeps_it_there_at_the_price_of_one_fault)
{
	CUdeviceptr at;

	sim_start();
	at = managed(PAGE);
	OK(cuMemAdvise(at, PAGE, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, cpu));
	near(peek_ns(at), 30e3);
	cr_assert_lt(peek_ns(at), 100);
	cr_assert_eq(sim_in_vram(at), 0);
}

Test(sim_managed, a_prefetch_moves_it_both_ways_whatever_is_preferred)
{
	size_t bytes = 8 * PAGE, before;
	double start;
	CUdeviceptr at;

	setenv("LOWTIDE_SIM_D2H_GBPS", "10", 1);
	setenv("LOWTIDE_SIM_PREFETCH_NS", "5000", 1);
	sim_start();
	at = at_home_in_ram(bytes);
	before = sim_free_bytes();
	start = lowtide_sim_thread_ns();
	OK(cuMemPrefetchAsync(at, bytes, card, 0, NULL));
	cr_assert_lt(fabs(lowtide_sim_thread_ns() - start - 300 - 8 * 5000), 1);
	OK(cuStreamSynchronize(NULL));
	/* It started when the call was over. */
	near(lowtide_sim_thread_ns() - start, 8 * 5000 + (double)bytes / 25);
	cr_assert_eq(before - sim_free_bytes(), bytes);
	near(fill_ns(at, bytes), (double)bytes / 1000);
	start = lowtide_sim_thread_ns();
	prefetch(at, bytes, cpu);
	near(lowtide_sim_thread_ns() - start, 8 * 5000 + (double)bytes / 10);
	cr_assert_eq(before, sim_free_bytes());
	cr_assert_eq(sim_in_vram(at), 0);
	for (unsigned int i = 0; i < bytes / 4; i += 4096)
		cr_assert_eq(((unsigned int *)at)[i], 3 + i);
	cr_assert_eq(lowtide_sim_counted("bytes_h2d"), bytes);
	cr_assert_eq(lowtide_sim_counted("bytes_d2h"), bytes);
}

Test(sim_managed, what_is_already_there_does_not_cross_again)
{
	double start;
	CUdeviceptr at;

	sim_start();
	at = at_home_in_ram(4 * PAGE);
	prefetch(at, 4 * PAGE, card);
	start = lowtide_sim_thread_ns();
	prefetch(at, 4 * PAGE, card);
	cr_assert_lt(lowtide_sim_thread_ns() - start, 4 * 10e3 + 3000);
}

Test(sim_managed, a_read_mostly_page_is_copied_and_its_copy_dropped_without_a_transfer)
{
	size_t bytes = 4 * PAGE, before;
	CUdeviceptr at;
	double start;

	sim_start();
	at = at_home_in_ram(bytes);
	OK(cuMemAdvise(at, bytes, CU_MEM_ADVISE_SET_READ_MOSTLY, cpu));
	sim_alloc(256);
	before = sim_free_bytes();
	prefetch(at, bytes, card);
	cr_assert_eq(before - sim_free_bytes(), bytes);
	cr_assert_lt(peek_ns(at), 100);
	/* RAM has its copy: nothing crosses, and the card's stays. */
	prefetch(at, bytes, cpu);
	cr_assert_eq(before - sim_free_bytes(), bytes);
	start = lowtide_sim_thread_ns();
	OK(cuMemAdvise(at, bytes, CU_MEM_ADVISE_UNSET_READ_MOSTLY, cpu));
	cr_assert_lt(lowtide_sim_thread_ns() - start, 1000);
	cr_assert_eq(before, sim_free_bytes());
	cr_assert_eq(sim_in_vram(at), 0);
	cr_assert_eq(lowtide_sim_counted("bytes_d2h"), 0);
}

Test(sim_managed, without_a_preferred_place_a_dropped_copy_may_be_the_one_in_ram)
{
	CUdeviceptr at;

	sim_start();
	at = managed(PAGE);
	OK(cuMemAdvise(at, PAGE, CU_MEM_ADVISE_SET_READ_MOSTLY, cpu));
	prefetch(at, PAGE, card);
	OK(cuMemAdvise(at, PAGE, CU_MEM_ADVISE_UNSET_READ_MOSTLY, cpu));
	cr_assert_eq(sim_in_vram(at), 1);
	prefetch(at, PAGE, cpu);
	cr_assert_eq(lowtide_sim_counted("bytes_d2h"), PAGE);
}

Test(sim_managed, a_write_ends_the_other_copies)
{
	CUdeviceptr at;
	size_t before;

	sim_start();
	at = at_home_in_ram(PAGE);
	OK(cuMemAdvise(at, PAGE, CU_MEM_ADVISE_SET_READ_MOSTLY, cpu));
	before = sim_free_bytes();
	prefetch(at, PAGE, card);
	OK(sim_fill(at, 7, 1000, 1, NULL));
	OK(cuCtxSynchronize());
	/* The card's is the only one now: back to RAM, the bytes must cross. */
	prefetch(at, PAGE, cpu);
	cr_assert_eq(lowtide_sim_counted("bytes_d2h"), PAGE);
	OK(cuMemAdvise(at, PAGE, CU_MEM_ADVISE_UNSET_READ_MOSTLY, cpu));
	cr_assert_eq(before, sim_free_bytes());
	/* Written by a copy, it is RAM's that stays. */
	OK(cuMemAdvise(at, PAGE, CU_MEM_ADVISE_SET_READ_MOSTLY, cpu));
	prefetch(at, PAGE, card);
	OK(cuMemsetD8(at, 1, PAGE));
	OK(cuCtxSynchronize());
	cr_assert_eq(sim_in_vram(at), 0);
}

Test(sim_managed, a_read_makes_a_copy_where_copies_are_allowed)
{
	CUdeviceptr at;

	sim_start();
	at = at_home_in_ram(PAGE);
	OK(cuMemAdvise(at, PAGE, CU_MEM_ADVISE_SET_READ_MOSTLY, cpu));
	near(peek_ns(at), 30e3 + PAGE / 25.0);
	cr_assert_eq(sim_in_vram(at), 1);
	OK(cuMemAdvise(at, PAGE, CU_MEM_ADVISE_UNSET_READ_MOSTLY, cpu));
	cr_assert_eq(sim_in_vram(at), 0);
	cr_assert_eq(lowtide_sim_counted("bytes_d2h"), 0);
}

Test(sim_managed, gives_way_to_the_cards_own_memory_and_stays_in_ram_where_there_is_no_room)
{
	CUdeviceptr at, own;
	size_t bytes = 24 * MIB;

	setenv("LOWTIDE_SIM_VRAM", "32M", 1);
	sim_start();
	at = managed(bytes);
	prefetch(at, bytes, card);
	cr_assert_eq(sim_in_vram(at), 1);
	own = sim_alloc(20 * MIB);
	cr_assert_eq(sim_in_vram(at), 0);
	cr_assert_eq(sim_in_vram(at + bytes - 1), 1);
	/* Now 12 MiB are the most that can be there. */
	prefetch(at, bytes, card);
	cr_assert_eq(sim_free_bytes(), 0);
	cr_assert_eq(sim_in_vram(at + bytes - 1), 1);
	OK(sim_fill(at, 5, bytes / 4, 4, NULL));
	OK(cuCtxSynchronize());
	sim_check_fill(at, 5, bytes / 4);
	OK(cuMemFree(own));
	OK(cuMemFree(at));
	cr_assert_eq(sim_free_bytes(), 32 * MIB);
}

Test(sim_managed, tells_what_it_was_advised)
{
	CUdeviceptr at;
	int mostly, preferred, by[3], last, type, id;
	void *data[] = {&mostly, &preferred, by, &last};
	size_t rooms[] = {4, 4, 12, 4};
	CUmem_range_attribute what[] = {
	    CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION,
	    CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY, CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION};

	sim_start();
	at = managed(4 * PAGE);
	OK(cuMemRangeGetAttributes(data, rooms, what, 4, at, 4 * PAGE));
	cr_assert_eq(mostly, 0);
	cr_assert_eq(preferred, CU_DEVICE_INVALID);
	cr_assert_eq(by[0], CU_DEVICE_INVALID);
	cr_assert_eq(last, CU_DEVICE_INVALID);
	OK(cuMemAdvise(at, 4 * PAGE, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, cpu));
	OK(cuMemAdvise(at, 4 * PAGE, CU_MEM_ADVISE_SET_ACCESSED_BY, card));
	OK(cuMemAdvise(at, 4 * PAGE, CU_MEM_ADVISE_SET_ACCESSED_BY, cpu));
	OK(cuMemAdvise(at, PAGE, CU_MEM_ADVISE_SET_READ_MOSTLY, cpu));
	OK(cuMemPrefetchAsync(at, 4 * PAGE, card, 0, NULL));
	OK(cuMemRangeGetAttributes(data, rooms, what, 4, at, 4 * PAGE));
	cr_assert_eq(mostly, 0, "not of all pages");
	cr_assert_eq(preferred, CU_DEVICE_CPU);
	cr_assert_eq(by[0], 0);
	cr_assert_eq(by[1], CU_DEVICE_CPU);
	cr_assert_eq(by[2], CU_DEVICE_INVALID);
	cr_assert_eq(last, 0, "asked for, though it may not have begun");
	OK(cuMemRangeGetAttributes(data, rooms, what, 1, at, PAGE));
	cr_assert_eq(mostly, 1);
	OK(cuMemPrefetchAsync(at, PAGE, cpu, 0, NULL));
	OK(cuMemRangeGetAttribute(&last, 4, CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION, at,
				  4 * PAGE));
	cr_assert_eq(last, CU_DEVICE_INVALID, "not to one place");
	OK(cuMemRangeGetAttribute(&type, 4, CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE,
				  at, PAGE));
	cr_assert_eq(type, CU_MEM_LOCATION_TYPE_HOST);
	OK(cuMemRangeGetAttribute(&type, 4, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE, at,
				  PAGE));
	cr_assert_eq(type, CU_MEM_LOCATION_TYPE_HOST);
	OK(cuMemAdvise(
	    at, PAGE, CU_MEM_ADVISE_SET_PREFERRED_LOCATION,
	    (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT, .id = 77}));
	OK(cuMemRangeGetAttribute(&type, 4, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE, at,
				  PAGE));
	OK(cuMemRangeGetAttribute(&id, 4, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID, at,
				  PAGE));
	cr_assert_eq(type, CU_MEM_LOCATION_TYPE_HOST_NUMA);
	cr_assert_eq(id, 0);
}

Test(sim_managed, refuses_what_is_not_its_own_or_nowhere)
{
	const CUmemLocation second = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 1};
	const CUmemLocation node = {.type = CU_MEM_LOCATION_TYPE_HOST_NUMA};
	CUdeviceptr at, plain;
	long word;

	sim_start();
	at = managed(PAGE);
	plain = sim_alloc(PAGE);
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchAsync(plain, PAGE, card, 0, NULL));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchAsync(at, PAGE + 1, card, 0, NULL));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchAsync(at, 0, card, 0, NULL));
	EXPECT(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchAsync(at, PAGE, card, 1, NULL));
	EXPECT(CUDA_ERROR_INVALID_DEVICE, cuMemPrefetchAsync(at, PAGE, second, 0, NULL));
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuMemAdvise(at, PAGE, (CUmem_advise)7, (CUmemLocation){0}));
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuMemAdvise(at, PAGE, CU_MEM_ADVISE_SET_ACCESSED_BY, node));
	EXPECT(CUDA_ERROR_INVALID_DEVICE,
	       cuMemAdvise(at, PAGE, CU_MEM_ADVISE_SET_ACCESSED_BY, second));
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuMemAdvise(plain, PAGE, CU_MEM_ADVISE_SET_READ_MOSTLY, cpu));
	OK(cuMemAdvise(at, PAGE, CU_MEM_ADVISE_SET_READ_MOSTLY, second));
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuMemRangeGetAttribute(&word, 8, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, at, PAGE));
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuMemRangeGetAttribute(&word, 0, CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY, at, PAGE));
	EXPECT(CUDA_ERROR_INVALID_VALUE,
	       cuMemRangeGetAttribute(&word, 4, (CUmem_range_attribute)99, at, PAGE));
	EXPECT(
	    CUDA_ERROR_INVALID_VALUE,
	    cuMemRangeGetAttribute(&word, 4, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, plain, PAGE));
}

Test(sim_managed, knows_the_calls_of_before_12_2)
{
	CUresult (*advise)(CUdeviceptr, size_t, CUmem_advise, CUdevice);
	CUresult (*prefetch_to)(CUdeviceptr, size_t, CUdevice, CUstream);
	CUdeviceptr at;
	void *found;
	int where;

	setenv("LOWTIDE_SIM_DRIVER", "12010", 1);
	sim_start();
	at = managed(PAGE);
	OK(cuGetProcAddress("cuMemAdvise", &found, 12010, 0, NULL));
	advise = __extension__(__typeof__(advise)) found;
	OK(cuGetProcAddress("cuMemPrefetchAsync", &found, 12010, 0, NULL));
	prefetch_to = __extension__(__typeof__(prefetch_to)) found;
	OK(advise(at, PAGE, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, CU_DEVICE_CPU));
	OK(cuMemRangeGetAttribute(&where, 4, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION, at,
				  PAGE));
	cr_assert_eq(where, CU_DEVICE_CPU);
	OK(prefetch_to(at, PAGE, 0, NULL));
	OK(cuCtxSynchronize());
	cr_assert_eq(sim_in_vram(at), 1);
	OK(prefetch_to(at, PAGE, CU_DEVICE_CPU, NULL));
	OK(cuCtxSynchronize());
	cr_assert_eq(sim_in_vram(at), 0);
	EXPECT(CUDA_ERROR_INVALID_DEVICE, prefetch_to(at, PAGE, 3, NULL));
}

Test(sim_managed, a_card_without_concurrent_access_moves_nothing)
{
	CUdeviceptr at;

	setenv("LOWTIDE_SIM_ATTRIBUTES", "89:0", 1);
	sim_start();
	at = managed(PAGE);
	EXPECT(CUDA_ERROR_INVALID_DEVICE, cuMemPrefetchAsync(at, PAGE, card, 0, NULL));
	EXPECT(CUDA_ERROR_INVALID_DEVICE, cuMemPrefetchAsync(at, PAGE, cpu, 0, NULL));
	EXPECT(CUDA_ERROR_INVALID_DEVICE,
	       cuMemAdvise(at, PAGE, CU_MEM_ADVISE_SET_ACCESSED_BY, card));
	peek_ns(at);
	cr_assert_eq(sim_in_vram(at), 0);
}

Test(sim_managed, a_captured_stream_takes_no_prefetch)
{
	CUdeviceptr at;
	CUstream stream;
	CUgraph graph;

	sim_start();
	at = managed(PAGE);
	OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	OK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	cr_assert_neq(cuMemPrefetchAsync(at, PAGE, card, 0, stream), CUDA_SUCCESS);
	cr_assert_neq(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
}

/* A kernel uses the page over the bus; meanwhile, or after that, it moves. */
static CUresult moved_under_a_kernel(const char *scheduler, const char *manner, bool meanwhile,
				     CUdeviceptr *out)
{
	CUstream using, moving;

	setenv("LOWTIDE_SIM_SCHED", scheduler, 1);
	if (manner)
		setenv("LOWTIDE_SIM_MANAGED", manner, 1);
	sim_start();
	*out = at_home_in_ram(PAGE);
	OK(cuStreamCreate(&using, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&moving, CU_STREAM_NON_BLOCKING));
	OK(sim_fill(*out, 9, PAGE / 4, 1, using));
	if (!meanwhile)
		OK(cuStreamSynchronize(using));
	OK(cuMemPrefetchAsync(*out, PAGE, card, 0, moving));
	return cuCtxSynchronize();
}

Test(sim_managed, moving_under_a_kernel_harms_nobody)
{
	CUdeviceptr at;

	OK(moved_under_a_kernel("virtual", NULL, true, &at));
	sim_check_fill(at, 9, PAGE / 4);
	cr_assert_eq(sim_in_vram(at), 1);
}

Test(sim_managed, unless_it_is_planted_that_the_kernel_faults)
{
	CUdeviceptr at;

	EXPECT(CUDA_ERROR_ILLEGAL_ADDRESS,
	       moved_under_a_kernel("virtual", "faults", true, &at));
	cr_assert_eq(lowtide_sim_counted("illegal_accesses"), 1);
}

Test(sim_managed, or_that_bytes_tear)
{
	CUdeviceptr at;

	OK(moved_under_a_kernel("virtual", "tears", true, &at));
	cr_assert_eq(*(unsigned int *)at, 9 ^ 1);
}

Test(sim_managed, and_what_is_planted_spares_a_move_after_the_kernel)
{
	CUdeviceptr at;

	OK(moved_under_a_kernel("seeded", "faults,tears", false, &at));
	sim_check_fill(at, 9, PAGE / 4);
}
