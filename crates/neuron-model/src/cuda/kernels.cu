// What the GPU computes beside convolutions. Maps are channels-last [batch, height, width, channels] of f32.
//
// Every kernel's first argument is how many values it writes, one for each turn of its loop. Each value is one chain
// of operations in the order in which the CPU engine (src/cpu) computes it: with contraction off, the bits agree.

typedef long long whole;

#define FOR_EACH(at, count)                                                                      \
    for (whole at = (whole)blockIdx.x * blockDim.x + threadIdx.x; at < (count);                  \
         at += (whole)gridDim.x * blockDim.x)

#define KERNEL extern "C" __global__ void

static __device__ bool is_nan(float value) { return value != value; }

// max(value, 0) that lets NaN through.
static __device__ float rectified(float value) { return value < 0.0f ? 0.0f : value; }

// Adding 0 makes a negative zero positive.
static __device__ float magnitude(float value) { return value < 0.0f ? -value : value + 0.0f; }

// A remainder in 32 bits where that is enough: several times faster, and most launches are that small.
static __device__ whole remainder_of(whole at, whole count, whole divisor) {
    return count <= 0xffffffffLL ? (whole)((unsigned)at % (unsigned)divisor) : at % divisor;
}

// An index in [batch, height, width, channels].
struct Place {
    whole item, y, x, channel;
};

static __device__ Place place_of(whole at, whole height, whole width, whole channels) {
    Place place;
    place.channel = at % channels;
    at /= channels;
    place.x = at % width;
    at /= width;
    place.y = at % height;
    place.item = at / height;
    return place;
}

static __device__ whole least(whole a, whole b) { return a < b ? a : b; }
static __device__ whole most(whole a, whole b) { return a > b ? a : b; }

// The windows of an axis that hold position `at`: from the first ..
static __device__ whole first_window(whole at, whole kernel, whole stride, whole padding) {
    whole past = at + padding + 1 - kernel;
    return past > 0 ? (past + stride - 1) / stride : 0;
}

// .. to before the last.
static __device__ whole end_window(whole at, whole stride, whole padding, whole positions) {
    return least((at + padding) / stride + 1, positions);
}

// values = relu?(values + bias? + residual?)
KERNEL bias_activation(whole count, float *values, const float *bias, const float *residual, whole channels, whole relu) {
    FOR_EACH(at, count) {
        float value = values[at];
        if (bias) value += bias[remainder_of(at, count, channels)];
        if (residual) value += residual[at];
        values[at] = relu ? rectified(value) : value;
    }
}

// output = relu?(input * scale + shift) by channel
KERNEL scale_shift(whole count, const float *input, const float *scale, const float *shift, float *output, whole channels,
                   whole relu) {
    FOR_EACH(at, count) {
        whole channel = remainder_of(at, count, channels);
        float value = input[at] * scale[channel] + shift[channel];
        output[at] = relu ? rectified(value) : value;
    }
}

// output = relu(input)
KERNEL relu(whole count, const float *input, float *output) {
    FOR_EACH(at, count) output[at] = rectified(input[at]);
}

// output = relu?(left + right)
KERNEL add(whole count, const float *left, const float *right, float *output, whole relu) {
    FOR_EACH(at, count) {
        float value = left[at] + right[at];
        output[at] = relu ? rectified(value) : value;
    }
}

// values += factor * term
KERNEL accumulate(whole count, float *values, const float *term, float factor) {
    FOR_EACH(at, count) values[at] += factor * term[at];
}

// values *= scale, by channel
KERNEL scale_by_channel(whole count, float *values, const float *scale, whole channels) {
    FOR_EACH(at, count) values[at] *= scale[remainder_of(at, count, channels)];
}

// divisor = numerator / (divisor + eps)
KERNEL quotient(whole count, float *divisor, const float *numerator, float eps) {
    FOR_EACH(at, count) divisor[at] = numerator[at] / (divisor[at] + eps);
}

KERNEL fill(whole count, float *values, float value) {
    FOR_EACH(at, count) values[at] = value;
}

// The same three channels everywhere.
KERNEL fill_pixels(whole count, float *values, float red, float green, float blue) {
    FOR_EACH(at, count) {
        whole channel = remainder_of(at, count, 3);
        values[at] = channel == 0 ? red : channel == 1 ? green : blue;
    }
}

// values = gate(values + addend?); the gates are those of cpu::Gate: 0 open, 1 ReLU, 2 guided ReLU, 3 product.
KERNEL gate(whole count, float *values, const float *addend, const float *other, whole kind) {
    FOR_EACH(at, count) {
        float value = values[at];
        if (addend) value += addend[at];
        if (kind == 1) value = other[at] > 0.0f ? value : 0.0f;
        if (kind == 2) value = other[at] > 0.0f ? rectified(value) : 0.0f;
        if (kind == 3) value *= other[at];
        values[at] = value;
    }
}

// Divides a signal between two terms in proportion to their magnitudes, evenly where both are 0.
KERNEL split_by_magnitude(whole count, const float *main_term, const float *shortcut, float *signal, float *rest) {
    FOR_EACH(at, count) {
        float sum = magnitude(main_term[at]) + magnitude(shortcut[at]);
        float share = sum == 0.0f ? 0.5f : magnitude(main_term[at]) / sum;
        rest[at] = (1.0f - share) * signal[at];
        signal[at] *= share;
    }
}

