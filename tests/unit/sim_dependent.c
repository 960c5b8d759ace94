/* What an event takes of its stream, and programmatic dependent launch. */
#include "sim_control.h"
#include "sim_test.h"

#include <math.h>

static const char ptx[] = ".version 7.8\n.target sm_90\n"
			  ".entry probe_primary()\n.entry probe_dependent()\n";

struct pair {
	CUfunction primary, dependent;
	CUdeviceptr word, wrong;
	CUstream stream;
	CUevent between;
};

static struct pair pair(void)
{
	struct pair p;
	CUmodule module;

	sim_start();
	OK(cuModuleLoadData(&module, ptx));
	OK(cuModuleGetFunction(&p.primary, module, "probe_primary"));
	OK(cuModuleGetFunction(&p.dependent, module, "probe_dependent"));
	p.word = sim_alloc(256);
	p.wrong = p.word + 8;
	OK(cuMemsetD8(p.word, 0, 16));
	OK(cuStreamCreate(&p.stream, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&p.between, CU_EVENT_DISABLE_TIMING));
	OK(cuCtxSynchronize());
	return p;
}

static void launch(CUfunction function, CUstream stream, bool dependent, void **params)
{
	CUlaunchAttribute attribute = {
	    .id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
	    .value.programmaticStreamSerializationAllowed = 1};
	CUlaunchConfig config = {.gridDimX = 1,
				 .gridDimY = 1,
				 .gridDimZ = 1,
				 .blockDimX = 1,
				 .blockDimY = 1,
				 .blockDimZ = 1,
				 .hStream = stream,
				 .attrs = &attribute,
				 .numAttrs = dependent};

	OK(cuLaunchKernelEx(&config, function, params, NULL));
}

enum between { NOTHING, EVENT, WAIT };

/* The pair's time on the card, each kernel busy for 100 us, and that the second has seen the
 * first one's word. */
static double pair_ns(const struct pair *p, bool dependent, enum between between)
{
	uint64_t ns = 100000, value = 7, wrong;
	void *first[] = {&ns, (void *)&p->word, &value};
	void *second[] = {&ns, (void *)&p->word, &value, (void *)&p->wrong};
	CUevent from, to;
	float ms;

	OK(cuEventCreate(&from, 0));
	OK(cuEventCreate(&to, 0));
	OK(sim_spin(1e6, p->stream));
	OK(cuEventRecord(from, p->stream));
	launch(p->primary, p->stream, false, first);
	if (between != NOTHING)
		OK(cuEventRecord(p->between, p->stream));
	if (between == WAIT)
		OK(cuStreamWaitEvent(p->stream, p->between, 0));
	launch(p->dependent, p->stream, dependent, second);
	OK(cuEventRecord(to, p->stream));
	OK(cuStreamSynchronize(p->stream));
	OK(cuEventElapsedTime(&ms, from, to));
	OK(cuMemcpyDtoH(&wrong, p->wrong, 8));
	cr_assert_eq(wrong, 0);
	return (double)ms * 1e6;
}

static void near(double got, double want)
{
	cr_assert_lt(fabs(got - want), 100, "got %g, want %g", got, want);
}

Test(sim_dependent, an_ordinary_launch_waits_for_the_kernel_before_it)
{
	struct pair p = pair();

	near(pair_ns(&p, false, NOTHING), 200e3);
	near(pair_ns(&p, false, EVENT), 200e3);
}

Test(sim_dependent, a_dependent_one_starts_when_it_is_let)
{
	struct pair p = pair();

	near(pair_ns(&p, true, NOTHING), 100e3);
}

Test(sim_dependent, an_event_between_the_two_is_one_too_many)
{
	struct pair p = pair();

	near(pair_ns(&p, true, EVENT), 200e3);
	near(pair_ns(&p, true, WAIT), 200e3);
}

Test(sim_dependent, unless_it_is_planted_that_it_is_not)
{
	struct pair p;

	setenv("LOWTIDE_SIM_DEPENDENT_PAST_EVENT", "1", 1);
	setenv("LOWTIDE_SIM_EVENT_NS", "5000", 1);
	p = pair();
	near(pair_ns(&p, true, NOTHING), 100e3 + 5e3);
	near(pair_ns(&p, true, EVENT), 100e3 + 5e3);
	near(pair_ns(&p, true, WAIT), 200e3 + 2 * 5e3);
}

Test(sim_dependent, a_kernel_that_lets_nobody_start_is_waited_for)
{
	struct pair p = pair();
	uint64_t ns = 100000, value = 0;
	void *params[] = {&ns, &p.word, &value, &p.wrong};
	CUevent from, to;
	float ms;

	OK(cuEventCreate(&from, 0));
	OK(cuEventCreate(&to, 0));
	OK(sim_spin(1e6, p.stream));
	OK(cuEventRecord(from, p.stream));
	launch(p.dependent, p.stream, false, params);
	launch(p.dependent, p.stream, true, params);
	OK(cuEventRecord(to, p.stream));
	OK(cuStreamSynchronize(p.stream));
	OK(cuEventElapsedTime(&ms, from, to));
	near((double)ms * 1e6, 200e3);
}

Test(sim_dependent, what_comes_behind_waits_for_both)
{
	struct pair p = pair();
	uint64_t long_ns = 300000, ns = 1000, value = 3;
	void *first[] = {&long_ns, &p.word, &value};
	void *second[] = {&ns, &p.word, &value, &p.wrong};
	CUevent from, to;
	float ms;

	OK(cuEventCreate(&from, 0));
	OK(cuEventCreate(&to, 0));
	OK(sim_spin(1e6, p.stream));
	OK(cuEventRecord(from, p.stream));
	launch(p.primary, p.stream, false, first);
	launch(p.dependent, p.stream, true, second);
	OK(cuEventRecord(to, p.stream));
	OK(cuStreamSynchronize(p.stream));
	OK(cuEventElapsedTime(&ms, from, to));
	near((double)ms * 1e6, 300e3);
}

Test(sim_dependent, an_event_and_a_wait_take_what_is_planted_of_their_stream)
{
	const enum between ways[] = {NOTHING, EVENT, WAIT};
	struct pair p;

	setenv("LOWTIDE_SIM_EVENT_NS", "700", 1);
	setenv("LOWTIDE_SIM_WAIT_NS", "1500", 1);
	p = pair();
	for (int i = 0; i < 3; i++)
		near(pair_ns(&p, false, ways[i]),
		     200e3 + 700 + (i ? 700 : 0) + (i == 2) * 1500);
}
