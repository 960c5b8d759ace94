#include "move/verify.h"

#include "driver/driver.h"
#include "base/log.h"
#include "base/settings.h"

#include <stdlib.h>
#include <string.h>

static CUresult read_back(struct pager *pager, void *to, const struct frame *from, size_t bytes)
{
	CUresult result = real(cuMemcpyAsync)((CUdeviceptr)(uintptr_t)to, from->alias, bytes,
					      pager->stream_in);
	CUresult ended = real(cuStreamSynchronize)(pager->stream_in);

	return result == CUDA_SUCCESS ? ended : result;
}

void verify_block(struct pager *pager, const struct block *block, const struct frame *device)
{
	size_t bytes = block_bytes(block);
	unsigned char *read;

	if (!settings_get()->verify)
		return;
	read = malloc(2 * bytes);
	if (!read || read_back(pager, read, device, bytes) != CUDA_SUCCESS ||
	    read_back(pager, read + bytes, block->host, bytes) != CUDA_SUCCESS) {
		pager->stats.not_verified++;
	} else {
		pager->stats.verified++;
		if (memcmp(read, read + bytes, bytes) != 0)
			log_error("device %d: the block at %#llx differs between its two "
				  "homes at a switch",
				  pager->device, (unsigned long long)block->address);
	}
	free(read);
}
