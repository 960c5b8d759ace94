/*
 * Launchers read what only the gate guards, while two other threads shut it, each for a part of
 * its own as two devices' pagers do, and write.
 * ThreadSanitizer must see no race; with NO_GATE defined it must see one, or this test could
 * not fail.
 */
#include "order/gate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#define LAUNCHERS 4
#define SHUTS 1000

#define PAGERS 2

static unsigned long mappings[PAGERS][64]; /* guarded by the gate */
static atomic_bool over;
static atomic_ulong torn;
static atomic_uint shuts;

static void *launch(void *unused)
{
	(void)unused;
	while (!atomic_load(&over)) {
		unsigned long first;

#ifndef NO_GATE
		gate_enter();
		gate_enter(); /* nests */
#endif
		for (int p = 0; p < PAGERS; p++) {
			first = mappings[p][0];
			for (int i = 1; i < 64; i++)
				if (mappings[p][i] != first)
					atomic_fetch_add(&torn, 1);
		}
#ifndef NO_GATE
		gate_leave();
		gate_leave();
#endif
	}
	return NULL;
}

static void *shut_often(void *argument)
{
	unsigned long *mine = argument;

	for (int round = 0; round < SHUTS; round++) {
		if (!gate_shut(1000000000))
			continue;
		atomic_fetch_add(&shuts, 1);
		for (int i = 0; i < 64; i++)
			mine[i]++;
		gate_open();
	}
	return NULL;
}

int main(void)
{
	pthread_t thread[LAUNCHERS], pager[PAGERS];

	for (int i = 0; i < LAUNCHERS; i++)
		pthread_create(&thread[i], NULL, launch, NULL);
	for (int i = 0; i < PAGERS; i++)
		pthread_create(&pager[i], NULL, shut_often, mappings[i]);
	for (int i = 0; i < PAGERS; i++)
		pthread_join(pager[i], NULL);
	atomic_store(&over, true);
	for (int i = 0; i < LAUNCHERS; i++)
		pthread_join(thread[i], NULL);
	if (atomic_load(&torn) || atomic_load(&shuts) < PAGERS * SHUTS / 2) {
		fprintf(stderr, "%lu torn reads, %u of %d shuts\n", atomic_load(&torn),
			atomic_load(&shuts), PAGERS * SHUTS);
		return 1;
	}
	return 0;
}
