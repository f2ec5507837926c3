// A GPU that is none: the calls of NVIDIA's driver, NVRTC and cuDNN that neuron makes, on the memory and the processor
// of the host. With it the tests of tests/cuda.rs run the whole CUDA path but the GPU: every address, length, order of
// arguments and lifetime. It says nothing about what cuDNN supports, about threads on a GPU, or about speed.
//
// scripts/fake-gpu.sh builds it. $FAKE_GPU_COUNT: number of GPUs (1); $FAKE_GPU_BYTES: memory of each (no limit);
// $FAKE_GPU_FUSES=0: cuDNN refuses convolutions with bias and ReLU in one call.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#define __global__
#define __device__
struct Axis {
    unsigned x, y, z;
};
static const Axis blockIdx = {0, 0, 0}, threadIdx = {0, 0, 0}, blockDim = {1, 1, 1}, gridDim = {1, 1, 1};
#include "../../src/cuda/kernels.cu"

template <class... P, std::size_t... I>
static void call(void (*kernel)(whole, P...), void **arguments, std::index_sequence<I...>) {
    kernel(*(whole *)arguments[0], *(P *)arguments[I + 1]...);
}

// Runs a kernel as one thread, with arguments as the driver gets them.
template <class... P> static void call(void (*kernel)(whole, P...), void **arguments) {
    call(kernel, arguments, std::make_index_sequence<sizeof...(P)>());
}

typedef void (*Launch)(void **);
static const std::map<std::string, Launch> KERNELS = {
#define NAMED(name) {#name, [](void **arguments) { call(name, arguments); }},
#include "kernel_names.inc"
};

static whole setting(const char *name, whole otherwise) {
    const char *text = getenv(name);
    return text ? atoll(text) : otherwise;
}

// Results: of the driver, then of cuDNN.
enum { OK = 0, OUT_OF_MEMORY = 2, WRONG_DEVICE = 101, WRONG_CONTEXT = 201, NOT_FOUND = 500,
       BAD_PARAM = 2000, NOT_SUPPORTED = 3000 };
// Arguments of cuDNN.
const int NHWC = 1, FLOAT = 0;

// ---- convolutions ------------------------------------------------------------------------------------------------

struct Shape {
    int a, b, c, d;
};
struct Sliding {
    int padding, stride, groups;
};

// Calls `work(input, weight, output)` with the offsets of every run of channels that are multiplied: `filter.b` neighbouring
// ones of the input and of the weight, and one of the output.
template <class Work>
static void each_run(const Shape &input, const Shape &filter, const Sliding &sliding, const Shape &output, Work work) {
    int group_out = filter.a / sliding.groups;
#pragma omp parallel for
    for (int item = 0; item < output.a; item++)
        for (int y = 0; y < output.c; y++)
            for (int x = 0; x < output.d; x++)
                for (int out = 0; out < output.b; out++)
                    for (int r = 0; r < filter.c; r++)
                        for (int s = 0; s < filter.d; s++) {
                            int row = y * sliding.stride + r - sliding.padding, column = x * sliding.stride + s - sliding.padding;
                            if (row < 0 || row >= input.c || column < 0 || column >= input.d) continue;
                            size_t from = (((size_t)item * input.c + row) * input.d + column) * input.b + out / group_out * filter.b;
                            size_t weight = (((size_t)out * filter.c + r) * filter.d + s) * filter.b;
                            size_t to = (((size_t)item * output.c + y) * output.d + x) * output.b + out;
                            work(from, weight, to);
                        }
}

// ---- the driver -----------------------------------------------------------------------------------------------------


struct Context {
    int device;
    whole used;
    std::map<void *, size_t> allocated;
};
static std::mutex guard;
static std::map<int, Context> contexts;
static thread_local Context *current = nullptr;

struct Stream {
    Context *context;
};

