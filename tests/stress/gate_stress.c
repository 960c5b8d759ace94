/*
 * Launchers read what only the gate guards, while another thread shuts it and writes.
 * ThreadSanitizer must see no race; with NO_GATE defined it must see one, or this test could
 * not fail.
 */
#include "pager/gate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#define LAUNCHERS 4
#define SHUTS 2000

static unsigned long mappings[64]; /* guarded by the gate */
static atomic_bool over;
static atomic_ulong torn;

static void *launch(void *unused)
{
	(void)unused;
	while (!atomic_load(&over)) {
		unsigned long first;

#ifndef NO_GATE
		gate_enter();
		gate_enter(); /* nests */
#endif
		first = mappings[0];
		for (int i = 1; i < 64; i++)
			if (mappings[i] != first)
				atomic_fetch_add(&torn, 1);
#ifndef NO_GATE
		gate_leave();
		gate_leave();
#endif
	}
	return NULL;
}

int main(void)
{
	pthread_t thread[LAUNCHERS];
	unsigned int shut = 0;

	for (int i = 0; i < LAUNCHERS; i++)
		pthread_create(&thread[i], NULL, launch, NULL);
	for (int round = 0; round < SHUTS; round++) {
		if (!gate_shut(1000000000))
			continue;
		shut++;
		for (int i = 0; i < 64; i++)
			mappings[i]++;
		gate_open();
	}
	atomic_store(&over, true);
	for (int i = 0; i < LAUNCHERS; i++)
		pthread_join(thread[i], NULL);
	if (atomic_load(&torn) || shut < SHUTS / 2) {
		fprintf(stderr, "%lu torn reads, %u of %d shuts\n", atomic_load(&torn), shut,
			SHUTS);
		return 1;
	}
	return 0;
}
