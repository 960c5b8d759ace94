#include "pager/extent.h"

#include <stdlib.h>
#include <string.h>

#define EXTENTS_MAX 65536

/* The first extent that ends after the address. */
static size_t place(const struct extents *extents, uint64_t address)
{
	size_t low = 0, high = extents->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (extents->list[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool extents_asked(struct extents *extents, uint64_t address, uint64_t *start, uint64_t *end)
{
	size_t at = place(extents, address);
	uint64_t chunk;

	if (at == extents->count || extents->list[at].start > address)
		return false;
	extents->list[at].pointed = true;
	*start = extents->list[at].start;
	*end = extents->list[at].end;
	chunk = *end - *start;
	for (at++; at < extents->count && extents->list[at].start == *end &&
		   !extents->list[at].pointed;
	     at++) {
		uint64_t bytes = extents->list[at].end - extents->list[at].start;

		*end = extents->list[at].end;
		if (bytes < chunk)
			break; /* the rest of it */
		chunk = bytes;
	}
	return true;
}

static bool grow(struct extents *extents)
{
	size_t room = extents->room ? 2 * extents->room : 16;
	struct extent *grown;

	if (extents->count < extents->room)
		return true;
	if (room > EXTENTS_MAX)
		return false;
	grown = realloc(extents->list, room * sizeof(*grown));
	if (!grown)
		return false;
	extents->list = grown;
	extents->room = room;
	return true;
}

void extents_learn(struct extents *extents, uint64_t start, uint64_t end, uint64_t source)
{
	bool goes_on =
	    source && start == extents->last_end && source == extents->last_source_end;
	size_t at = place(extents, start);

	extents->last_end = end;
	extents->last_source_end = source ? source + (end - start) : 0;
	if (goes_on && at && extents->list[at - 1].end == start &&
	    (at == extents->count || extents->list[at].start >= end)) {
		extents->list[at - 1].end = end;
		return;
	}
	/* What overlaps a known extent says nothing new of where tensors begin. */
	if (at < extents->count && extents->list[at].start < end)
		return;
	if (!grow(extents))
		return;
	memmove(&extents->list[at + 1], &extents->list[at],
		(extents->count - at) * sizeof(*extents->list));
	extents->list[at] = (struct extent){start, end, false};
	extents->count++;
}

void extents_finish(struct extents *extents)
{
	free(extents->list);
	memset(extents, 0, sizeof(*extents));
}
