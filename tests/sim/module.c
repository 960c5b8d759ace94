/*
 * Modules and libraries: an image is a shared object that exports a table of C kernels
 * (sim_kernel.h), or PTX text whose entries bear the names of kernels that the simulator has
 * built in.
 */
#include "sim.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct CUmod_st *modules; /* guarded by the lock */

const struct sim_kernel *sim_kernel_of(CUfunction function)
{
	for (struct CUmod_st *module = modules; module; module = module->next)
		if (function >= module->functions &&
		    function < module->functions + module->function_count)
			return function->kernel;
	return NULL;
}

/* --- loading
 * -------------------------------------------------------------------------------------------
 */

static CUresult from_kernels(const struct sim_kernel *const *kernels, size_t count,
			     void *object, CUmodule *out)
{
	struct CUmod_st *module = calloc(1, sizeof(*module));

	if (module)
		module->functions = calloc(count + 1, sizeof(*module->functions));
	if (!module || !module->functions) {
		free(module);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	for (size_t i = 0; i < count; i++)
		module->functions[i] = (struct CUfunc_st){kernels[i], module};
	module->function_count = count;
	module->object = object;
	module->next = modules;
	modules = module;
	*out = module;
	return CUDA_SUCCESS;
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

/* A kernel that PTX text may name: the library's own, and the probe's. */
static const struct sim_kernel *builtin(const char *name)
{
	for (size_t i = 0; i < sim_builtin_kernel_count; i++)
		if (!strcmp(sim_builtin_kernels[i]->name, name))
			return sim_builtin_kernels[i];
	for (size_t i = 0; i < sim_probe_kernel_count; i++)
		if (!strcmp(sim_probe_kernels[i]->name, name))
			return sim_probe_kernels[i];
	return NULL;
}

static CUresult from_ptx(const char *text, CUmodule *out)
{
	const struct sim_kernel *found[32];
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, ".entry")) != NULL;) {
		char name[128];

		at += strlen(".entry");
		if (sscanf(at, " %127[A-Za-z0-9_$]", name) != 1)
			return CUDA_ERROR_INVALID_PTX;
		if (count == 32 || !(found[count++] = builtin(name)))
			return CUDA_ERROR_INVALID_PTX;
	}
	return count ? from_kernels(found, count, NULL, out) : CUDA_ERROR_INVALID_PTX;
}

/* The section table is the last thing in an object file. */
static size_t elf_bytes(const Elf64_Ehdr *head)
{
	return head->e_shoff + (size_t)head->e_shnum * head->e_shentsize;
}

static CUresult from_memory(const void *image, CUmodule *out)
{
	char path[48];
	size_t bytes;
	int file;
	CUresult result = CUDA_ERROR_INVALID_IMAGE;

	if (memcmp(image, ELFMAG, SELFMAG) != 0)
		return strstr(image, ".version") ? from_ptx(image, out)
						 : CUDA_ERROR_INVALID_IMAGE;
	bytes = elf_bytes(image);
	file = memfd_create("simulated-image", MFD_CLOEXEC);
	if (file < 0)
		return CUDA_ERROR_OUT_OF_MEMORY;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (write(file, image, bytes) == (ssize_t)bytes)
		result = from_object(path, out);
	close(file);
	return result;
}

SIM_EXPORT CUresult cuModuleLoadData(CUmodule *out, const void *image)
{
	SIM_CALL();
	SIM_ANSWER(out && image ? from_memory(image, out) : CUDA_ERROR_INVALID_VALUE);
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

SIM_EXPORT CUresult cuModuleLoad(CUmodule *out, const char *path)
{
	char head[4096];
	ssize_t bytes;
	int file;

	SIM_CALL();
	if (!out || !path)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		SIM_ANSWER(CUDA_ERROR_FILE_NOT_FOUND);
	bytes = read(file, head, sizeof(head) - 1);
	close(file);
	if (bytes >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG)) {
		char absolute[4096];

		SIM_ANSWER(from_object(realpath(path, absolute) ? absolute : path, out));
	}
	head[bytes < 0 ? 0 : bytes] = '\0';
	SIM_ANSWER(from_memory(head, out));
}

SIM_EXPORT CUresult cuModuleUnload(CUmodule module)
{
	SIM_CALL();
	for (struct CUmod_st **link = &modules; *link; link = &(*link)->next) {
		if (*link != module)
			continue;
		sim_wait_context(sim_context());
		*link = module->next;
		if (module->object)
			dlclose(module->object);
		free(module->functions);
		free(module);
		SIM_ANSWER(CUDA_SUCCESS);
	}
	SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
}

static bool known(CUmodule module)
{
	for (struct CUmod_st *m = modules; m; m = m->next)
		if (m == module)
			return true;
	return false;
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

/* --- libraries: a module, a kernel handle and a function handle are the same thing here
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
	SIM_ANSWER(cuModuleLoad((CUmodule *)out, path));
}

SIM_EXPORT CUresult cuLibraryUnload(CUlibrary library)
{
	SIM_CALL();
	SIM_ANSWER(cuModuleUnload((CUmodule)library));
}

SIM_EXPORT CUresult cuLibraryGetKernel(CUkernel *out, CUlibrary library, const char *name)
{
	SIM_CALL();
	SIM_ANSWER(cuModuleGetFunction((CUfunction *)out, (CUmodule)library, name));
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
	if (!out || !sim_kernel_of((CUfunction)kernel))
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	*out = (CUfunction)kernel;
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
	SIM_ANSWER(sim_param_info(function, index, offset, bytes));
}

SIM_EXPORT CUresult cuKernelGetParamInfo(CUkernel kernel, size_t index, size_t *offset,
					 size_t *bytes)
{
	SIM_CALL();
	/* A symbol cannot be taken back: an older driver, which lacks it, answers so. */
	if (sim_config.driver_version < 12040)
		SIM_ANSWER(CUDA_ERROR_NOT_SUPPORTED);
	SIM_ANSWER(sim_param_info((CUfunction)kernel, index, offset, bytes));
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
	if (!out || !sim_kernel_of(function))
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
	*blocks = 2048 / block_size;
	SIM_ANSWER(CUDA_SUCCESS);
}
