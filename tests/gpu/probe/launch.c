/* Question 7: what launches, events and the layout of parameters cost. */
#include "trials.h"

extern const char probe_kernels_ptx[];

enum { BATCH = 100 };

static struct rounds rounds_of(const struct gpu *g)
{
	return (struct rounds){.least = 3, .most = 100, .budget_ms = g->quick ? 80 : 600};
}

static void launches(const struct gpu *g, enum kernel which, const char *name)
{
	struct rounds rounds = rounds_of(g);
	uint64_t value = 0;
	void *params[60];
	struct samples s;

	samples_init(&s);
	for (int i = 0; i < 60; i++)
		params[i] = &value;
	TRY(gpu_launch(g, which, 1, g->stream, params)); /* warm-up */
	while (rounds_more(&rounds)) {
		for (int i = 0; i < BATCH; i++) {
			double from = gpu_now_us();

			TRY(gpu_launch(g, which, 1, g->stream, params));
			samples_add(&s, gpu_now_us() - from);
		}
		TRY(cu(cuStreamSynchronize)(g->stream));
	}
	answer_figure(&s, "us", "%s", name);
	samples_finish(&s);
}

static void events(const struct gpu *g)
{
	struct rounds rounds = rounds_of(g);
	struct samples record, query, query_early;
	CUevent event;

	samples_init(&record);
	samples_init(&query);
	samples_init(&query_early);
	TRY(cu(cuEventCreate)(&event, CU_EVENT_DISABLE_TIMING));
	while (rounds_more(&rounds)) {
		double from = gpu_now_us();

		TRY(cu(cuEventRecord)(event, g->stream));
		samples_add(&record, gpu_now_us() - from);
		TRY(cu(cuStreamSynchronize)(g->stream));
		from = gpu_now_us();
		TRY(cu(cuEventQuery)(event));
		samples_add(&query, gpu_now_us() - from);
		gpu_spin(g, 0.2, g->stream);
		TRY(cu(cuEventRecord)(event, g->stream));
		from = gpu_now_us();
		if (cu(cuEventQuery)(event) == CUDA_ERROR_NOT_READY)
			samples_add(&query_early, gpu_now_us() - from);
		TRY(cu(cuStreamSynchronize)(g->stream));
	}
	answer_figure(&record, "us", "event_record");
	answer_figure(&query, "us", "event_query_done");
	answer_figure(&query_early, "us", "event_query_not_ready");
	samples_finish(&record);
	samples_finish(&query);
	samples_finish(&query_early);
}

/* --- parameter layouts -------------------------------------------------------------------- */

typedef CUresult (*asking)(void *handle, size_t index, size_t *offset, size_t *bytes);

static CUresult ask_function(void *handle, size_t index, size_t *offset, size_t *bytes)
{
	return cu(cuFuncGetParamInfo)(handle, index, offset, bytes);
}

static CUresult ask_kernel(void *handle, size_t index, size_t *offset, size_t *bytes)
{
	return cu(cuKernelGetParamInfo)(handle, index, offset, bytes);
}

static void layout(const struct gpu *g, asking ask, void *handle, const char *name)
{
	static const size_t offsets[] = {0, 8, 16, 40}, sizes[] = {1, 8, 24, 2};
	struct rounds rounds = rounds_of(g);
	CUresult result = CUDA_SUCCESS;
	size_t offset, bytes;
	struct samples s;
	bool same = true;

	for (size_t i = 0; i < 4 && result == CUDA_SUCCESS; i++) {
		result = ask(handle, i, &offset, &bytes);
		same = same && offset == offsets[i] && bytes == sizes[i];
	}
	answer_result(result, "param_info/%s", name);
	if (result != CUDA_SUCCESS)
		return;
	answer_check(same, "other offsets or sizes", "%s: the layout is the kernel's", name);
	answer_check(ask(handle, 4, &offset, &bytes) != CUDA_SUCCESS, "it told of a fifth",
		     "%s: past the last parameter is an error", name);
	samples_init(&s);
	while (rounds_more(&rounds)) {
		double from = gpu_now_us();

		for (int i = 0; i < BATCH; i++)
			(void)ask(handle, (size_t)i % 4, &offset, &bytes);
		samples_add(&s, (gpu_now_us() - from) / BATCH);
	}
	answer_figure(&s, "us", "param_info/%s", name);
	samples_finish(&s);
}

/* Of what has no parameters: the error that ends a walk over them. */
static void no_parameters(CUlibrary library)
{
	CUkernel kernel;
	CUfunction function;
	size_t offset, bytes;

	TRY(cu(cuLibraryGetKernel)(&kernel, library, "probe_no_params"));
	answer_result(cu(cuKernelGetParamInfo)(kernel, 0, &offset, &bytes),
		      "param_info/kernel_without_parameters");
	if (!cu(cuFuncGetParamInfo))
		return;
	answer_result(cu(cuFuncGetParamInfo)((CUfunction)kernel, 0, &offset, &bytes),
		      "param_info/kernel_as_function_without_parameters");
	if (cu(cuKernelGetFunction) &&
	    cu(cuKernelGetFunction)(&function, kernel) == CUDA_SUCCESS)
		answer_result(cu(cuFuncGetParamInfo)(function, 0, &offset, &bytes),
			      "param_info/function_without_parameters");
	TRY(gpu_kernel(probe_kernels_ptx, "probe_no_params", &function));
	answer_result(cu(cuFuncGetParamInfo)(function, 0, &offset, &bytes),
		      "param_info/function_of_module_without_parameters");
}

static void layouts(const struct gpu *g)
{
	CUlibrary library;
	CUkernel kernel;

	if (cu(cuFuncGetParamInfo))
		layout(g, ask_function, g->kernels[KERNEL_layout], "function");
	else
		answer_text("not offered by this driver", "param_info/function");
	if (!cu(cuKernelGetParamInfo) || !cu(cuLibraryLoadData) || !cu(cuLibraryGetKernel)) {
		answer_text("not offered by this driver", "param_info/kernel");
		return;
	}
	TRY(cu(cuLibraryLoadData)(&library, probe_kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	TRY(cu(cuLibraryGetKernel)(&kernel, library, "probe_layout"));
	layout(g, ask_kernel, kernel, "kernel");
	/* CUDA's runtime launches a CUkernel as if it were a CUfunction. */
	if (cu(cuFuncGetParamInfo)) {
		answer_step("asking of a CUkernel as of a CUfunction");
		layout(g, ask_function, kernel, "kernel_as_function");
	}
	answer_step("asking of what has no parameters");
	no_parameters(library);
}

void trial_launch(struct gpu *g)
{
	answer_step("launching");
	launches(g, KERNEL_params_1, "params_1");
	launches(g, KERNEL_params_20, "params_20");
	launches(g, KERNEL_params_60, "params_60");
	answer_step("recording events");
	events(g);
	answer_step("asking for parameters");
	layouts(g);
}
