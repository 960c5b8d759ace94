#include "hook/kernel_registry.h"

#include "driver/driver.h"
#include "image/image.h"
#include "base/lock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Kernels of all modules together; those that come after are unknown. */
#define KERNELS_MOST ((size_t)1 << 20)
#define TELLS_SINCE 12040

struct kernel {
	const struct param_layout *layout;
	bool lost;
	UT_hash_handle hh; /* in its module's, by name */
	char name[];
};

struct module {
	const void *handle, *owner;
	struct module *same_as; /* an alias of that one, whose kernels it has */
	struct kernel *kernels;
	bool lost;
	UT_hash_handle hh;
};

struct function {
	const void *handle;
	const struct module *module; /* at whose end it goes */
	const struct param_layout *layout;
	bool lost;
	UT_hash_handle hh;
};

static struct lock lock = LOCK(RANK_KERNELS);
/* All guarded by lock. */
static struct module *modules;
static struct function *functions;
static size_t kernel_count;

bool kernel_registry_wanted(void)
{
	static atomic_int wanted; /* 0: not asked yet; 1: no; 2: yes */
	int answer = atomic_load_explicit(&wanted, memory_order_relaxed), version = 0;

	if (!answer) {
		answer = 1;
		if (!real(cuFuncGetParamInfo) ||
		    (real(cuDriverGetVersion) &&
		     real(cuDriverGetVersion)(&version) == CUDA_SUCCESS &&
		     version < TELLS_SINCE))
			answer = 2;
		atomic_store_explicit(&wanted, answer, memory_order_relaxed);
	}
	return answer == 2;
}

/* --- modules; the lock is held in all of these */

static struct module *module_find(const void *handle)
{
	struct module *module;

	HASH_FIND_PTR(modules, &handle, module);
	return module;
}

static void module_drop(struct module *module)
{
	struct function *function, *next_function;
	struct kernel *kernel, *next_kernel;
	struct module *other, *next_module;

	/* Nothing is the same as an alias, so this drops one module and no other. */
	for (other = modules; other; other = next_module) {
		next_module = other->hh.next;
		if (other->same_as == module)
			module_drop(other);
	}
	for (function = functions; function; function = next_function) {
		next_function = function->hh.next;
		if (function->module != module)
			continue;
		HASH_DEL(functions, function);
		free(function);
	}
	for (kernel = module->kernels; kernel; kernel = next_kernel) {
		next_kernel = kernel->hh.next;
		HASH_DEL(module->kernels, kernel);
		free(kernel);
		kernel_count--;
	}
	HASH_DEL(modules, module);
	free(module);
}

static struct module *module_add(const void *handle, const void *owner)
{
	struct module *module = module_find(handle);

	/* The handle came again, and its end was not seen. */
	if (module)
		module_drop(module);
	module = calloc(1, sizeof(*module));
	if (!module)
		return NULL;
	module->handle = handle;
	module->owner = owner;
	HASH_ADD_PTR(modules, handle, module);
	if (!module->lost)
		return module;
	free(module);
	return NULL;
}

/* --- reading an image */

static const struct param_layout *layout_of_kernel(const struct image_kernel *kernel)
{
	/* Too large for a small stack. */
	static struct param_layout_words params[PARAM_LAYOUT_MOST]; /* guarded by lock */
	size_t count = 0;

	for (size_t i = 0; i < kernel->param_count && i < PARAM_LAYOUT_MOST; i++) {
		params[count] = param_layout_words((uint32_t)i, kernel->params[i].offset,
						   kernel->params[i].bytes);
		count += params[count].count != 0;
	}
	return param_layout_intern(params, count);
}

static void note_kernel(void *context, const struct image_kernel *found)
{
	struct module *module = context;
	const struct param_layout *layout = layout_of_kernel(found);
	struct kernel *kernel;

	HASH_FIND(hh, module->kernels, found->name, found->name_length, kernel);
	if (kernel) {
		/* The same source for another architecture: anything else is not to be
		 * believed. */
		if (kernel->layout != layout)
			kernel->layout = &param_layout_unknown;
		return;
	}
	if (kernel_count == KERNELS_MOST)
		return;
	kernel = calloc(1, sizeof(*kernel) + found->name_length + 1);
	if (!kernel)
		return;
	memcpy(kernel->name, found->name, found->name_length);
	kernel->layout = layout;
	HASH_ADD(hh, module->kernels, name[0], found->name_length, kernel);
	if (kernel->lost)
		free(kernel);
	else
		kernel_count++;
}