// The greatest value of every window, the first one of NaNs if there are any; `argmax`, if wanted, is where in the
// window it is first reached. `height` and `width` are the input's, `rows` and `columns` the output's.
KERNEL max_pool(whole count, const float *input, float *output, unsigned char *argmax, whole height, whole width,
                whole channels, whole rows, whole columns, whole kernel, whole stride, whole padding) {
    FOR_EACH(at, count) {
        Place place = place_of(at, rows, columns, channels);
        whole top = place.y * stride - padding, left = place.x * stride - padding;
        bool any = false;
        float best = 0.0f;
        whole winner = 0;
        for (whole y = most(top, 0); y < least(top + kernel, height); y++) {
            for (whole x = most(left, 0); x < least(left + kernel, width); x++) {
                float value = input[((place.item * height + y) * width + x) * channels + place.channel];
                if (!any || value > best || (is_nan(value) && !is_nan(best))) {
                    best = value;
                    winner = (y - top) * kernel + (x - left);
                }
                any = true;
            }
        }
        output[at] = best;
        if (argmax) argmax[at] = (unsigned char)winner;
    }
}

// Each value is the sum over the windows that it won, in their order.
KERNEL max_pool_backward(whole count, const float *gradient, const unsigned char *argmax, float *output, whole height,
                         whole width, whole channels, whole rows, whole columns, whole kernel, whole stride,
                         whole padding) {
    FOR_EACH(at, count) {
        Place place = place_of(at, height, width, channels);
        float sum = 0.0f;
        for (whole y = first_window(place.y, kernel, stride, padding);
             y < end_window(place.y, stride, padding, rows); y++) {
            for (whole x = first_window(place.x, kernel, stride, padding);
                 x < end_window(place.x, stride, padding, columns); x++) {
                whole own = (place.y + padding - y * stride) * kernel + (place.x + padding - x * stride);
                whole window = ((place.item * rows + y) * columns + x) * channels + place.channel;
                sum += argmax[window] == own ? gradient[window] : 0.0f;
            }
        }
        output[at] = sum;
    }
}

// The mean of every window, without padding; one that hangs over the border averages what it holds.
KERNEL average_pool(whole count, const float *input, float *output, whole height, whole width, whole channels, whole rows,
                    whole columns, whole kernel, whole stride) {
    FOR_EACH(at, count) {
        Place place = place_of(at, rows, columns, channels);
        whole top = place.y * stride, left = place.x * stride;
        whole bottom = least(top + kernel, height), right = least(left + kernel, width);
        float sum = 0.0f;
        for (whole y = top; y < bottom; y++) {
            for (whole x = left; x < right; x++) {
                sum += input[((place.item * height + y) * width + x) * channels + place.channel];
            }
        }
        output[at] = sum / (float)((bottom - top) * (right - left));
    }
}

KERNEL average_pool_backward(whole count, const float *gradient, float *output, whole height, whole width, whole channels,
                             whole rows, whole columns, whole kernel, whole stride) {
    FOR_EACH(at, count) {
        Place place = place_of(at, height, width, channels);
        float sum = 0.0f;
        for (whole y = first_window(place.y, kernel, stride, 0); y < end_window(place.y, stride, 0, rows); y++) {
            for (whole x = first_window(place.x, kernel, stride, 0); x < end_window(place.x, stride, 0, columns); x++) {
                whole lines = least(y * stride + kernel, height) - y * stride;
                whole places = least(x * stride + kernel, width) - x * stride;
                whole window = ((place.item * rows + y) * columns + x) * channels + place.channel;
                sum += gradient[window] / (float)(lines * places);
            }
        }
        output[at] = sum;
    }
}

// The transpose of a mean over all positions: [batch, 1, 1, channels] to [batch, positions, channels].
KERNEL spread_mean(whole count, const float *signal, float *output, whole positions, whole channels) {
    float share = 1.0f / (float)positions;
    FOR_EACH(at, count) {
        output[at] = signal[at / (positions * channels) * channels + remainder_of(at, count, channels)] * share;
    }
}

// The greatest value of every map and where it is first reached; NaN, at its first place, if there is one.
KERNEL reduce_max(whole count, const float *input, float *scores, unsigned *firsts, whole positions, whole channels) {
    FOR_EACH(at, count) {
        const float *values = input + at / channels * positions * channels + at % channels;
        float best = values[0];
        unsigned first = 0;
        for (whole position = 1; position < positions; position++) {
            float value = values[position * channels];
            if (value > best || (is_nan(value) && !is_nan(best))) {
                best = value;
                first = (unsigned)position;
            }
        }
        scores[at] = best;
        firsts[at] = first;
    }
}

// The mean of every map, accumulated in double in the order of the positions.
KERNEL reduce_mean(whole count, const float *input, float *scores, whole positions, whole channels) {
    FOR_EACH(at, count) {
        const float *values = input + at / channels * positions * channels + at % channels;
        double sum = 0.0;
        for (whole position = 0; position < positions; position++) sum += (double)values[position * channels];
        scores[at] = (float)(sum / (double)positions);
    }
}
