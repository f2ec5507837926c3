// What every source of kernels begins with.
//
// The first argument of a kernel is how many values it writes, one for each turn of its loop. Behind a pointer it says
// how many values it touches there, by which the host checks every call: OF(length), or MAYBE(length) where there may be
// none. A quotient is rounded up: a loop of `count` values over items of `len` touches `count / len` items.

typedef long long whole;

#define FOR_EACH(at, count)                                                                      \
    for (whole at = (whole)blockIdx.x * blockDim.x + threadIdx.x; at < (count);                  \
         at += (whole)gridDim.x * blockDim.x)

#ifndef KERNEL
#define KERNEL extern "C" __global__ void
#endif

#define OF(length)
#define MAYBE(length)

static __device__ bool is_nan(float value) { return value != value; }

static __device__ unsigned bits_of(float value) {
    union {
        float value;
        unsigned bits;
    } same = {value};
    return same.bits;
}

static __device__ whole least(whole a, whole b) { return a < b ? a : b; }
static __device__ whole most(whole a, whole b) { return a > b ? a : b; }
