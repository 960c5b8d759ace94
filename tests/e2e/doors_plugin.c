/* A plugin that brings the driver with it and is opened with RTLD_DEEPBIND. */
#include <cuda.h>

void *plugin_alloc(void);
void *plugin_alloc(void)
{
	return __extension__(void *) cuMemAlloc;
}
