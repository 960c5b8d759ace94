/* What a program asks of managed memory: advice, prefetches, questions. */
#include "managed.h"

#include "capture.h"
#include "fault.h"
#include "manner.h"

#include <stdlib.h>

/* As the calls before CUDA 12.2 name a place. */
static CUmemLocation location_of(CUdevice device)
{
	if (device == CU_DEVICE_CPU)
		return (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_HOST};
	return (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device};
}

static CUdevice device_of(CUmemLocation l)
{
	if (l.type == CU_MEM_LOCATION_TYPE_INVALID)
		return CU_DEVICE_INVALID;
	return l.type == CU_MEM_LOCATION_TYPE_DEVICE ? l.id : CU_DEVICE_CPU;
}

/* Leaves what the driver would keep of it: the id only where it says something. */
static CUresult check_location(CUmemLocation *l)
{
	switch ((int)l->type) {
	case CU_MEM_LOCATION_TYPE_DEVICE:
		return l->id >= 0 && l->id < sim_config.devices && sim_concurrent_managed()
			   ? CUDA_SUCCESS
			   : CUDA_ERROR_INVALID_DEVICE;
	case CU_MEM_LOCATION_TYPE_HOST:
		l->id = 0;
		return CUDA_SUCCESS;
	case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
		*l = (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_HOST_NUMA,
				     .id = sim_config.numa_node};
		return CUDA_SUCCESS;
	case CU_MEM_LOCATION_TYPE_HOST_NUMA:
		return l->id == sim_config.numa_node ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

static int place_of(const CUmemLocation *l)
{
	return l->type == CU_MEM_LOCATION_TYPE_DEVICE ? l->id : SIM_IN_RAM;
}

/* --- advice ------------------------------------------------------------------------------- */

static void advise_page(struct sim_managed *m, size_t i, CUmem_advise advice, CUmemLocation l)
{
	struct sim_page *page = &m->pages[i];

	switch (advice) {
	case CU_MEM_ADVISE_SET_READ_MOSTLY:
		page->read_mostly = true;
		break;
	case CU_MEM_ADVISE_UNSET_READ_MOSTLY:
		page->read_mostly = false;
		sim_managed_unify(m, i,
				  page->preferred.type == CU_MEM_LOCATION_TYPE_INVALID
				      ? SIM_DEVICES + 1
				      : place_of(&page->preferred));
		break;
	case CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
		page->preferred = l;
		break;
	case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION:
		page->preferred = (CUmemLocation){0};
		break;
	case CU_MEM_ADVISE_SET_ACCESSED_BY:
		page->accessed_by |= SIM_AT(place_of(&l));
		break;
	case CU_MEM_ADVISE_UNSET_ACCESSED_BY:
		page->accessed_by &= ~SIM_AT(place_of(&l));
		page->mapped = 0;
		break;
	}
}

static CUresult check_advice(CUmem_advise advice, CUmemLocation *l)
{
	switch (advice) {
	case CU_MEM_ADVISE_SET_READ_MOSTLY:
	case CU_MEM_ADVISE_UNSET_READ_MOSTLY:
	case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION:
		return CUDA_SUCCESS; /* the location is ignored */
	case CU_MEM_ADVISE_SET_ACCESSED_BY:
	case CU_MEM_ADVISE_UNSET_ACCESSED_BY:
		if (l->type != CU_MEM_LOCATION_TYPE_DEVICE &&
		    l->type != CU_MEM_LOCATION_TYPE_HOST)
			return CUDA_ERROR_INVALID_VALUE;
		return check_location(l);
	case CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
		return check_location(l);
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

static CUresult advise(CUdeviceptr at, size_t bytes, CUmem_advise advice, CUmemLocation l)
{
	size_t first, last;
	struct sim_managed *m = sim_managed_pages(at, bytes, &first, &last);
	CUresult result = m ? check_advice(advice, &l) : CUDA_ERROR_INVALID_VALUE;

	for (size_t i = first; result == CUDA_SUCCESS && i <= last; i++)
		advise_page(m, i, advice, l);
	return result;
}

SIM_EXPORT CUresult cuMemAdvise_v2(CUdeviceptr at, size_t bytes, CUmem_advise advice,
				   CUmemLocation location)
{
	SIM_CALL();
	SIM_ANSWER(advise(at, bytes, advice, location));
}

SIM_EXPORT CUresult cuMemAdvise(CUdeviceptr at, size_t bytes, CUmem_advise advice,
				CUdevice device)
{
	SIM_CALL();
	SIM_ANSWER(advise(at, bytes, advice, location_of(device)));
}

/* --- prefetches --------------------------------------------------------------------------- */

struct prefetch {
	CUdeviceptr at;
	size_t bytes;
	int place;
};

static double prefetch_rate(int place)
{
	double own =
	    place == SIM_IN_RAM ? sim_manners.prefetch_out_rate : sim_manners.prefetch_in_rate;

	if (own > 0)
		return own;
	return place == SIM_IN_RAM ? sim_config.d2h_rate : sim_config.h2d_rate;
}

static bool run_prefetch(struct sim_op *op)
{
	const struct prefetch *p = op->data;
	uint64_t crossed = 0;
	size_t first, last;
	struct sim_managed *m;
	bool fine = true;

	sim_lock();
	m = sim_managed_pages(p->at, p->bytes, &first, &last);
	for (size_t i = first; m && fine && i <= last; i++)
		fine = sim_managed_prefetch(op, m, i, p->place, &crossed);
	sim_unlock();
	op->duration_ns = 1000 + (double)crossed / prefetch_rate(p->place);
	if (!fine)
		sim_fault_raise();
	return true;
}

static CUresult prefetch(CUdeviceptr at, size_t bytes, CUmemLocation location,
			 unsigned int flags, CUstream handle)
{
	CUstream stream = sim_stream(handle);
	size_t first, last;
	struct sim_managed *m = sim_managed_pages(at, bytes, &first, &last);
	struct prefetch *p;
	struct sim_op *op;
	CUresult result;

	if (!stream)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!m || flags)
		return CUDA_ERROR_INVALID_VALUE;
	result = check_location(&location);
	if (result != CUDA_SUCCESS)
		return result;
	if (!sim_concurrent_managed())
		return CUDA_ERROR_INVALID_DEVICE;
	result = sim_capture_forbid(sim_stream_named(handle));
	if (result != CUDA_SUCCESS)
		return result;
	p = malloc(sizeof(*p));
	op = p ? sim_op_new(place_of(&location) == SIM_IN_RAM ? SIM_COPY_OUT : SIM_COPY_IN,
			    run_prefetch, p)
	       : NULL;
	if (!op) {
		free(p);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*p = (struct prefetch){at, bytes, place_of(&location)};
	for (size_t i = first; i <= last; i++)
		m->pages[i].prefetched = location;
	sim_host_spend((double)(last - first + 1) * sim_manners.prefetch_page_ns);
	sim_enqueue(stream, op);
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuMemPrefetchAsync_v2(CUdeviceptr at, size_t bytes, CUmemLocation location,
					  unsigned int flags, CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(prefetch(at, bytes, location, flags, stream));
}

SIM_EXPORT CUresult cuMemPrefetchAsync(CUdeviceptr at, size_t bytes, CUdevice device,
				       CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(prefetch(at, bytes, location_of(device), 0, stream));
}

/* --- questions ---------------------------------------------------------------------------- */

struct pages {
	const struct sim_managed *of;
	size_t first, last;
};

/* What all of them have; of type INVALID where they differ or have none. */
static CUmemLocation common(const struct pages *p, bool prefetched)
{
	const struct sim_page *page = &p->of->pages[p->first];
	CUmemLocation of_first = prefetched ? page->prefetched : page->preferred;

	for (size_t i = p->first; i <= p->last; i++) {
		const CUmemLocation *l;

		page = &p->of->pages[i];
		l = prefetched ? &page->prefetched : &page->preferred;
		if (l->type != of_first.type || l->id != of_first.id)
			return (CUmemLocation){0};
	}
	return of_first;
}

static void tell_accessors(const struct pages *p, int *out, size_t room)
{
	unsigned int by = ~0u;
	size_t told = 0;

	for (size_t i = p->first; i <= p->last; i++)
		by &= p->of->pages[i].accessed_by;
	for (int place = 0; place <= SIM_IN_RAM && told < room; place++)
		if (by & SIM_AT(place))
			out[told++] = place == SIM_IN_RAM ? CU_DEVICE_CPU : place;
	while (told < room)
		out[told++] = CU_DEVICE_INVALID;
}

static int read_mostly(const struct pages *p)
{
	for (size_t i = p->first; i <= p->last; i++)
		if (!p->of->pages[i].read_mostly)
			return 0;
	return 1;
}

static CUresult answer(const struct pages *p, void *data, size_t room,
		       CUmem_range_attribute what)
{
	int *out = data;

	if (!data || !room || room % 4 ||
	    (what != CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY && room != 4))
		return CUDA_ERROR_INVALID_VALUE;
	switch (what) {
	case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
		*out = read_mostly(p);
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
		*out = device_of(common(p, false));
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY:
		tell_accessors(p, out, room / 4);
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION:
		*out = device_of(common(p, true));
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE:
		*out = (int)common(p, false).type;
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID:
		*out = common(p, false).id;
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE:
		*out = (int)common(p, true).type;
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID:
		*out = common(p, true).id;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

SIM_EXPORT CUresult cuMemRangeGetAttribute(void *data, size_t room, CUmem_range_attribute what,
					   CUdeviceptr at, size_t bytes)
{
	struct pages p;

	SIM_CALL();
	p.of = sim_managed_pages(at, bytes, &p.first, &p.last);
	SIM_ANSWER(p.of ? answer(&p, data, room, what) : CUDA_ERROR_INVALID_VALUE);
}

SIM_EXPORT CUresult cuMemRangeGetAttributes(void **data, size_t *rooms,
					    CUmem_range_attribute *what, size_t count,
					    CUdeviceptr at, size_t bytes)
{
	CUresult result = CUDA_SUCCESS;
	struct pages p;

	SIM_CALL();
	p.of = sim_managed_pages(at, bytes, &p.first, &p.last);
	if (!p.of || !data || !rooms || !what || !count)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	for (size_t i = 0; i < count && result == CUDA_SUCCESS; i++)
		result = answer(&p, data[i], rooms[i], what[i]);
	SIM_ANSWER(result);
}
