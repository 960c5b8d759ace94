/* Question 6: what host frames take of VRAM once they are mapped: page tables, by how much is
 * mapped, in frames of which size, and how often. */
#include "frame.h"
#include "nvml.h"
#include "taken.h"
#include "trials.h"

#include <stdio.h>
#include <stdlib.h>

struct mapped {
	size_t total_mib, frame_mib, count;
	CUdeviceptr range; /* twice as long as all frames */
	CUmemGenericAllocationHandle *frames;
	char name[48];
};

static void took(const struct mapped *m, double from_us, const char *what)
{
	answer_value((gpu_now_us() - from_us) / 1e3, "ms", "%s/%s", m->name, what);
}

static void map_once(const struct gpu *g, const struct places *places, struct mapped *m)
{
	double from = gpu_now_us();

	for (size_t i = 0; i < m->count; i++)
		TRY(range_back(g, m->range + i * m->frame_mib * MIB, m->frame_mib * MIB,
			       &places->of[ON_HOST], &m->frames[i]));
	took(m, from, "make_and_map");
}

static void map_twice(const struct gpu *g, struct mapped *m)
{
	CUdeviceptr second = m->range + m->total_mib * MIB;
	double from = gpu_now_us();

	for (size_t i = 0; i < m->count; i++)
		TRY(cu(cuMemMap)(second + i * m->frame_mib * MIB, m->frame_mib * MIB, 0,
				 m->frames[i], 0));
	TRY(range_open(g, second, m->total_mib * MIB, true));
	took(m, from, "map_again");
}

static void unmap_all(struct mapped *m)
{
	double from = gpu_now_us();

	for (size_t i = 0; i < 2 * m->count; i++)
		TRY(cu(cuMemUnmap)(m->range + i * m->frame_mib * MIB, m->frame_mib * MIB));
	took(m, from, "unmap");
}

static void free_all(struct mapped *m)
{
	double from = gpu_now_us();

	for (size_t i = 0; i < m->count; i++)
		TRY(cu(cuMemRelease)(m->frames[i]));
	took(m, from, "release");
}

struct shares {
	struct samples once, twice; /* bytes of VRAM for each MiB of RAM mapped */
	bool kept;		    /* more than half was still taken in the end */
};

static void weigh(const struct gpu *g, const struct places *places, size_t total_mib,
		  size_t frame_mib, struct shares *shares)
{
	struct mapped m = {
	    .total_mib = total_mib, .frame_mib = frame_mib, .count = total_mib / frame_mib};
	struct taken before;
	long long once, twice, left;

	snprintf(m.name, sizeof(m.name), "%zuMiB/%zuMiB_frames", total_mib, frame_mib);
	answer_step("mapping %s", m.name);
	m.frames = calloc(m.count, sizeof(*m.frames));
	if (!m.frames)
		answer_failed("out of memory");
	m.range = range_reserve(2 * total_mib * MIB);
	before = taken_look();
	map_once(g, places, &m);
	once = taken_say(&before, "%s/mapped_once", m.name);
	map_twice(g, &m);
	twice = taken_say(&before, "%s/mapped_twice", m.name);
	unmap_all(&m);
	taken_say(&before, "%s/after_unmap", m.name);
	free_all(&m);
	left = taken_say(&before, "%s/after_release", m.name);
	TRY(cu(cuMemAddressFree)(m.range, 2 * total_mib * MIB));
	taken_say(&before, "%s/after_free", m.name);
	samples_add(&shares->once, (double)once / (double)total_mib);
	samples_add(&shares->twice, (double)twice / (double)total_mib);
	shares->kept = shares->kept || (twice > 0 && left > twice / 2);
	free(m.frames);
}

void trial_page_tables(struct gpu *g)
{
	static const size_t totals[] = {1024, 4096, 16384}, quick_totals[] = {256};
	static const size_t frames[] = {2, 32, 128};
	const size_t *total = g->quick ? quick_totals : totals;
	struct places places = places_need_host(g);
	uint64_t room = host_free_bytes();
	struct shares shares = {.kept = false};

	nvml_start(g);
	samples_init(&shares.once);
	samples_init(&shares.twice);
	for (size_t i = 0; i < (g->quick ? 1 : 3); i++) {
		if (room && total[i] * MIB > room / 8) {
			answer_text("too little RAM is free", "%zuMiB", total[i]);
			continue;
		}
		for (size_t f = 0; f < 3; f++)
			if (frames[f] * MIB % places.granularity[ON_HOST] == 0)
				weigh(g, &places, total[i], frames[f], &shares);
	}
	answer_figure(&shares.once, "B", "of_each_MiB");
	answer_figure(&shares.twice, "B", "of_each_MiB_mapped_twice");
	answer_yes_no(shares.kept, "kept_after_release");
	samples_finish(&shares.once);
	samples_finish(&shares.twice);
}
