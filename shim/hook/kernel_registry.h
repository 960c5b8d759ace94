/*
 * The kernels of the program's modules and libraries, for drivers that do not tell how their
 * parameters lie: read from the images as they are loaded, found by the handles the program
 * gets. Nothing is kept for drivers that tell (CUDA 12.4 and newer).
 *
 * Modules and libraries, functions and kernels are handles of the driver's; here only their
 * values count. Any thread; one lock of its own.
 */
#ifndef LOWTIDE_KERNEL_REGISTRY_H
#define LOWTIDE_KERNEL_REGISTRY_H

#include "hook/param_layout.h"

/* Does the driver not tell how parameters lie, so that images have to be read? */
bool kernel_registry_wanted(void);

/* A module or library was loaded, from memory (its length unknown) or from a file. It ends with
 * `owner`, a context; NULL: with none. */
void kernel_registry_loaded(const void *module, const void *image, const void *owner);
void kernel_registry_loaded_file(const void *module, const char *path, const void *owner);
/* `alias` is another handle of the same kernels. */
void kernel_registry_alias(const void *module, const void *alias);
/* The program got `function` by its name. */
void kernel_registry_got(const void *module, const char *name, const void *function);
/* `function` is the handle of `kernel` in some context. */
void kernel_registry_got_from(const void *kernel, const void *function);

/* Called before the driver's own call: as soon as the handles have gone, others may get them.
 */
void kernel_registry_unload(const void *module);
void kernel_registry_context_ends(const void *owner);

/* param_layout_unknown if no image told. */
const struct param_layout *kernel_registry_layout(const void *function);

void kernel_registry_fork_prepare(void);
void kernel_registry_fork_done(void);

#endif
