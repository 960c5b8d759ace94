#include "managed.h"

#include "manner.h"

#include <stdlib.h>

static struct sim_managed *all; /* guarded by the lock, as is all here */
static unsigned long long arrivals;

size_t sim_page_bytes(const struct sim_managed *m, size_t i)
{
	return i + 1 < m->count ? SIM_PAGE : m->bytes - i * SIM_PAGE;
}

static struct sim_managed *managed_at(uintptr_t address)
{
	struct sim_managed *m = all;

	while (m && (address < m->start || address >= m->start + m->bytes))
		m = m->next;
	return m;
}

struct sim_managed *sim_managed_pages(uintptr_t start, size_t bytes, size_t *first,
				      size_t *last)
{
	struct sim_managed *m = managed_at(start);

	if (!m || !bytes || bytes > m->start + m->bytes - start)
		return NULL;
	*first = (start - m->start) / SIM_PAGE;
	*last = (start + bytes - 1 - m->start) / SIM_PAGE;
	return m;
}

bool sim_managed_add(uintptr_t start, size_t bytes)
{
	size_t count = (bytes + SIM_PAGE - 1) / SIM_PAGE;
	struct sim_managed *m = calloc(1, sizeof(*m) + count * sizeof(m->pages[0]));

	if (!m)
		return false;
	m->start = start;
	m->bytes = bytes;
	m->count = count;
	for (size_t i = 0; i < count; i++)
		m->pages[i].where = SIM_AT(SIM_IN_RAM);
	m->next = all;
	all = m;
	return true;
}

/* --- places ------------------------------------------------------------------------------- */

static void leave(struct sim_managed *m, size_t i, unsigned int places)
{
	struct sim_page *page = &m->pages[i];

	for (int device = 0; device < SIM_DEVICES; device++)
		if (page->where & places & SIM_AT(device))
			sim_vram_return(device, sim_page_bytes(m, i));
	page->where &= ~places;
	page->mapped = 0;
}

/* To the device, beside where it is; false: there is no room for it. */
static bool arrive(struct sim_managed *m, size_t i, int device)
{
	if (sim_vram_charge(device, sim_page_bytes(m, i)) != CUDA_SUCCESS)
		return false;
	m->pages[i].where |= SIM_AT(device);
	m->pages[i].arrived = ++arrivals;
	return true;
}

uint64_t sim_managed_used(int device)
{
	uint64_t bytes = 0;

	for (const struct sim_managed *m = all; m; m = m->next)
		for (size_t i = 0; i < m->count; i++)
			bytes += m->pages[i].where & SIM_AT(device) ? sim_page_bytes(m, i) : 0;
	return bytes;
}

/* The copy that stays where the others go. */
static void collapse(struct sim_managed *m, size_t i, int place)
{
	leave(m, i, ~SIM_AT(place));
}

/* True: its bytes had to cross for it. */
static bool to_ram(struct sim_managed *m, size_t i)
{
	struct sim_page *page = &m->pages[i];

	if (page->where & SIM_AT(SIM_IN_RAM))
		return false;
	sim_count(SIM_BYTES_D2H, sim_page_bytes(m, i));
	page->where |= SIM_AT(SIM_IN_RAM);
	return true;
}

static struct sim_managed *oldest_on(int device, size_t *at)
{
	struct sim_managed *oldest = NULL;

	for (struct sim_managed *m = all; m; m = m->next)
		for (size_t i = 0; i < m->count; i++)
			if (m->pages[i].where & SIM_AT(device) &&
			    (!oldest || m->pages[i].arrived < oldest->pages[*at].arrived)) {
				oldest = m;
				*at = i;
			}
	return oldest;
}

bool sim_managed_make_room(int device, uint64_t bytes)
{
	uint64_t made = 0;

	while (made < bytes) {
		size_t i = 0;
		struct sim_managed *m = oldest_on(device, &i);

		if (!m)
			return false;
		if (to_ram(m, i))
			sim_host_spend((double)sim_page_bytes(m, i) / sim_config.d2h_rate);
		made += sim_page_bytes(m, i);
		leave(m, i, SIM_AT(device));
	}
	return true;
}

void sim_managed_unify(struct sim_managed *m, size_t i, int place)
{
	unsigned int where = m->pages[i].where;

	if (place > SIM_IN_RAM || !(where & SIM_AT(place)))
		place = __builtin_ctz(where);
	if (sim_manners.managed_copies_back && place == SIM_IN_RAM &&
	    where != SIM_AT(SIM_IN_RAM)) {
		sim_host_spend((double)sim_page_bytes(m, i) / sim_config.d2h_rate);
		sim_count(SIM_BYTES_D2H, sim_page_bytes(m, i));
	}
	collapse(m, i, place);
}

