/*
 * Modules and libraries. For drivers that do not tell how kernels' parameters lie, their images
 * are read once the driver has taken them, and the handles of kernels are learnt by name. When
 * one goes, so does what is known of its functions: before the driver's own call, because
 * afterwards another thread may be given the same handles.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "hook/kernel_registry.h"
#include "hook/launch_params.h"

static const void *owner_now(void)
{
	CUcontext context = NULL;

	if (!real(cuCtxGetCurrent) || real(cuCtxGetCurrent)(&context) != CUDA_SUCCESS)
		return NULL;
	return context;
}

static CUresult module_loaded(CUresult result, const CUmodule *module, const void *image)
{
	if (result == CUDA_SUCCESS && kernel_registry_wanted())
		kernel_registry_loaded(*module, image, owner_now());
	return result;
}

LT_EXPORT CUresult CUDAAPI cuModuleLoad(CUmodule *module, const char *fname)
{
	CUresult result;

	if (!driver_has(cuModuleLoad))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuModuleLoad)(module, fname);
	if (result == CUDA_SUCCESS && kernel_registry_wanted())
		kernel_registry_loaded_file(*module, fname, owner_now());
	return result;
}

LT_EXPORT CUresult CUDAAPI cuModuleLoadData(CUmodule *module, const void *image)
{
	if (!driver_has(cuModuleLoadData))
		return CUDA_ERROR_NOT_FOUND;
	return module_loaded(real(cuModuleLoadData)(module, image), module, image);
}

LT_EXPORT CUresult CUDAAPI cuModuleLoadDataEx(CUmodule *module, const void *image,
					      unsigned int numOptions, CUjit_option *options,
					      void **optionValues)
{
	if (!driver_has(cuModuleLoadDataEx))
		return CUDA_ERROR_NOT_FOUND;
	return module_loaded(
	    real(cuModuleLoadDataEx)(module, image, numOptions, options, optionValues), module,
	    image);
}

LT_EXPORT CUresult CUDAAPI cuModuleLoadFatBinary(CUmodule *module, const void *fatCubin)
{
	if (!driver_has(cuModuleLoadFatBinary))
		return CUDA_ERROR_NOT_FOUND;
	return module_loaded(real(cuModuleLoadFatBinary)(module, fatCubin), module, fatCubin);
}

LT_EXPORT CUresult CUDAAPI cuModuleGetFunction(CUfunction *hfunc, CUmodule hmod,
					       const char *name)
{
	CUresult result;

	if (!driver_has(cuModuleGetFunction))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuModuleGetFunction)(hfunc, hmod, name);
	if (result == CUDA_SUCCESS && kernel_registry_wanted())
		kernel_registry_got(hmod, name, *hfunc);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuModuleUnload(CUmodule hmod)
{
	if (!driver_has(cuModuleUnload))
		return CUDA_ERROR_NOT_FOUND;
	kernel_registry_unload(hmod);
	launch_params_forget();
	return real(cuModuleUnload)(hmod);
}

/* --- libraries: a library's kernels may be launched by their own handles, and have a function
 * in each context */

LT_EXPORT CUresult CUDAAPI cuLibraryLoadData(CUlibrary *library, const void *code,
					     CUjit_option *jitOptions, void **jitOptionsValues,
					     unsigned int numJitOptions,
					     CUlibraryOption *libraryOptions,
					     void **libraryOptionValues,
					     unsigned int numLibraryOptions)
{
	CUresult result;

	if (!driver_has(cuLibraryLoadData))
		return CUDA_ERROR_NOT_FOUND;
	result =
	    real(cuLibraryLoadData)(library, code, jitOptions, jitOptionsValues, numJitOptions,
				    libraryOptions, libraryOptionValues, numLibraryOptions);
	if (result == CUDA_SUCCESS && kernel_registry_wanted())
		kernel_registry_loaded(*library, code, NULL);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuLibraryLoadFromFile(
    CUlibrary *library, const char *fileName, CUjit_option *jitOptions, void **jitOptionsValues,
    unsigned int numJitOptions, CUlibraryOption *libraryOptions, void **libraryOptionValues,
    unsigned int numLibraryOptions)
{
	CUresult result;

	if (!driver_has(cuLibraryLoadFromFile))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuLibraryLoadFromFile)(library, fileName, jitOptions, jitOptionsValues,
					     numJitOptions, libraryOptions, libraryOptionValues,
					     numLibraryOptions);
	if (result == CUDA_SUCCESS && kernel_registry_wanted())
		kernel_registry_loaded_file(*library, fileName, NULL);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuLibraryGetKernel(CUkernel *pKernel, CUlibrary library,
					      const char *name)
{
	CUresult result;

	if (!driver_has(cuLibraryGetKernel))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuLibraryGetKernel)(pKernel, library, name);
	if (result == CUDA_SUCCESS && kernel_registry_wanted())
		kernel_registry_got(library, name, *pKernel);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuLibraryGetModule(CUmodule *pMod, CUlibrary library)
{
	CUresult result;

	if (!driver_has(cuLibraryGetModule))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuLibraryGetModule)(pMod, library);
	if (result == CUDA_SUCCESS && kernel_registry_wanted())
		kernel_registry_alias(library, *pMod);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuKernelGetFunction(CUfunction *pFunc, CUkernel kernel)
{
	CUresult result;

	if (!driver_has(cuKernelGetFunction))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuKernelGetFunction)(pFunc, kernel);
	if (result == CUDA_SUCCESS && kernel_registry_wanted())
		kernel_registry_got_from(kernel, *pFunc);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuLibraryUnload(CUlibrary library)
{
	if (!driver_has(cuLibraryUnload))
		return CUDA_ERROR_NOT_FOUND;
	kernel_registry_unload(library);
	launch_params_forget();
	return real(cuLibraryUnload)(library);
}
