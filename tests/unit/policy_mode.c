/*
 * Balanced where moves stop the work: the best set kept and the rest read in place, or all
 * of it streamed in stops, by what rounds were measured to take.
 */
#include "policy_test.h"

/* A card that half of the round's 100 blocks fit. */
static void open_timed(struct rig *rig, uint64_t compute_ns, uint64_t stop_ns)
{
	rig_open(rig, "balanced", rig_config(50 * PAGE, false));
	rig->compute_ns = compute_ns;
	rig->stop_ns = stop_ns;
	rig_add_many(rig, 0, 100, 0);
}

static double ms_a_round(struct rig *rig, int many, uint32_t count)
{
	uint64_t before = rig->now_ns;

	rig_rounds(rig, many, 0, count);
	return (double)(rig->now_ns - before) / many / 1e6;
}

/* In how many of so many rounds anything moved. */
static int rounds_with_moves(struct rig *rig, int many)
{
	int with = 0;

	for (int i = 0; i < many; i++) {
		uint64_t before = rig->page_ins + rig->evictions;

		rig_rounds(rig, 1, 0, 100);
		with += rig->page_ins + rig->evictions > before;
	}
	return with;
}

Test(mode, streams_in_stops_where_copies_are_shorter_than_reads_in_place)
{
	const double read_ms = 50 * (double)PAGE / 15e6, copy_ms = 55 * (double)PAGE / 25e6;
	struct rig rig;

	open_timed(&rig, 50000, 400000);
	/* Two rounds show the cycle, two more are timed before a trial. */
	cr_assert(ge(dbl, ms_a_round(&rig, 4, 100), read_ms));
	rig_rounds(&rig, 8, 0, 100);
	rig_forget_counts(&rig);
	cr_assert(le(dbl, ms_a_round(&rig, 20, 100), copy_ms + 5 + 11 * 0.5 + 2));
	cr_assert(le(u64, rig.page_ins, 20 * 57), "%lu", (unsigned long)rig.page_ins);
	cr_assert(le(u64, rig.batches, 20 * 13), "%lu", (unsigned long)rig.batches);
	cr_assert(eq(u64, rig.in_place, 0));
	rig_close(&rig);
}

Test(mode, does_not_even_try_to_stream_what_computing_hides)
{
	struct rig rig;

	open_timed(&rig, 1500000, 400000);
	rig_rounds(&rig, 4, 0, 100);
	rig_forget_counts(&rig);
	rig_rounds(&rig, 40, 0, 100);
	cr_assert(eq(u64, rig.page_ins + rig.evictions, 0));
	rig_close(&rig);
}

/* Stops are dearer than anybody could foretell. */
Test(mode, reads_in_place_again_once_streaming_was_measured_to_be_slower)
{
	struct rig rig;
	double static_ms;
	int with;

	open_timed(&rig, 50000, 20000000);
	static_ms = ms_a_round(&rig, 4, 100);
	with = rounds_with_moves(&rig, 60);
	cr_assert(ge(int, with, 4), "it was not tried");
	cr_assert(le(int, with, 6), "%d", with);
	rig_forget_counts(&rig);
	cr_assert(le(dbl, ms_a_round(&rig, 400, 100), static_ms + 1));
	cr_assert(eq(u64, rig.page_ins, 0), "a verdict holds");
	rig_close(&rig);
}

Test(mode, tries_again_when_the_cap_is_another)
{
	struct rig rig;

	open_timed(&rig, 50000, 20000000);
	rig_rounds(&rig, 20, 0, 100);
	rig_forget_counts(&rig);
	rig_cap(&rig, 55 * PAGE);
	rig_rounds(&rig, 20, 0, 100);
	cr_assert(le(u64, rig.page_ins, 5), "a little more is no reason");
	rig.stop_ns = 400000;
	rig_cap(&rig, 80 * PAGE);
	rig_rounds(&rig, 30, 0, 100);
	rig_forget_counts(&rig);
	rig_rounds(&rig, 10, 0, 100);
	cr_assert(ge(u64, rig.page_ins, 10 * 20), "%lu", (unsigned long)rig.page_ins);
	cr_assert(eq(u64, rig.in_place, 0));
	rig_close(&rig);
}

/* As when another program takes the bus. */
Test(mode, measures_anew_when_streaming_has_become_slow)
{
	struct rig rig;
	int early, late;

	open_timed(&rig, 50000, 400000);
	rig_rounds(&rig, 12, 0, 100);
	rig.stop_ns = 20000000;
	early = rounds_with_moves(&rig, 60);
	cr_assert(ge(int, early, 8));
	cr_assert(le(int, early, 8 + 2 + 6), "%d", early);
	late = rounds_with_moves(&rig, 200);
	cr_assert(eq(int, late, 0), "%d", late);
	rig_close(&rig);
}

/* What should be streamed and what should not, by a program that pauses, for long or a little,
 * after every third round. */
Test(mode, does_not_take_a_pause_of_the_program_for_a_slow_round)
{
	static const struct {
		uint64_t pause_ns, stop_ns;
		bool streams;
	} programs[] = {{10000000000, 400000, true},
			{10000000000, 20000000, false},
			{15000000, 3500000, false}};

	for (size_t p = 0; p < sizeof(programs) / sizeof(programs[0]); p++)
		for (int first = 0; first < 3; first++) {
			struct rig rig;

			open_timed(&rig, 50000, programs[p].stop_ns);
			for (int i = 0; i < 40; i++) {
				if (i == 30)
					rig_forget_counts(&rig);
				rig.now_ns += i % 3 == first ? programs[p].pause_ns : 0;
				rig_rounds(&rig, 1, 0, 100);
			}
			cr_assert(eq(int, rig.page_ins > 0, programs[p].streams),
				  "program %zu first %d", p, first);
			rig_close(&rig);
		}
}

/* Caps that come and go would have it try, in vain, every time. */
Test(mode, tries_ever_more_seldom)
{
	struct rig rig;
	int early = 0, late = 0;

	open_timed(&rig, 50000, 20000000);
	for (int change = 0; change < 12; change++) {
		rig_cap(&rig, (change % 2 ? 80 : 50) * PAGE);
		*(change < 4 ? &early : &late) += rounds_with_moves(&rig, 20);
	}
	cr_assert(ge(int, early, 3 * 4), "%d", early);
	cr_assert(le(int, late, 8 * 3), "%d", late);
	rig_close(&rig);
}
