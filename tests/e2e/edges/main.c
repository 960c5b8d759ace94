/* usage: sim_edges CASE, with SIM_IMAGE naming the test kernels. Exits 0 if all is well. */
#include "edges.h"

static const struct program_case cases[] = {
#define EDGE(name) CASE(name),
#include "edges.def"
#undef EDGE
};

int main(int argc, char **argv)
{
	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
