#include "memory/extent.h"

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

bool extents_asked(struct extents *extents, uint64_t address, uint64_t limit, uint64_t *start,
		   uint64_t *end)
{
	size_t at = place(extents, address);
	struct extent *extent;
	uint64_t chunk, uploaded;

	if (at == extents->count || extents->list[at].start > address)
		return false;
	extent = &extents->list[at++];
	extent->pointed = true;
	*start = extent->start;
	uploaded = extent->end;
	chunk = extent->end - extent->start;
	for (; at < extents->count && extents->list[at].start == uploaded &&
	       !extents->list[at].pointed;
	     at++) {
		uint64_t bytes = extents->list[at].end - extents->list[at].start;

		uploaded = extents->list[at].end;
		if (bytes < chunk) { /* the rest of it */
			at++;
			break;
		}
		chunk = bytes;
	}
	*end = at < extents->count ? extents->list[at].start : limit;
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

static bool insert(struct extents *extents, size_t at, struct extent extent)
{
	if (!grow(extents))
		return false;
	memmove(&extents->list[at + 1], &extents->list[at],
		(extents->count - at) * sizeof(*extents->list));
	extents->list[at] = extent;
	extents->count++;
	return true;
}

/* Takes [start, end) out of what is known; where the next extent after `start` stands then. */
static size_t cut(struct extents *extents, uint64_t start, uint64_t end)
{
	size_t at = place(extents, start), gone = at;

	if (at < extents->count && extents->list[at].start < start) {
		struct extent before = extents->list[at];

		before.end = start;
		/* Where there is no room for it, what lies before is known no more. */
		if (extents->list[at].end <= end || insert(extents, at, before)) {
			extents->list[at] = before;
			at++;
		}
		gone = at;
	}
	while (gone < extents->count && extents->list[gone].end <= end)
		gone++;
	if (gone > at)
		memmove(&extents->list[at], &extents->list[gone],
			(extents->count - gone) * sizeof(*extents->list));
	extents->count -= gone - at;
	if (at < extents->count && extents->list[at].start < end)
		extents->list[at].start = end;
	return at;
}

void extents_learn(struct extents *extents, uint64_t start, uint64_t end, uint64_t source)
{
	bool goes_on =
	    source && start == extents->last_end && source == extents->last_source_end;
	size_t at = cut(extents, start, end);

	extents->last_end = end;
	extents->last_source_end = source ? source + (end - start) : 0;
	if (goes_on && at && extents->list[at - 1].end == start)
		extents->list[at - 1].end = end;
	else
		insert(extents, at, (struct extent){start, end, false});
}

void extents_finish(struct extents *extents)
{
	free(extents->list);
	memset(extents, 0, sizeof(*extents));
}
