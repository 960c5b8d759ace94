/*
 * Modules and libraries: an image is a shared object that exports a table of C kernels
 * (sim_kernel.h), or a cubin or PTX text whose entries bear the names of kernels that the
 * simulator has built in.
 */
#include "sim.h"

#include "image.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FUNCTIONS 8192
#define MODULES 256

/* Handles come from these, the lowest free ones first: a handle is used again as soon as it
 * can be, which is what programs have to live with. All guarded by the lock. */
static struct CUfunc_st functions[FUNCTIONS]; /* free: no kernel */
static struct CUmod_st modules[MODULES];      /* free: not live */

/* A kernel of a library is its function's handle with a bit set: neither stands for the other
 * where the driver tells them apart. */
#define KERNEL_BIT ((uintptr_t)1)

static CUfunction function_of(CUkernel kernel)
{
	return (uintptr_t)kernel & KERNEL_BIT ? (CUfunction)((uintptr_t)kernel - KERNEL_BIT)
					      : NULL;
}

/* NULL: no such function. */
static CUfunction known_function(CUfunction function)
{
	uintptr_t at = (uintptr_t)function - (uintptr_t)functions;

	if (at >= sizeof(functions) || at % sizeof(functions[0]) || !function->kernel)
		return NULL;
	return function;
}

const struct sim_kernel *sim_kernel_of(CUfunction function)
{
	CUfunction known = known_function(function);

	if (!known)
		known = known_function(function_of((CUkernel)function));
	return known ? known->kernel : NULL;
}

CUcontext sim_function_context(CUfunction function)
{
	CUfunction known = known_function(function);

	return known ? known->module->context : NULL;
}

unsigned int sim_blocks_at_once(uint64_t threads)
{
	return (unsigned int)(SIM_MULTIPROCESSORS * (SIM_MULTIPROCESSOR_THREADS / threads));
}

static bool known(CUmodule module)
{
	uintptr_t at = (uintptr_t)module - (uintptr_t)modules;

	return at < sizeof(modules) && at % sizeof(modules[0]) == 0 && module->live;
}

/* --- loading
 * -------------------------------------------------------------------------------------------
 */

static struct CUfunc_st *free_functions(size_t count)
{
	size_t run = 0;

	for (size_t i = 0; i < FUNCTIONS; i++) {
		run = functions[i].kernel ? 0 : run + 1;
		if (run == count)
			return &functions[i + 1 - count];
	}
	return NULL;
}

static CUresult from_kernels(const struct sim_kernel *const *kernels, size_t count,
			     void *object, CUmodule *out)
{
	struct CUfunc_st *room = free_functions(count);
	struct CUmod_st *module = modules;

	while (module < modules + MODULES && module->live)
		module++;
	if (!room || module == modules + MODULES)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < count; i++)
		room[i] = (struct CUfunc_st){kernels[i], module};
	*module = (struct CUmod_st){
	    .live = true, .object = object, .functions = room, .function_count = count};
	*out = module;
	return CUDA_SUCCESS;
}

static void unload(struct CUmod_st *module)
{
	memset(module->functions, 0, module->function_count * sizeof(module->functions[0]));
	if (module->object)
		dlclose(module->object);
	*module = (struct CUmod_st){.live = false};
}

void sim_forget_context_modules(CUcontext context)
{
	for (size_t i = 0; i < MODULES; i++)
		if (modules[i].live && modules[i].context == context)
			unload(&modules[i]);
}

static CUresult from_object(const char *path, CUmodule *out)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct sim_image *image = object ? dlsym(object, SIM_IMAGE_SYMBOL) : NULL;
	CUresult result;

	if (!image || image->abi != SIM_KERNEL_ABI) {
		if (object)
			dlclose(object);
		return CUDA_ERROR_INVALID_IMAGE;
	}
	result = from_kernels(image->kernels, image->kernel_count, object, out);
	if (result != CUDA_SUCCESS)
		dlclose(object);
	return result;
}

