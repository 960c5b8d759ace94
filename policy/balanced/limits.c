#include "balanced/limits.h"

uint64_t balanced_limit(const struct policy *policy)
{
	uint64_t cap = policy->config.cap_bytes, high = policy->config.high_bytes;

	return high && high < cap ? high : cap;
}

bool balanced_in_place(const struct policy *policy)
{
	return policy->config.in_place_ratio > 0;
}
