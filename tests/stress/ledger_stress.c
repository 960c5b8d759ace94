/* Many threads take and give back, large and small; the account never passes its cap and ends
 * where it began. */
#include "account/unmanaged.h"
#include "account/ledger.h"

#include <pthread.h>
#include <stdio.h>

#define THREADS 6
#define ROUNDS 20000
#define CAP (64ull << 20)

static void *churn(void *seed)
{
	uint64_t state = (uint64_t)(uintptr_t)seed * 0x9E3779B97F4A7C15ull + 1, address;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t bytes = (2ull << 20) << (state >> 62);

		state = state * 6364136223846793005ull + 1442695040888963407ull;
		if (!unmanaged_charge(0, bytes))
			continue;
		address = (uint64_t)(uintptr_t)seed << 40 | (uint64_t)i << 8;
		unmanaged_remember(address, 0, 1, bytes);
		unmanaged_settle_free(unmanaged_detach(address), address, true);
	}
	return NULL;
}

int main(void)
{
	pthread_t thread[THREADS];

	ledger_open(0, CAP);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, churn, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	if (ledger_peak_bytes(0) > CAP || ledger_taken_bytes(0)) {
		fprintf(stderr, "peak %llu, left %llu\n",
			(unsigned long long)ledger_peak_bytes(0),
			(unsigned long long)ledger_taken_bytes(0));
		return 1;
	}
	return 0;
}
