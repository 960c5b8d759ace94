/*
 * Kernels with every kind of parameter list. The other files here are what nvcc 13.0 makes of
 * this one (tests/golden/images/make says how); tests/unit/image_layouts.c knows what they hold.
 */
struct operands {
	float *y;
	const float *x;
	int n;
};

#pragma pack(push, 1)
struct packed {
	int n;
	float *y;
};
#pragma pack(pop)

struct wide {
	unsigned long pad[600];
	float *y;
};

struct alignas(64) descriptor {
	unsigned long word[16];
};

extern "C" __global__ void none()
{
}

extern "C" __global__ void scale(float *y, const float *x, unsigned long n)
{
	unsigned long i = threadIdx.x;

	if (i < n)
		y[i] = 2 * x[i];
}

extern "C" __global__ void by_value(operands o, char c, double d)
{
	if (o.n)
		o.y[c] = o.x[0] + d;
}

extern "C" __global__ void packed_struct(char c, packed p)
{
	p.y[c] = p.n;
}

extern "C" __global__ void past_4k(wide w, float *x)
{
	w.y[0] = *x + w.pad[3];
}

extern "C" __global__ void described(int n, const __grid_constant__ descriptor map, float *y)
{
	y[n] = map.word[n & 15];
}

template <typename T> __global__ void typed(T *y, T v)
{
	*y = v;
}
template __global__ void typed<double>(double *, double);