extern "C" {
int cuInit(unsigned) { return OK; }
int cuDeviceGetCount(int *count) { return *count = (int)setting("FAKE_GPU_COUNT", 1), OK; }
int cuDeviceGet(int *device, int number) { return *device = number, number < setting("FAKE_GPU_COUNT", 1) ? OK : WRONG_DEVICE; }
int cuDevicePrimaryCtxRetain(Context **context, int device) {
    std::lock_guard<std::mutex> lock(guard);
    *context = &contexts[device];
    (*context)->device = device;
    return OK;
}
int cuDevicePrimaryCtxRelease_v2(int) { return OK; }
// Of what is asked: compute capability 9.0, and memory pools.
int cuDeviceGetAttribute(int *value, int attribute, int) { return *value = attribute == 75 ? 9 : attribute == 76 ? 0 : 1, OK; }
int cuCtxSetCurrent(Context *context) { return current = context, OK; }
int cuCtxGetCurrent(Context **context) { return *context = current, OK; }
int cuCtxSynchronize() { return OK; }
int cuDeviceGetDefaultMemPool(void **pool, int) { return *pool = nullptr, OK; }
int cuMemPoolSetAttribute(void *, int, void *) { return OK; }
int cuStreamCreate(Stream **stream, unsigned) { return current ? (*stream = new Stream{current}, OK) : WRONG_CONTEXT; }
int cuStreamDestroy_v2(Stream *stream) { return delete stream, OK; }
int cuStreamSynchronize(Stream *) { return OK; }
int cuStreamWaitEvent(Stream *, void *, unsigned) { return OK; }
int cuEventCreate(void **event, unsigned) { return *event = malloc(1), OK; }
int cuEventRecord(void *, Stream *) { return OK; }
int cuEventSynchronize(void *) { return OK; }
int cuEventDestroy_v2(void *event) { return free(event), OK; }

int cuMemAllocAsync(void **memory, size_t bytes, Stream *stream) {
    std::lock_guard<std::mutex> lock(guard);
    Context &context = *stream->context;
    if (context.used + (whole)bytes > setting("FAKE_GPU_BYTES", 1LL << 50)) return OUT_OF_MEMORY;
    *memory = malloc(bytes);
    // New memory holds anything, here NaN: what reads before it writes shows.
    memset(*memory, 0xff, bytes);
    context.allocated[*memory] = bytes;
    context.used += bytes;
    return OK;
}
int cuMemFreeAsync(void *memory, Stream *stream) {
    std::lock_guard<std::mutex> lock(guard);
    Context &context = *stream->context;
    auto found = context.allocated.find(memory);
    if (found == context.allocated.end()) abort();
    context.used -= found->second;
    context.allocated.erase(found);
    return free(memory), OK;
}
int cuMemHostAlloc(void **memory, size_t bytes, unsigned) { return *memory = aligned_alloc(64, (bytes + 63) / 64 * 64), OK; }
int cuMemFreeHost(void *memory) { return free(memory), OK; }

static int copy(void *to, const void *from, size_t bytes, Stream *stream) {
    return stream->context == current ? (memcpy(to, from, bytes), OK) : WRONG_CONTEXT;
}
int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, Stream *stream) { return copy(to, from, bytes, stream); }
int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, Stream *stream) { return copy(to, from, bytes, stream); }
int cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t bytes, Stream *stream) { return copy(to, from, bytes, stream); }

int cuModuleLoadData(void **module, const void *) { return *module = malloc(1), OK; }
int cuModuleUnload(void *module) { return free(module), OK; }
int cuModuleGetFunction(const Launch **function, void *, const char *name) {
    auto found = KERNELS.find(name);
    return found == KERNELS.end() ? NOT_FOUND : (*function = &found->second, OK);
}
int cuLaunchKernel(const Launch *function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                   Stream *stream, void **arguments, void **) {
    return stream->context == current ? ((*function)(arguments), OK) : WRONG_CONTEXT;
}
int cuGetErrorName(int, const char **name) { return *name = "FAKE", OK; }
int cuGetErrorString(int, const char **text) { return *text = "an error of the fake GPU", OK; }

// ---- NVRTC ----------------------------------------------------------------------------------------------------------

int nvrtcCreateProgram(void **program, const char *, const char *, int, const char *const *, const char *const *) {
    return *program = malloc(1), OK;
}
int nvrtcCompileProgram(void *, int, const char *const *) { return OK; }
int nvrtcGetPTXSize(void *, size_t *size) { return *size = 1, OK; }
int nvrtcGetPTX(void *, char *text) { return *text = 0, OK; }
int nvrtcDestroyProgram(void **program) { return free(*program), OK; }

// ---- cuDNN ----------------------------------------------------------------------------------------------------------

static int set(Shape *shape, int format, int type, Shape value) {
    if (format != NHWC || type != FLOAT || value.a < 1 || value.b < 1 || value.c < 1 || value.d < 1) return BAD_PARAM;
    return *shape = value, OK;
}
int cudnnCreate(Context **handle) { return current ? (*handle = current, OK) : 1001; }
int cudnnDestroy(Context *) { return OK; }
int cudnnSetStream(Context *handle, Stream *stream) { return handle == stream->context ? OK : BAD_PARAM; }
int cudnnCreateTensorDescriptor(Shape **shape) { return *shape = new Shape(), OK; }
int cudnnDestroyTensorDescriptor(Shape *shape) { return delete shape, OK; }
int cudnnSetTensor4dDescriptor(Shape *shape, int format, int type, int n, int c, int h, int w) {
    return set(shape, format, type, {n, c, h, w});
}
int cudnnCreateFilterDescriptor(Shape **shape) { return *shape = new Shape(), OK; }
int cudnnDestroyFilterDescriptor(Shape *shape) { return delete shape, OK; }
int cudnnSetFilter4dDescriptor(Shape *shape, int type, int format, int k, int c, int h, int w) {
    return set(shape, format, type, {k, c, h, w});
}
int cudnnCreateConvolutionDescriptor(Sliding **sliding) { return *sliding = new Sliding(), OK; }
int cudnnDestroyConvolutionDescriptor(Sliding *sliding) { return delete sliding, OK; }
int cudnnSetConvolution2dDescriptor(Sliding *sliding, int pad, int, int stride, int, int, int, int mode, int type) {
    if (mode != 1 || type != FLOAT) return BAD_PARAM;
    return *sliding = {pad, stride, 1}, OK;
}
int cudnnSetConvolutionMathType(Sliding *, int) { return OK; }
int cudnnSetConvolutionGroupCount(Sliding *sliding, int groups) { return sliding->groups = groups, OK; }
int cudnnCreateActivationDescriptor(int **activation) { return *activation = new int(), OK; }
int cudnnDestroyActivationDescriptor(int *activation) { return delete activation, OK; }
int cudnnSetActivationDescriptor(int *, int mode, int nan, double) { return mode == 1 && nan == 1 ? OK : BAD_PARAM; }

