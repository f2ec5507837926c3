// A GPU that is none: the calls of NVIDIA's driver, NVRTC and cuDNN that neuron makes, on the memory and the processor
// of the host. With it the tests of tests/cuda.rs run the whole CUDA path but the GPU: every address, length, order of
// arguments and lifetime. It says nothing about what cuDNN supports, about threads on a GPU, or about speed.
//
// scripts/fake-gpu.sh builds it. $FAKE_GPU_COUNT: number of GPUs (1); $FAKE_GPU_BYTES: memory of each (no limit);
// $FAKE_GPU_FUSES=0: cuDNN refuses convolutions with bias and ReLU in one call; $FAKE_GPU_ALGORITHMS=0: it has no
// convolutions at all; $FAKE_GPU_LAZY=1: what is put on
// a stream runs only when something waits for it, not at once, so that a missing wait shows in the results.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

// ---- kernels -------------------------------------------------------------------------------------------------------

#define __global__
#define __device__
#define KERNEL static void
struct Axis {
    unsigned x, y, z;
};
static const Axis blockIdx = {0, 0, 0}, threadIdx = {0, 0, 0}, blockDim = {1, 1, 1}, gridDim = {1, 1, 1};

template <class... P, std::size_t... I>
static std::function<void()> bound(void (*kernel)(P...), void **arguments, std::index_sequence<I...>) {
    return [kernel, values = std::tuple<P...>(*(P *)arguments[I]...)] { std::apply(kernel, values); };
}

// A kernel that will run as one thread, with a copy of arguments as the driver gets them.
template <class... P> static std::function<void()> bound(void (*kernel)(P...), void **arguments) {
    return bound(kernel, arguments, std::index_sequence_for<P...>());
}

typedef std::function<void()> (*Kernel)(void **arguments);
typedef std::map<std::string, Kernel> Kernels;
#define NAMED(name) {#name, [](void **arguments) { return bound(name, arguments); }},

#include "../../src/cuda/prelude.cu"

namespace in_f32 {
#include "../../src/cuda/kernels.cu"
#include "../../../neuron-fvis/src/cuda/kernels.cu"
static const Kernels KERNELS = {
#include "kernel_names.inc"
};
}

#define MAPS_IN_BF16
namespace in_bf16 {
#include "../../src/cuda/kernels.cu"
#include "../../../neuron-fvis/src/cuda/kernels.cu"
static const Kernels KERNELS = {
#include "kernel_names.inc"
};
}

static whole setting(const char *name, whole otherwise) {
    const char *text = getenv(name);
    return text ? atoll(text) : otherwise;
}

// Results: of the driver, then of cuDNN.
enum { OK = 0, OUT_OF_MEMORY = 2, WRONG_DEVICE = 101, WRONG_IMAGE = 200, WRONG_CONTEXT = 201, WRONG_HANDLE = 400,
       NOT_FOUND = 500, NOT_READY = 600, BAD_PARAM = 2000, NOT_SUPPORTED = 3000 };
// Arguments of cuDNN.
const int NHWC = 1, FLOAT = 0, BF16 = 9;

// ---- streams -------------------------------------------------------------------------------------------------------

struct Stream;
struct Context {
    int device;
    whole used;
    std::map<void *, size_t> allocated;
    std::set<Stream *> streams;
};

static const bool LAZY = setting("FAKE_GPU_LAZY", 0);
// Of everything below, and held while queues run.
static std::recursive_mutex guard;
typedef std::lock_guard<std::recursive_mutex> Lock;
static std::map<int, Context> contexts;
static thread_local Context *current = nullptr;
// Memory of the host that the driver gave, and its bytes.
static std::map<const char *, size_t> pinned;

struct Stream {
    Context *context;
    std::deque<std::function<void()>> queue;

    void run_next() {
        auto work = std::move(queue.front());
        queue.pop_front();
        work();
    }
};

// Where in a stream's work an event was recorded.
struct Moment {
    Stream *stream;
    bool reached;
};
struct Event {
    Context *context;
    bool timed;
    // The most recent record; what waits for an earlier one keeps that.
    std::shared_ptr<Moment> last;
};

// Does work when the stream's turn comes, which is at once unless $FAKE_GPU_LAZY.
template <class Work> static void submit(Stream *stream, Work work) {
    if (!LAZY) return work();
    Lock lock(guard);
    stream->queue.emplace_back(std::move(work));
}