/* A kernel that our own images may name: the library's, and the probe's. */
static const struct sim_kernel *builtin(const char *name)
{
	for (size_t i = 0; i < sim_builtin_kernel_count; i++)
		if (!strcmp(sim_builtin_kernels[i]->name, name))
			return sim_builtin_kernels[i];
	for (size_t i = 0; i < sim_probe_kernel_count; i++)
		if (!strcmp(sim_probe_kernels[i]->name, name))
			return sim_probe_kernels[i];
	for (size_t i = 0; i < sim_probe_twin_count; i++)
		if (!strcmp(sim_probe_twins[i]->name, name))
			return sim_probe_twins[i];
	for (size_t i = 0; i < sim_access_twin_count; i++)
		if (!strcmp(sim_access_twins[i]->name, name))
			return sim_access_twins[i];
	return NULL;
}

/* By the names of its kernels: neither machine code nor text is executed here. */
static CUresult from_names(const struct sim_picked *image, CUmodule *out)
{
	const CUresult unknown =
	    image->form == SIM_PICKED_TEXT ? CUDA_ERROR_INVALID_PTX : CUDA_ERROR_INVALID_IMAGE;
	const struct sim_kernel *found[SIM_PICKED_KERNELS];

	for (size_t i = 0; i < image->kernel_count; i++)
		if (!(found[i] = builtin(image->kernels[i])))
			return unknown;
	return image->kernel_count ? from_kernels(found, image->kernel_count, NULL, out)
				   : unknown;
}

/* The driver's compiler is a library of its own, which a machine may lack. */
static CUresult from_text(const struct sim_picked *image, CUmodule *out)
{
	if (!sim_config.jit)
		return CUDA_ERROR_JIT_COMPILER_NOT_FOUND;
	sim_host_spend(sim_config.jit_ns);
	return from_names(image, out);
}

/* The section table is the last thing in an object file. */
static size_t elf_bytes(const Elf64_Ehdr *head)
{
	return head->e_shoff + (size_t)head->e_shnum * head->e_shentsize;
}

static CUresult from_elf(const void *image, CUmodule *out)
{
	size_t bytes = elf_bytes(image);
	char path[48];
	int file;
	CUresult result = CUDA_ERROR_INVALID_IMAGE;

	file = memfd_create("simulated-image", MFD_CLOEXEC);
	if (file < 0)
		return CUDA_ERROR_OUT_OF_MEMORY;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (write(file, image, bytes) == (ssize_t)bytes)
		result = from_object(path, out);
	close(file);
	return result;
}

static CUresult from_memory(const void *bytes, CUmodule *out)
{
	CUcontext context = sim_context();
	static struct sim_picked image; /* guarded by the lock; too large for a small stack */
	CUresult result = sim_image_pick(bytes, context ? context->device : 0, &image);

	if (result != CUDA_SUCCESS)
		return result;
	switch (image.form) {
	case SIM_PICKED_OBJECT:
		return from_elf(image.bytes, out);
	case SIM_PICKED_TEXT:
		return from_text(&image, out);
	default:
		return from_names(&image, out);
	}
}

/* A module lives in the context that loaded it, a library in none. */
static CUresult into_context(CUresult result, CUmodule *out)
{
	if (result == CUDA_SUCCESS)
		(*out)->context = sim_context();
	return result;
}

SIM_EXPORT CUresult cuModuleLoadData(CUmodule *out, const void *image)
{
	SIM_CALL();
	SIM_ANSWER(out && image ? into_context(from_memory(image, out), out)
				: CUDA_ERROR_INVALID_VALUE);
}

SIM_EXPORT CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned int count,
				       CUjit_option *options, void **values)
{
	SIM_CALL();
	(void)count, (void)options, (void)values;
	SIM_ANSWER(cuModuleLoadData(out, image));
}

SIM_EXPORT CUresult cuModuleLoadFatBinary(CUmodule *out, const void *image)
{
	SIM_CALL();
	SIM_ANSWER(cuModuleLoadData(out, image));
}

