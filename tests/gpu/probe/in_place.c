/*
 * Question 7: a product whose matrix is cold. Used where it lies, over the bus; or copied
 * first, then used; or resident, as the bound. A matrix-vector product reads it once, a
 * matrix-matrix product in tiles reads it several times: the policy must know what each costs.
 */
#include "cublas.h"
#include "frame.h"
#include "trials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum where { RESIDENT, IN_PLACE, COPIED_FIRST, WHERES };
static const char *const where_names[WHERES] = {"resident", "in_place", "copied_first"};

struct product {
	const struct gpu *g;
	const char *name;
	struct block a;
	CUdeviceptr b, c;
	uint64_t m, n, k; /* n = 1: a vector */
	bool by_cublas;
};

static void start(const struct product *p, CUdeviceptr a)
{
	uint64_t m = p->m, n = p->n, k = p->k;
	CUdeviceptr b = p->b, c = p->c;

	if (p->by_cublas) {
		if (!(n == 1 ? cublas_matvec(a, b, c, m, k) : cublas_matmat(a, b, c, m, n, k)))
			answer_failed("cuBLAS: %s failed", p->name);
	} else if (n == 1) {
		LAUNCH(p->g, matvec, p->g->blocks, p->g->stream, &a, &b, &c, &m, &k);
	} else {
		TRY(cu(cuLaunchKernel)(p->g->kernels[KERNEL_matmat], (unsigned int)(n / 16),
				       (unsigned int)(m / 16), 1, 16, 16, 1, 0, p->g->stream,
				       (void *[]){&a, &b, &c, &n, &k}, NULL));
	}
}

static void once(const struct product *p, enum where where)
{
	if (where == COPIED_FIRST)
		block_copy(&p->a, ON_DEVICE, p->g->stream);
	start(p, p->a.alias[where == IN_PLACE ? ON_HOST : ON_DEVICE]);
}

static void measure(const struct product *p, enum where where, void *result)
{
	struct rounds rounds = {.least = 2, .most = 20, .budget_ms = p->g->quick ? 60 : 600};
	struct stopwatch watch = gpu_stopwatch();
	struct samples s;

	answer_step("%s, %s", p->name, where_names[where]);
	samples_init(&s);
	once(p, where); /* warm-up */
	while (rounds_more(&rounds)) {
		gpu_start_watch(p->g, &watch, p->g->stream);
		once(p, where);
		samples_add(&s, gpu_stop_watch_us(&watch, p->g->stream));
	}
	TRY(cu(cuMemcpyDtoH_v2)(result, p->c, p->m * p->n * 4));
	answer_figure(&s, "us", "%s/%s", p->name, where_names[where]);
	samples_finish(&s);
}

/* The same kernel on the same numbers: the same result to the last bit. */
static void compare(const struct product *p)
{
	size_t bytes = p->m * p->n * 4;
	char *results = malloc(WHERES * bytes);

	if (!results)
		answer_failed("out of memory");
	for (int where = 0; where < WHERES; where++)
		measure(p, (enum where)where, results + (size_t)where * bytes);
	for (int where = IN_PLACE; where < WHERES; where++) {
		bool same = !memcmp(results, results + (size_t)where * bytes, bytes);

		/* cuBLAS promises no such thing. */
		if (p->by_cublas)
			answer_yes_no(same, "%s/%s_same_as_resident", p->name,
				      where_names[where]);
		else
			answer_check(same, "the results differ", "%s, %s: same as resident",
				     p->name, where_names[where]);
	}
	free(results);
}

/* Numbers between 0 and 1, made on the host. */
static void fill(CUdeviceptr at, size_t count)
{
	float *numbers = malloc(count * 4);

	if (!numbers)
		answer_failed("out of memory");
	for (size_t i = 0; i < count; i++)
		numbers[i] = (float)(gpu_word(9, i) >> 40) / (float)(1 << 24);
	TRY(cu(cuMemcpyHtoD_v2)(at, numbers, count * 4));
	TRY(cu(cuCtxSynchronize)());
	free(numbers);
}

static struct product make(const struct gpu *g, const struct places *places, const char *name,
			   uint64_t m, uint64_t n, uint64_t k)
{
	struct product p = {.g = g, .name = name, .m = m, .n = n, .k = k};

	blocks_make(g, places, m * k * 4, 1, &p.a);
	TRY(cu(cuMemAlloc_v2)(&p.b, k * n * 4));
	TRY(cu(cuMemAlloc_v2)(&p.c, m * n * 4));
	/* First to the device: whether copies from malloc's memory can go to host frames is
	 * another question. */
	fill(p.a.alias[ON_DEVICE], m * k);
	block_copy(&p.a, ON_HOST, g->stream);
	TRY(cu(cuStreamSynchronize)(g->stream));
	fill(p.b, k * n);
	return p;
}

void trial_in_place(struct gpu *g)
{
	struct places places = places_need_host(g);
	uint64_t cols = g->quick ? 4096 : 8192, side = g->quick ? 1024 : 2048;
	uint64_t rows = gpu_fitting(cols * cols * 4) / cols / 4;
	struct product products[2] = {
	    make(g, &places, "matvec", rows, 1, cols),
	    make(g, &places, "matmat", side, 64, side),
	};
	const char *no_cublas;

	for (int i = 0; i < 2; i++)
		compare(&products[i]);
	answer_step("starting cuBLAS");
	no_cublas = cublas_start(g);
	if (no_cublas) {
		answer_text(no_cublas, "cublas");
		return;
	}
	answer_text("used", "cublas");
	for (int i = 0; i < 2; i++) {
		products[i].by_cublas = true;
		products[i].name = i ? "cublas_sgemm" : "cublas_sgemv";
		compare(&products[i]);
	}
}