void sim_managed_forget(uintptr_t start)
{
	for (struct sim_managed **link = &all; *link; link = &(*link)->next) {
		struct sim_managed *m = *link;

		if (m->start != start)
			continue;
		for (size_t i = 0; i < m->count; i++) {
			leave(m, i, ~0u);
			sim_mark_drop(m->pages[i].accessed);
			sim_mark_drop(m->pages[i].moved);
		}
		*link = m->next;
		free(m);
		return;
	}
}

bool sim_managed_in_ram(uintptr_t address)
{
	const struct sim_managed *m = managed_at(address);

	return !m || m->pages[(address - m->start) / SIM_PAGE].where == SIM_AT(SIM_IN_RAM);
}

void sim_managed_written(uintptr_t start, size_t bytes)
{
	size_t first, last;
	struct sim_managed *m = sim_managed_pages(start, bytes, &first, &last);

	for (size_t i = first; m && i <= last; i++)
		if (m->pages[i].where & SIM_AT(SIM_IN_RAM))
			collapse(m, i, SIM_IN_RAM);
}

/* --- a page that moves under a kernel, where that is planted --------------------------------
 */

static bool watched(void)
{
	return sim_manners.managed_faults || sim_manners.managed_tears;
}

static void note(struct sim_mark **newest, struct sim_op *op)
{
	if (!watched())
		return;
	sim_mark_drop(*newest);
	*newest = sim_mark_hold(op->mark);
}

/* Had the other operation ended when this one started? If not: false, or torn bytes. */
static bool apart(struct sim_op *op, const struct sim_mark *other, uintptr_t page_start)
{
	if (!watched() || !other || other == op->mark ||
	    (other->done && other->end_ns <= sim_op_start_ns(op)))
		return true;
	if (sim_manners.managed_tears)
		*(volatile unsigned char *)page_start ^= 1;
	return !sim_manners.managed_faults;
}

/* --- kernels and prefetches -----------------------------------------------------------------
 */

/* May it be used where it is, over the bus? */
static bool reached_in_ram(const struct sim_page *page, int device)
{
	if (!(page->where & SIM_AT(SIM_IN_RAM)) || page->read_mostly ||
	    sim_manners.managed_migrates)
		return false;
	return page->accessed_by & SIM_AT(device) ||
	       page->preferred.type == CU_MEM_LOCATION_TYPE_HOST ||
	       page->preferred.type == CU_MEM_LOCATION_TYPE_HOST_NUMA;
}

static void touch_page(struct sim_managed *m, size_t i, int device, bool write,
		       struct sim_managed_touch *out)
{
	struct sim_page *page = &m->pages[i];
	size_t bytes = sim_page_bytes(m, i);

	if (page->where & SIM_AT(device)) {
		if (write)
			collapse(m, i, device);
		return;
	}
	if (reached_in_ram(page, device)) {
		if (!((page->accessed_by | page->mapped) & SIM_AT(device)))
			out->stall_ns += sim_manners.fault_ns;
		page->mapped |= SIM_AT(device);
		return;
	}
	/* Where VRAM has no room it is used over the bus all the same. */
	if (!arrive(m, i, device))
		return;
	out->moved_bytes += bytes;
	out->stall_ns += sim_manners.fault_ns + (double)bytes / sim_config.h2d_rate;
	sim_count(SIM_BYTES_H2D, bytes);
	if (write || !page->read_mostly)
		collapse(m, i, device);
}

bool sim_managed_touch(struct sim_op *op, uintptr_t start, size_t bytes, bool write,
		       struct sim_managed_touch *out)
{
	int device = op->stream->context->device;
	struct sim_managed *m = managed_at(start);
	uintptr_t end = start + bytes;

	/* Without concurrent access the driver moves what it likes before each launch: here it
	 * moves nothing. */
	if (!m || !bytes || !sim_concurrent_managed())
		return true;
	for (size_t i = (start - m->start) / SIM_PAGE; i < m->count; i++) {
		uintptr_t from = m->start + i * SIM_PAGE, upto = from + sim_page_bytes(m, i);

		if (from >= end)
			break;
		if (!apart(op, m->pages[i].moved, from))
			return false;
		note(&m->pages[i].accessed, op);
		touch_page(m, i, device, write, out);
		if (m->pages[i].where & SIM_AT(device))
			out->vram_bytes +=
			    (upto < end ? upto : end) - (from > start ? from : start);
	}
	return true;
}

bool sim_managed_prefetch(struct sim_op *op, struct sim_managed *m, size_t i, int place,
			  uint64_t *crossed)
{
	struct sim_page *page = &m->pages[i];

	if (page->where & SIM_AT(place))
		return true;
	if (!apart(op, page->accessed, m->start + i * SIM_PAGE))
		return false;
	note(&page->moved, op);
	if (place == SIM_IN_RAM)
		to_ram(m, i);
	else if (arrive(m, i, place))
		sim_count(SIM_BYTES_H2D, sim_page_bytes(m, i));
	else
		return true;
	*crossed += sim_page_bytes(m, i);
	if (!page->read_mostly)
		collapse(m, i, place);
	return true;
}