static CUresult from_file(const char *path, CUmodule *out)
{
	char absolute[4096], *image;
	struct stat about;
	CUresult result = CUDA_ERROR_FILE_NOT_FOUND;
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0 || fstat(file, &about) || !(image = malloc((size_t)about.st_size + 1))) {
		if (file >= 0)
			close(file);
		return result;
	}
	if (read(file, image, (size_t)about.st_size) == (ssize_t)about.st_size) {
		image[about.st_size] = '\0';
		if (about.st_size > SELFMAG && !memcmp(image, ELFMAG, SELFMAG))
			result = from_object(realpath(path, absolute) ? absolute : path, out);
		else
			result = from_memory(image, out);
	}
	free(image);
	close(file);
	return result;
}

SIM_EXPORT CUresult cuModuleLoad(CUmodule *out, const char *path)
{
	SIM_CALL();
	SIM_ANSWER(out && path ? into_context(from_file(path, out), out)
			       : CUDA_ERROR_INVALID_VALUE);
}

SIM_EXPORT CUresult cuModuleUnload(CUmodule module)
{
	SIM_CALL();
	if (!known(module))
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	sim_wait_context(sim_context());
	unload(module);
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuModuleGetFunction(CUfunction *out, CUmodule module, const char *name)
{
	SIM_CALL();
	if (!out || !name || !known(module))
		SIM_ANSWER(known(module) ? CUDA_ERROR_INVALID_VALUE
					 : CUDA_ERROR_INVALID_HANDLE);
	for (size_t i = 0; i < module->function_count; i++)
		if (!strcmp(module->functions[i].kernel->name, name)) {
			*out = &module->functions[i];
			SIM_ANSWER(CUDA_SUCCESS);
		}
	SIM_ANSWER(CUDA_ERROR_NOT_FOUND);
}

SIM_EXPORT CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule module,
					 const char *name)
{
	const ElfW(Sym) *symbol = NULL;
	Dl_info info;
	void *at;

	SIM_CALL();
	if (!name || !known(module) || (!address && !bytes))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	at = module->object ? dlsym(module->object, name) : NULL;
	if (!at || !dladdr1(at, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol)
		SIM_ANSWER(CUDA_ERROR_NOT_FOUND);
	if (!sim_region_at((uintptr_t)at))
		sim_region_add(&(struct sim_region){.start = (uintptr_t)at,
						    .end = (uintptr_t)at + symbol->st_size,
						    .kind = SIM_MODULE_GLOBAL,
						    .readable = ~0u,
						    .writable = ~0u,
						    .device = sim_context()->device,
						    .context = sim_context()});
	if (address)
		*address = (CUdeviceptr)(uintptr_t)at;
	if (bytes)
		*bytes = symbol->st_size;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode *mode)
{
	SIM_CALL_ANYWHERE();
	if (!mode)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*mode = CU_MODULE_EAGER_LOADING;
	SIM_ANSWER(CUDA_SUCCESS);
}

/* --- libraries: modules that live in no context
 * --------------------- */

SIM_EXPORT CUresult cuLibraryLoadData(CUlibrary *out, const void *code, CUjit_option *options,
				      void **values, unsigned int count,
				      CUlibraryOption *library_options, void **library_values,
				      unsigned int library_count)
{
	SIM_CALL_ANYWHERE();
	(void)options, (void)values, (void)count;
	(void)library_options, (void)library_values, (void)library_count;
	SIM_ANSWER(out && code ? from_memory(code, (CUmodule *)out) : CUDA_ERROR_INVALID_VALUE);
}

SIM_EXPORT CUresult cuLibraryLoadFromFile(CUlibrary *out, const char *path,
					  CUjit_option *options, void **values,
					  unsigned int count, CUlibraryOption *library_options,
					  void **library_values, unsigned int library_count)
{
	SIM_CALL();
	(void)options, (void)values, (void)count;
	(void)library_options, (void)library_values, (void)library_count;
	SIM_ANSWER(out && path ? from_file(path, (CUmodule *)out) : CUDA_ERROR_INVALID_VALUE);
}

SIM_EXPORT CUresult cuLibraryUnload(CUlibrary library)
{
	SIM_CALL();
	SIM_ANSWER(cuModuleUnload((CUmodule)library));
}

SIM_EXPORT CUresult cuLibraryGetKernel(CUkernel *out, CUlibrary library, const char *name)
{
	CUresult result;

	SIM_CALL();
	result = cuModuleGetFunction((CUfunction *)out, (CUmodule)library, name);
	if (result == CUDA_SUCCESS)
		*out = (CUkernel)((uintptr_t)*out + KERNEL_BIT);
	SIM_ANSWER(result);
}

SIM_EXPORT CUresult cuLibraryGetModule(CUmodule *out, CUlibrary library)
{
	SIM_CALL();
	if (!out || !known((CUmodule)library))
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	*out = (CUmodule)library;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuLibraryGetGlobal(CUdeviceptr *address, size_t *bytes, CUlibrary library,
				       const char *name)
{
	SIM_CALL();
	SIM_ANSWER(cuModuleGetGlobal_v2(address, bytes, (CUmodule)library, name));
}

SIM_EXPORT CUresult cuKernelGetFunction(CUfunction *out, CUkernel kernel)
{
	SIM_CALL();
	if (!out || !known_function(function_of(kernel)))
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	*out = function_of(kernel);
	SIM_ANSWER(CUDA_SUCCESS);
}

/* --- questions about a function
 * ------------------------------------------------------------------------------ */

CUresult sim_param_info(CUfunction function, size_t index, size_t *offset, size_t *bytes)
{
	const struct sim_kernel *kernel = sim_kernel_of(function);

	if (!kernel)
		return CUDA_ERROR_INVALID_HANDLE;
	if (index >= kernel->param_count || !offset)
		return CUDA_ERROR_INVALID_VALUE;
	*offset = kernel->param_offsets[index];
	if (bytes)
		*bytes = kernel->param_sizes[index];
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t *offset,
				       size_t *bytes)
{
	SIM_CALL();
	/* A symbol cannot be taken back: an older driver, which lacks it, answers so. */
	if (sim_config.driver_version < 12040)
		SIM_ANSWER(CUDA_ERROR_NOT_SUPPORTED);
	if (!known_function(function))
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	SIM_ANSWER(sim_param_info(function, index, offset, bytes));
}

SIM_EXPORT CUresult cuKernelGetParamInfo(CUkernel kernel, size_t index, size_t *offset,
					 size_t *bytes)
{
	SIM_CALL();
	/* A symbol cannot be taken back: an older driver, which lacks it, answers so. */
	if (sim_config.driver_version < 12040)
		SIM_ANSWER(CUDA_ERROR_NOT_SUPPORTED);
	if (!known_function(function_of(kernel)))
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	SIM_ANSWER(sim_param_info(function_of(kernel), index, offset, bytes));
}

SIM_EXPORT CUresult cuFuncGetName(const char **name, CUfunction function)
{
	SIM_CALL();
	if (!name || !sim_kernel_of(function))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*name = sim_kernel_of(function)->name;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuFuncGetModule(CUmodule *out, CUfunction function)
{
	SIM_CALL();
	if (!out || !known_function(function))
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	*out = function->module;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuFuncGetAttribute(int *value, CUfunction_attribute what,
				       CUfunction function)
{
	SIM_CALL();
	if (!value || !sim_kernel_of(function))
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	*value = what == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? 1024 : 0;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute what,
				       int value)
{
	SIM_CALL();
	(void)what, (void)value;
	SIM_ANSWER(sim_kernel_of(function) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE);
}

SIM_EXPORT CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks,
								CUfunction function,
								int block_size, size_t shared)
{
	SIM_CALL();
	(void)shared;
	if (!blocks || block_size <= 0 || !sim_kernel_of(function))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*blocks = SIM_MULTIPROCESSOR_THREADS / block_size;
	SIM_ANSWER(CUDA_SUCCESS);
}