struct Candidate {
    int algorithm, status;
    float time;
    size_t memory;
    int determinism, math, reserved[3];
};

// A fast algorithm that is not deterministic, one by Winograd and one by sums.
static int candidates(int asked, int *count, Candidate *found, int winograd) {
    if (asked < 3) return BAD_PARAM;
    found[0] = {0, OK, 0.1f, 0, 0, 3, {}};
    found[1] = {winograd, OK, 0.2f, 1 << 20, 1, 3, {}};
    found[2] = {1, OK, 0.3f, 1 << 10, 1, 3, {}};
    return *count = 3, OK;
}

// Whether the shapes belong together.
static bool fits(const Shape *input, const Shape *filter, const Sliding *sliding, const Shape *output) {
    auto positions = [&](int len) { return (len + 2 * sliding->padding - filter->c) / sliding->stride + 1; };
    return input->a == output->a && input->b == filter->b * sliding->groups && filter->a == output->b &&
           filter->c == filter->d && output->c == positions(input->c) && output->d == positions(input->d);
}
int cudnnGetConvolutionForwardAlgorithm_v7(Context *, Shape *x, Shape *w, Sliding *sliding, Shape *y, int asked, int *count,
                                           Candidate *found) {
    return fits(x, w, sliding, y) ? candidates(asked, count, found, 6) : BAD_PARAM;
}
int cudnnGetConvolutionBackwardDataAlgorithm_v7(Context *, Shape *w, Shape *dy, Sliding *sliding, Shape *dx, int asked,
                                                int *count, Candidate *found) {
    return fits(dx, w, sliding, dy) ? candidates(asked, count, found, 4) : BAD_PARAM;
}

int cudnnConvolutionForward(Context *handle, const float *alpha, Shape *x, const float *input, Shape *w, const float *weight,
                            Sliding *sliding, int algorithm, void *workspace, size_t bytes, const float *beta, Shape *y,
                            float *output) {
    if (handle != current || *alpha != 1 || *beta != 0 || algorithm == 0 || !workspace || bytes < 1024) return BAD_PARAM;
    memset(output, 0, sizeof(float) * y->a * y->b * y->c * y->d);
    int channels = w->b;
    each_run(*x, *w, *sliding, *y, [=](size_t from, size_t at, size_t to) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int c = 0; c < channels; c++) sum += input[from + c] * weight[at + c];
        output[to] += sum;
    });
    return OK;
}
int cudnnConvolutionBiasActivationForward(Context *handle, const float *alpha, Shape *x, const float *input, Shape *w,
                                          const float *weight, Sliding *sliding, int algorithm, void *workspace,
                                          size_t bytes, const float *share, Shape *z, const float *residual, Shape *b,
                                          const float *bias, int *, Shape *y, float *output) {
    if (!setting("FAKE_GPU_FUSES", 1)) return NOT_SUPPORTED;
    if (memcmp(z, y, sizeof *z) || b->b != y->b || (*share != 0 && residual == output)) return BAD_PARAM;
    float zero = 0;
    int done = cudnnConvolutionForward(handle, alpha, x, input, w, weight, sliding, algorithm, workspace, bytes, &zero, y, output);
    for (size_t at = 0; !done && at < (size_t)y->a * y->b * y->c * y->d; at++) {
        float value = output[at] + bias[at % y->b];
        if (*share != 0) value += *share * residual[at];
        output[at] = value < 0 ? 0 : value;
    }
    return done;
}
int cudnnConvolutionBackwardData(Context *handle, const float *alpha, Shape *w, const float *weight, Shape *dy,
                                 const float *signal, Sliding *sliding, int algorithm, void *workspace, size_t bytes,
                                 const float *beta, Shape *dx, float *output) {
    if (handle != current || *alpha != 1 || *beta != 0 || algorithm == 0 || !workspace || bytes < 1024) return BAD_PARAM;
    memset(output, 0, sizeof(float) * dx->a * dx->b * dx->c * dx->d);
    int channels = w->b;
    // Items are in parallel: no two of them write to one place.
    each_run(*dx, *w, *sliding, *dy, [=](size_t to, size_t at, size_t from) {
#pragma omp simd
        for (int c = 0; c < channels; c++) output[to + c] += signal[from] * weight[at + c];
    });
    return OK;
}
}