// As `submit`, if the stream is of the caller's context.
template <class Work> static int submit_checked(Stream *stream, Work work) {
    return stream->context == current ? (submit(stream, std::move(work)), OK) : WRONG_CONTEXT;
}

static int run(Stream *stream) {
    Lock lock(guard);
    while (!stream->queue.empty()) stream->run_next();
    return OK;
}

// Runs a stream up to a record, and no further. Waits on the way are for records older than they are: no stream comes
// to wait for itself.
static void reach(const Moment &moment) {
    while (!moment.reached) moment.stream->run_next();
}

// Frees memory so that a later use shows, be it only until somebody else has it.
static void discard(void *memory, size_t bytes) {
    memset(memory, 0xff, bytes);
    // Keeps the compiler from leaving that out.
    asm volatile("" : : "r"(memory) : "memory");
    free(memory);
}

static bool is_pinned(const void *memory) {
    Lock lock(guard);
    auto next = pinned.upper_bound((const char *)memory);
    return next != pinned.begin() && (const char *)memory < std::prev(next)->first + std::prev(next)->second;
}

// ---- convolutions ------------------------------------------------------------------------------------------------

struct Shape {
    int a, b, c, d, type;

    size_t len() const { return (size_t)a * b * c * d; }
};
struct Sliding {
    int padding, stride, groups;
    // Whether factors may be rounded to TF32.
    bool tf32;
};

static float widened(uint16_t bits) {
    uint32_t all = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &all, sizeof value);
    return value;
}

// To the nearest, of two to the even one.
static uint16_t rounded(float value) {
    uint32_t all;
    memcpy(&all, &value, sizeof all);
    return value != value ? all >> 16 | 0x40 : (all + 0x7fff + (all >> 16 & 1)) >> 16;
}

// To the 10 bits of mantissa that TF32 has.
static float rounded_to_tf32(float value) {
    uint32_t all;
    memcpy(&all, &value, sizeof all);
    if ((all & 0x7f800000) != 0x7f800000) all = (all + 0xfff + (all >> 13 & 1)) & 0xffffe000;
    memcpy(&value, &all, sizeof all);
    return value;
}

// Values to read as floats: those of a tensor of floats itself, a copy of others and of factors that are rounded.
class Floats {
    std::vector<float> copy;
    const float *values;

  public:
    Floats(const Shape &shape, const void *memory, bool tf32 = false) : values((const float *)memory) {
        if ((shape.type == FLOAT && !tf32) || !memory) return;
        copy.resize(shape.len());
        for (size_t at = 0; at < copy.size(); at++) {
            copy[at] = shape.type == FLOAT ? rounded_to_tf32(values[at]) : widened(((const uint16_t *)memory)[at]);
        }
        values = copy.data();
    }
    operator const float *() const { return values; }
};

// Calls `work(values)` with zeros that it adds to, and stores what they become.
template <class Work> static void write(const Shape &shape, void *memory, Work work) {
    if (shape.type == FLOAT) {
        memset(memory, 0, sizeof(float) * shape.len());
        return work((float *)memory);
    }
    std::vector<float> values(shape.len());
    work(values.data());
    for (size_t at = 0; at < values.size(); at++) ((uint16_t *)memory)[at] = rounded(values[at]);
}

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

