/* Kernels for the simulator's own tests. Built as a shared image, not as a test. */
#include "../sim/sim_kernel.h"

KERNEL3(fill, unsigned int *, out, unsigned int, value, unsigned long, n)
{
	FOR_EACH (i, n) {
		TOUCH_WRITE(&out[i], sizeof(*out));
		out[i] = value + (unsigned int)i;
	}
}

KERNEL3(increment, unsigned int *, out, unsigned int, by, unsigned long, n)
{
	TOUCH_WRITE(out, n * sizeof(*out));
	FOR_EACH (i, n)
		out[i] += by;
}

KERNEL2(peek, const unsigned int *, in, unsigned int *, out)
{
	TOUCH_READ(in, sizeof(*in));
	TOUCH_WRITE(out, sizeof(*out));
	*out = *in;
}

/* Reads without declaring it: the fault comes from the mapping, not from the checker. */
KERNEL2(peek_undeclared, const unsigned int *, in, unsigned int *, out)
{
	(void)sim_self;
	*out = *(const volatile unsigned int *)in;
}

KERNEL1(spin, double, ns)
{
	COMPUTE_NS(ns);
}

KERNEL4(mixed, unsigned char, a, double, b, unsigned short, c, double *, out)
{
	TOUCH_WRITE(out, 3 * sizeof(*out));
	out[0] = a;
	out[1] = b;
	out[2] = c;
}

KERNEL_IMAGE(KERNEL_ROW(fill), KERNEL_ROW(increment), KERNEL_ROW(peek),
	     KERNEL_ROW(peek_undeclared), KERNEL_ROW(spin), KERNEL_ROW(mixed))
