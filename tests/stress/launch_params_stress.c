/*
 * Threads launch functions of several modules while another unloads one after the other, whose
 * handles then come again for functions with other parameters. The program keeps its own rule:
 * nobody launches a function of a module that is being unloaded. What is held: a launch never
 * goes by the parameters of a function that had its handle before (it would count wrong), and
 * ThreadSanitizer sees no race. With FORGET_LATE defined layouts are forgotten after the
 * handles have come again, and this must be seen.
 */
#include "driver/driver.h"
#include "hook/launch_params.h"
#include "pager/pager.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define LAUNCHERS 4
#define MODULES 4
#define FUNCTIONS 16 /* of each */
#define UNLOADS 400
#define PARAMS_MOST 6
#define LOW ((uint64_t)0x500000000000)

/* Each has the last generation's functions under the same handles. */
static struct {
	pthread_rwlock_t in_use; /* the program's own */
	atomic_uint generation;
} modules[MODULES];
static atomic_bool over;
static atomic_ulong wrong, launches;

/* --- the driver, and what else the library has around the launch path */

struct driver lt_driver;
_Atomic uint64_t pager_low = LOW, pager_span = 1 << 20;

CUresult driver_load(void)
{
	return CUDA_SUCCESS;
}

void pager_bar(const uint64_t *addresses, size_t count)
{
	(void)addresses, (void)count;
}

/* Spread, so that some share a slot of the cache. */
static CUfunction handle(size_t module, size_t function)
{
	return (CUfunction)(uintptr_t)(0x10000 + 64 * (module * FUNCTIONS + function));
}

static size_t param_count(size_t module, size_t function)
{
	return (function + atomic_load(&modules[module].generation)) % (PARAMS_MOST + 1);
}

static CUresult CUDAAPI param_info(CUfunction f, size_t index, size_t *offset, size_t *bytes)
{
	size_t at = ((uintptr_t)f - 0x10000) / 64;

	if (index >= param_count(at / FUNCTIONS, at % FUNCTIONS))
		return CUDA_ERROR_INVALID_VALUE;
	*offset = 8 * index;
	*bytes = 8;
	return CUDA_SUCCESS;
}

static CUresult CUDAAPI version(int *out)
{
	*out = 13000;
	return CUDA_SUCCESS;
}

/* --- the program */

static void launch_one(uint64_t random)
{
	size_t m = random % MODULES, f = random / MODULES % FUNCTIONS, count, found;
	uint64_t values[PARAMS_MOST], addresses[LAUNCH_PARAMS_FEW], none = 0;
	void *params[PARAMS_MOST];
	bool unknown;

	pthread_rwlock_rdlock(&modules[m].in_use);
	count = param_count(m, f);
	/* What lies behind the last one names nothing. */
	for (size_t i = 0; i < PARAMS_MOST; i++) {
		values[i] = LOW + 8 * i;
		params[i] = i < count ? &values[i] : &none;
	}
	found = launch_params_named(handle(m, f), params, NULL, addresses, LAUNCH_PARAMS_FEW,
				    &unknown);
	if (found != count || unknown)
		atomic_fetch_add(&wrong, 1);
	pthread_rwlock_unlock(&modules[m].in_use);
	atomic_fetch_add(&launches, 1);
}

static void *launch(void *seed)
{
	uint64_t state = (uint64_t)(uintptr_t)seed * 0x9E3779B97F4A7C15ull + 1;

	while (!atomic_load(&over)) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		launch_one(state >> 33);
	}
	return NULL;
}

static void unload(size_t m)
{
	pthread_rwlock_wrlock(&modules[m].in_use);
#ifndef FORGET_LATE
	launch_params_forget();
#endif
	atomic_fetch_add(&modules[m].generation, 1);
	pthread_rwlock_unlock(&modules[m].in_use);
#ifdef FORGET_LATE
	launch_params_forget();
#endif
}

int main(void)
{
	pthread_t thread[LAUNCHERS];

	lt_driver.cuFuncGetParamInfo = param_info;
	lt_driver.cuDriverGetVersion = version;
	for (size_t m = 0; m < MODULES; m++)
		pthread_rwlock_init(&modules[m].in_use, NULL);
	for (uintptr_t i = 0; i < LAUNCHERS; i++)
		pthread_create(&thread[i], NULL, launch, (void *)i);
	for (size_t i = 0; i < UNLOADS; i++) {
		unload(i % MODULES);
		if (i % 16 == 0)
			sched_yield();
	}
	atomic_store(&over, true);
	for (int i = 0; i < LAUNCHERS; i++)
		pthread_join(thread[i], NULL);
	if (atomic_load(&wrong) || atomic_load(&launches) < UNLOADS) {
		fprintf(stderr, "%lu of %lu launches went by other parameters\n",
			atomic_load(&wrong), atomic_load(&launches));
		return atomic_load(&wrong) ? 66 : 1;
	}
	return 0;
}