extern "C" {
int cuInit(unsigned) { return OK; }
int cuDeviceGetCount(int *count) { return *count = (int)setting("FAKE_GPU_COUNT", 1), OK; }
int cuDeviceGet(int *device, int number) { return *device = number, number < setting("FAKE_GPU_COUNT", 1) ? OK : WRONG_DEVICE; }
int cuDevicePrimaryCtxRetain(Context **context, int device) {
    Lock lock(guard);
    *context = &contexts[device];
    (*context)->device = device;
    return OK;
}
int cuDevicePrimaryCtxRelease_v2(int) { return OK; }
// Of what is asked: compute capability 9.0, and memory pools.
int cuDeviceGetAttribute(int *value, int attribute, int) { return *value = attribute == 75 ? 9 : attribute == 76 ? 0 : 1, OK; }
int cuCtxSetCurrent(Context *context) { return current = context, OK; }
int cuCtxGetCurrent(Context **context) { return *context = current, OK; }
int cuCtxSynchronize() {
    if (!current) return WRONG_CONTEXT;
    Lock lock(guard);
    for (Stream *stream : current->streams) run(stream);
    return OK;
}
int cuDeviceGetDefaultMemPool(void **pool, int) { return *pool = nullptr, OK; }
int cuMemPoolSetAttribute(void *, int, void *) { return OK; }

int cuStreamCreate(Stream **stream, unsigned) {
    if (!current) return WRONG_CONTEXT;
    Lock lock(guard);
    current->streams.insert(*stream = new Stream{current, {}});
    return OK;
}
int cuStreamDestroy_v2(Stream *stream) {
    Lock lock(guard);
    run(stream);
    stream->context->streams.erase(stream);
    return delete stream, OK;
}
int cuStreamSynchronize(Stream *stream) { return run(stream); }
int cuStreamWaitEvent(Stream *stream, Event *event, unsigned) {
    Lock lock(guard);
    if (event->last) submit(stream, [moment = event->last] { reach(*moment); });
    return OK;
}
int cuEventCreate(Event **event, unsigned flags) {
    return current ? (*event = new Event{current, !(flags & 2), nullptr}, OK) : WRONG_CONTEXT;
}
int cuEventRecord(Event *event, Stream *stream) {
    if (event->context != stream->context) return WRONG_HANDLE;
    Lock lock(guard);
    event->last = std::make_shared<Moment>(Moment{stream, false});
    submit(stream, [moment = event->last] { moment->reached = true; });
    return OK;
}
int cuEventSynchronize(Event *event) {
    Lock lock(guard);
    if (event->last) reach(*event->last);
    return OK;
}
int cuEventQuery(Event *event) {
    Lock lock(guard);
    return event->last && !event->last->reached ? NOT_READY : OK;
}
int cuEventElapsedTime_v2(float *milliseconds, Event *start, Event *end) {
    Lock lock(guard);
    if (!start->timed || !end->timed || !start->last || !end->last) return WRONG_HANDLE;
    reach(*start->last);
    reach(*end->last);
    return *milliseconds = 0, OK;
}
int cuEventDestroy_v2(Event *event) { return delete event, OK; }

int cuMemAllocAsync(void **memory, size_t bytes, Stream *stream) {
    Lock lock(guard);
    Context &context = *stream->context;
    if (context.used + (whole)bytes > setting("FAKE_GPU_BYTES", 1LL << 50)) return OUT_OF_MEMORY;
    *memory = malloc(bytes);
    // New memory holds anything, here NaN: what reads before it writes shows.
    memset(*memory, 0xff, bytes);
    context.allocated[*memory] = bytes;
    context.used += bytes;
    return OK;
}
// The next to ask can have memory that will be free by when they use it: it counts as free from here.
int cuMemFreeAsync(void *memory, Stream *stream) {
    Lock lock(guard);
    Context &context = *stream->context;
    auto found = context.allocated.find(memory);
    if (found == context.allocated.end()) abort();
    size_t bytes = found->second;
    context.used -= bytes;
    context.allocated.erase(found);
    submit(stream, [=] { discard(memory, bytes); });
    return OK;
}
int cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
    Lock lock(guard);
    *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(*memory, 0xff, bytes);
    pinned[(const char *)*memory] = bytes;
    return OK;
}
int cuMemFreeHost(void *memory) {
    Lock lock(guard);
    auto found = pinned.find((const char *)memory);
    if (found == pinned.end()) abort();
    discard(memory, found->second);
    pinned.erase(found);
    return OK;
}

static int copy(void *to, const void *from, size_t bytes, Stream *stream) {
    return submit_checked(stream, [=] { memcpy(to, from, bytes); });
}
// The call reads memory that is not pinned before it returns.
int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, Stream *stream) {
    if (!LAZY || is_pinned(from)) return copy(to, from, bytes, stream);
    std::string staged((const char *)from, bytes);
    return submit_checked(stream, [to, staged = std::move(staged)] { memcpy(to, staged.data(), staged.size()); });
}
// The call has written memory that is not pinned when it returns.
int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, Stream *stream) {
    int result = copy(to, from, bytes, stream);
    return result || is_pinned(to) ? result : run(stream);
}
int cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t bytes, Stream *stream) {
    return copy(to, from, bytes, stream);
}

