#include "move/verify.h"

#include "driver/driver.h"
#include "base/log.h"
#include "base/settings.h"

#include <stdlib.h>
#include <string.h>

static CUresult read_back(struct mover *mover, void *to, const struct frame *from, size_t bytes)
{
	CUresult result = real(cuMemcpyAsync)((CUdeviceptr)(uintptr_t)to, from->alias, bytes,
					      mover->stream_in);
	CUresult ended = real(cuStreamSynchronize)(mover->stream_in);

	return result == CUDA_SUCCESS ? ended : result;
}

void verify_block(struct mover *mover, const struct block *block, const struct frame *device)
{
	size_t bytes = block_bytes(block);
	unsigned char *read;

	if (!settings_get()->verify)
		return;
	read = malloc(2 * bytes);
	if (!read || read_back(mover, read, device, bytes) != CUDA_SUCCESS ||
	    read_back(mover, read + bytes, block->host, bytes) != CUDA_SUCCESS) {
		mover->stats.not_verified++;
	} else {
		mover->stats.verified++;
		if (memcmp(read, read + bytes, bytes) != 0)
			log_error("device %d: the block at %#llx differs between its two "
				  "homes at a switch",
				  mover->memory->device, (unsigned long long)block->address);
	}
	free(read);
}