static void say_unread_parts(const struct image_sink *sink)
{
	if (sink->unread)
		log_info("%zu parts of a module image could not be read for its kernels' "
			 "parameters",
			 sink->unread);
}

void kernel_registry_loaded(const void *module, const void *image, const void *owner)
{
	struct image_sink sink = {note_kernel, NULL, 0};

	lock_take(&lock);
	sink.context = module_add(module, owner);
	if (sink.context)
		image_read_memory(image, &sink);
	lock_give(&lock);
	say_unread_parts(&sink);
}

void kernel_registry_loaded_file(const void *module, const char *path, const void *owner)
{
	struct image_sink sink = {note_kernel, NULL, 0};

	lock_take(&lock);
	sink.context = module_add(module, owner);
	if (sink.context)
		image_read_file(path, &sink);
	lock_give(&lock);
	say_unread_parts(&sink);
}

void kernel_registry_alias(const void *handle, const void *alias)
{
	struct module *module, *same;

	if (handle == alias)
		return;
	lock_take(&lock);
	module = module_find(handle);
	same = module_find(alias);
	if (module && module->same_as)
		module = module->same_as;
	if (module && !(same && same->same_as == module)) {
		same = module_add(alias, module->owner);
		if (same)
			same->same_as = module;
	}
	lock_give(&lock);
}

/* --- functions */

/* Both with the lock held. */
static void function_drop(const void *handle)
{
	struct function *function;

	HASH_FIND_PTR(functions, &handle, function);
	if (!function)
		return;
	HASH_DEL(functions, function);
	free(function);
}

static void function_add(const void *handle, const struct module *module,
			 const struct param_layout *layout)
{
	struct function *function;

	HASH_FIND_PTR(functions, &handle, function);
	if (!function) {
		function = calloc(1, sizeof(*function));
		if (!function)
			return;
		function->handle = handle;
		HASH_ADD_PTR(functions, handle, function);
		if (function->lost) {
			free(function);
			return;
		}
	}
	function->module = module;
	function->layout = layout;
}

void kernel_registry_got(const void *handle, const char *name, const void *function)
{
	const struct module *module;
	struct kernel *kernel = NULL;

	lock_take(&lock);
	module = module_find(handle);
	if (module) {
		const struct module *whose = module->same_as ? module->same_as : module;

		HASH_FIND(hh, whose->kernels, name, strlen(name), kernel);
		function_add(function, module, kernel ? kernel->layout : &param_layout_unknown);
	} else {
		/* A function that had this handle before is gone. */
		function_drop(function);
	}
	lock_give(&lock);
}

void kernel_registry_got_from(const void *kernel, const void *handle)
{
	struct function *function;

	lock_take(&lock);
	HASH_FIND_PTR(functions, &kernel, function);
	if (function)
		function_add(handle, function->module, function->layout);
	else
		function_drop(handle);
	lock_give(&lock);
}

const struct param_layout *kernel_registry_layout(const void *handle)
{
	const struct param_layout *layout = &param_layout_unknown;
	struct function *function;

	lock_take(&lock);
	HASH_FIND_PTR(functions, &handle, function);
	if (function)
		layout = function->layout;
	lock_give(&lock);
	return layout;
}

/* --- the end of a module */

void kernel_registry_unload(const void *handle)
{
	struct module *module;

	lock_take(&lock);
	module = module_find(handle);
	if (module)
		module_drop(module);
	lock_give(&lock);
}

void kernel_registry_context_ends(const void *owner)
{
	struct module *module;

	if (!owner)
		return;
	lock_take(&lock);
	/* From the start after each: its aliases went with it. */
	do {
		module = modules;
		while (module && module->owner != owner)
			module = module->hh.next;
		if (module)
			module_drop(module);
	} while (module);
	lock_give(&lock);
}

void kernel_registry_fork_prepare(void)
{
	lock_take(&lock);
}

void kernel_registry_fork_done(void)
{
	lock_give(&lock);
}