int cuModuleLoadData(const Kernels **module, const char *image) {
    std::string maps = image;
    *module = maps == "f32" ? &in_f32::KERNELS : maps == "bf16" ? &in_bf16::KERNELS : nullptr;
    return *module ? OK : WRONG_IMAGE;
}
int cuModuleUnload(const Kernels *) { return OK; }
int cuModuleGetFunction(const Kernel **function, const Kernels *module, const char *name) {
    auto found = module->find(name);
    return found == module->end() ? NOT_FOUND : (*function = &found->second, OK);
}
int cuLaunchKernel(const Kernel *function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                   Stream *stream, void **arguments, void **) {
    return submit_checked(stream, (*function)(arguments));
}
int cuGetErrorName(int, const char **name) { return *name = "FAKE", OK; }
int cuGetErrorString(int, const char **text) { return *text = "an error of the fake GPU", OK; }

// ---- NVRTC ----------------------------------------------------------------------------------------------------------

// A program is the name of what its maps are stored as.
int nvrtcCreateProgram(std::string **program, const char *, const char *, int, const char *const *,
                       const char *const *) {
    return *program = new std::string("f32"), OK;
}
int nvrtcCompileProgram(std::string *program, int count, const char *const *options) {
    for (int at = 0; at < count; at++) {
        std::string option = options[at];
        if (option == "-DMAPS_IN_BF16" || option == "--define-macro=MAPS_IN_BF16") *program = "bf16";
    }
    return OK;
}
int nvrtcGetPTXSize(std::string *program, size_t *size) { return *size = program->size() + 1, OK; }
int nvrtcGetPTX(std::string *program, char *text) { return memcpy(text, program->c_str(), program->size() + 1), OK; }
int nvrtcDestroyProgram(std::string **program) { return delete *program, OK; }

// ---- cuDNN ----------------------------------------------------------------------------------------------------------

struct Cudnn {
    Context *context;
    Stream *stream;
};

static int set(Shape *shape, int format, Shape value) {
    bool known = format == NHWC && (value.type == FLOAT || value.type == BF16);
    if (!known || value.a < 1 || value.b < 1 || value.c < 1 || value.d < 1) return BAD_PARAM;
    return *shape = value, OK;
}
int cudnnCreate(Cudnn **handle) { return current ? (*handle = new Cudnn{current, nullptr}, OK) : 1001; }
int cudnnDestroy(Cudnn *handle) { return delete handle, OK; }
int cudnnSetStream(Cudnn *handle, Stream *stream) {
    return handle->context == stream->context ? (handle->stream = stream, OK) : BAD_PARAM;
}
int cudnnCreateTensorDescriptor(Shape **shape) { return *shape = new Shape(), OK; }
int cudnnDestroyTensorDescriptor(Shape *shape) { return delete shape, OK; }
int cudnnSetTensor4dDescriptor(Shape *shape, int format, int type, int n, int c, int h, int w) {
    return set(shape, format, {n, c, h, w, type});
}
int cudnnCreateFilterDescriptor(Shape **shape) { return *shape = new Shape(), OK; }
int cudnnDestroyFilterDescriptor(Shape *shape) { return delete shape, OK; }
int cudnnSetFilter4dDescriptor(Shape *shape, int type, int format, int k, int c, int h, int w) {
    return set(shape, format, {k, c, h, w, type});
}
int cudnnCreateConvolutionDescriptor(Sliding **sliding) { return *sliding = new Sliding(), OK; }
int cudnnDestroyConvolutionDescriptor(Sliding *sliding) { return delete sliding, OK; }
int cudnnSetConvolution2dDescriptor(Sliding *sliding, int pad, int, int stride, int, int, int, int mode, int type) {
    if (mode != 1 || type != FLOAT) return BAD_PARAM;
    return *sliding = {pad, stride, 1, false}, OK;
}
int cudnnSetConvolutionMathType(Sliding *sliding, int math) { return sliding->tf32 = math == 1, OK; }
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
    return *count = setting("FAKE_GPU_ALGORITHMS", 3), OK;
}

// Whether the shapes and types belong together.
static bool fits(const Shape *input, const Shape *filter, const Sliding *sliding, const Shape *output) {
    auto positions = [&](int len) { return (len + 2 * sliding->padding - filter->c) / sliding->stride + 1; };
    return input->a == output->a && input->b == filter->b * sliding->groups && filter->a == output->b &&
           input->type == filter->type && output->type == filter->type && filter->c == filter->d &&
           output->c == positions(input->c) && output->d == positions(input->d);
}
int cudnnGetConvolutionForwardAlgorithm_v7(Cudnn *, Shape *x, Shape *w, Sliding *sliding, Shape *y, int asked,
                                           int *count, Candidate *found) {
    return fits(x, w, sliding, y) ? candidates(asked, count, found, 6) : BAD_PARAM;
}
int cudnnGetConvolutionBackwardDataAlgorithm_v7(Cudnn *, Shape *w, Shape *dy, Sliding *sliding, Shape *dx, int asked,
                                                int *count, Candidate *found) {
    return fits(dx, w, sliding, dy) ? candidates(asked, count, found, 4) : BAD_PARAM;
}

