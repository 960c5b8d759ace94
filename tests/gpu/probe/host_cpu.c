/* Question 1, the processor's side: whether it may touch a host frame at the GPU's address. */
#include "frame.h"
#include "trials.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>

static sigjmp_buf landing;

static void on_fault(int number)
{
	(void)number;
	siglongjmp(landing, 1);
}

/* Writes the pattern, then reads it; false: it faulted. No driver call is made meanwhile, whose
 * own faults (the simulated driver has some) would land here. */
static bool touched(volatile uint64_t *words, size_t count, uint64_t key)
{
	struct sigaction action = {.sa_handler = on_fault}, before[2];
	volatile bool fine = false;

	sigemptyset(&action.sa_mask);
	sigaction(SIGSEGV, &action, &before[0]);
	sigaction(SIGBUS, &action, &before[1]);
	if (!sigsetjmp(landing, 1)) {
		bool same = true;

		for (size_t i = 0; i < count; i++)
			words[i] = gpu_word(key, i);
		for (size_t i = 0; i < count; i++)
			same = same && words[i] == gpu_word(key, i);
		fine = same;
	}
	sigaction(SIGSEGV, &before[0], NULL);
	sigaction(SIGBUS, &before[1], NULL);
	return fine;
}

static void try_grant(const struct gpu *g, CUdeviceptr at, size_t bytes,
		      const CUmemLocation *place, const char *name)
{
	CUmemAccessDesc access = {.location = *place,
				  .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
	CUresult granted = cu(cuMemSetAccess)(at, bytes, &access, 1);
	volatile uint64_t *words = (volatile uint64_t *)(uintptr_t)at;
	size_t count = bytes / 8;
	bool fine;

	answer_result(granted, "%s/set_access", name);
	if (granted != CUDA_SUCCESS)
		return;
	answer_step("touching it by the CPU with access of %s", name);
	fine = touched(words, count, 21);
	answer_check(fine, "a fault, or other bytes", "%s: the CPU reads what it writes", name);
	if (!fine)
		return;
	gpu_forget_wrong(g, g->stream);
	TRY(gpu_check(g, at, bytes, 21, 0, 1, g->stream));
	answer_check(!gpu_wrong(g, g->stream), "words differ",
		     "%s: a kernel reads what the CPU wrote", name);
	for (size_t i = 0; fine && i < count; i++)
		fine = words[i] == gpu_word(21, i) + 1;
	answer_check(fine, "words differ", "%s: the CPU reads what a kernel wrote", name);
}

void trial_host_cpu(struct gpu *g)
{
	struct places places = places_need_host(g);
	CUmemLocation any = {.type = CU_MEM_LOCATION_TYPE_HOST};
	size_t bytes =
	    4 * MIB > places.granularity[ON_HOST] ? 4 * MIB : places.granularity[ON_HOST];
	CUdeviceptr at = range_reserve(bytes);
	CUmemGenericAllocationHandle frame;

	TRY(range_back(g, at, bytes, &places.of[ON_HOST], &frame));
	answer_text(place_name(&places.of[ON_HOST]), "place");
	answer_step("touching it by the CPU without access");
	answer_yes_no(touched((volatile uint64_t *)(uintptr_t)at, 512, 3),
		      "touched_without_access");
	try_grant(g, at, bytes, &places.of[ON_HOST], "own_place");
	try_grant(g, at, bytes, &any, "host");
}
