#include "real.h"

#include <dlfcn.h>

struct real real;

void real_find(void)
{
#define FIND(name) real.name = __extension__(__typeof__(&name)) dlsym(RTLD_NEXT, #name);
	REAL_FUNCTIONS(FIND)
#undef FIND
}