// What the calls that compute have in common: they overwrite, by an algorithm that was offered.
static bool accepted(const Cudnn *handle, float alpha, float beta, int algorithm, void *workspace, size_t bytes) {
    return handle->stream && handle->context == current && alpha == 1 && beta == 0 && algorithm != 0 && workspace &&
           bytes >= 1024;
}
static void add_products(const Shape &x, const float *input, const Shape &w, const float *weight,
                         const Sliding &sliding, const Shape &y, float *output) {
    int channels = w.b;
    each_run(x, w, sliding, y, [=](size_t from, size_t at, size_t to) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int c = 0; c < channels; c++) sum += input[from + c] * weight[at + c];
        output[to] += sum;
    });
}
int cudnnConvolutionForward(Cudnn *handle, const float *alpha, Shape *x, const void *input, Shape *w,
                            const void *weight, Sliding *sliding, int algorithm, void *workspace, size_t bytes,
                            const float *beta, Shape *y, void *output) {
    if (!accepted(handle, *alpha, *beta, algorithm, workspace, bytes) || !fits(x, w, sliding, y)) return BAD_PARAM;
    submit(handle->stream, [=, x = *x, w = *w, sliding = *sliding, y = *y] {
        Floats inputs(x, input, sliding.tf32), weights(w, weight, sliding.tf32);
        write(y, output, [&](float *sums) { add_products(x, inputs, w, weights, sliding, y, sums); });
    });
    return OK;
}
int cudnnConvolutionBiasActivationForward(Cudnn *handle, const float *alpha, Shape *x, const void *input, Shape *w,
                                          const void *weight, Sliding *sliding, int algorithm, void *workspace,
                                          size_t bytes, const float *share, Shape *z, const void *residual, Shape *b,
                                          const void *bias, int *, Shape *y, void *output) {
    if (!setting("FAKE_GPU_FUSES", 1)) return NOT_SUPPORTED;
    if (!accepted(handle, *alpha, 0, algorithm, workspace, bytes) || !fits(x, w, sliding, y)) return BAD_PARAM;
    if (memcmp(z, y, sizeof *z) || b->b != y->b || b->type != y->type) return BAD_PARAM;
    if (*share != 0 && residual == output) return BAD_PARAM;
    submit(handle->stream, [=, share = *share, x = *x, w = *w, sliding = *sliding, b = *b, y = *y] {
        Floats inputs(x, input, sliding.tf32), weights(w, weight, sliding.tf32);
        Floats offsets(b, bias), addends(y, share != 0 ? residual : nullptr);
        write(y, output, [&](float *values) {
            add_products(x, inputs, w, weights, sliding, y, values);
            for (size_t at = 0; at < y.len(); at++) {
                float value = values[at] + offsets[at % y.b];
                if (share != 0) value += share * addends[at];
                values[at] = value < 0 ? 0 : value;
            }
        });
    });
    return OK;
}
static void add_products_back(const Shape &w, const float *weight, const Shape &dy, const float *signal,
                              const Sliding &sliding, const Shape &dx, float *output) {
    int channels = w.b;
    // Items are in parallel: no two of them write to one place.
    each_run(dx, w, sliding, dy, [=](size_t to, size_t at, size_t from) {
#pragma omp simd
        for (int c = 0; c < channels; c++) output[to + c] += signal[from] * weight[at + c];
    });
}
int cudnnConvolutionBackwardData(Cudnn *handle, const float *alpha, Shape *w, const void *weight, Shape *dy,
                                 const void *signal, Sliding *sliding, int algorithm, void *workspace, size_t bytes,
                                 const float *beta, Shape *dx, void *output) {
    if (!accepted(handle, *alpha, *beta, algorithm, workspace, bytes) || !fits(dx, w, sliding, dy)) return BAD_PARAM;
    submit(handle->stream, [=, w = *w, dy = *dy, sliding = *sliding, dx = *dx] {
        Floats weights(w, weight, sliding.tf32), signals(dy, signal, sliding.tf32);
        write(dx, output, [&](float *sums) { add_products_back(w, weights, dy, signals, sliding, dx, sums); });
    });
    return OK;
}
}
