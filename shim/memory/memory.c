#include "memory/memory.h"

#include "account/ledger.h"

uint64_t memory_frames_cap_bytes(const struct memory *memory)
{
	uint64_t cap = ledger_cap_bytes(memory->device);
	uint64_t other = ledger_taken_bytes(memory->device) - memory->frames.device_bytes;

	cap = cap > other ? cap - other : 0;
	if (cap > frame_device_limit_bytes(&memory->frames))
		cap = frame_device_limit_bytes(&memory->frames);
	other = memory->hash_scratch ? frame_bytes(memory->hash_scratch->size_class) : 0;
	return cap > other ? cap - other : 0;
}
