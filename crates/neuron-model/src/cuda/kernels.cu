// What the GPU computes beside convolutions. Maps are channels-last [batch, height, width, channels].
//
// Each value is one chain of operations in the order in which the CPU computes it: with contraction off, the bits agree.
// What `KERNEL`, `OF` and the like mean is said in prelude.cu.
//
// The source is compiled once for maps of f32, and with MAPS_IN_BF16 once more for passes that store them in 16 bits.

// What the values of maps and biases are stored as. They are computed with in f32.
#ifdef MAPS_IN_BF16
struct Map {
    unsigned short bits;

    __device__ operator float() const {
        union {
            unsigned bits;
            float value;
        } same = {(unsigned)bits << 16};
        return same.value;
    }
    // To the nearest, of two to the even one.
    __device__ Map &operator=(float value) {
        unsigned all = bits_of(value);
        bits = (unsigned short)((is_nan(value) ? all | 0x400000 : all + 0x7fff + (all >> 16 & 1)) >> 16);
        return *this;
    }
};
#else
typedef float Map;
#endif

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
KERNEL bias_activation(whole count, Map *values OF(count), const Map *bias MAYBE(channels),
                       const Map *residual MAYBE(count), whole channels, whole relu) {
    FOR_EACH(at, count) {
        float value = values[at];
        if (bias) value += bias[remainder_of(at, count, channels)];
        if (residual) value += residual[at];
        values[at] = relu ? rectified(value) : value;
    }
}

// output = relu?(input * scale + shift) by channel
KERNEL scale_shift(whole count, const Map *input OF(count), const float *scale OF(channels),
                   const float *shift OF(channels), Map *output OF(count), whole channels, whole relu) {
    FOR_EACH(at, count) {
        whole channel = remainder_of(at, count, channels);
        float value = (float)input[at] * scale[channel] + shift[channel];
        output[at] = relu ? rectified(value) : value;
    }
}

// output = relu(input)
KERNEL relu(whole count, const Map *input OF(count), Map *output OF(count)) {
    FOR_EACH(at, count) output[at] = rectified(input[at]);
}

// output = relu?(left + right)
KERNEL add(whole count, const Map *left OF(count), const Map *right OF(count), Map *output OF(count), whole relu) {
    FOR_EACH(at, count) {
        float value = (float)left[at] + (float)right[at];
        output[at] = relu ? rectified(value) : value;
    }
}

// values += factor * term
KERNEL accumulate(whole count, float *values OF(count), const float *term OF(count), float factor) {
    FOR_EACH(at, count) values[at] += factor * term[at];
}

// values *= scale, by channel
KERNEL scale_by_channel(whole count, float *values OF(count), const float *scale OF(channels), whole channels) {
    FOR_EACH(at, count) values[at] *= scale[remainder_of(at, count, channels)];
}

// divisor = numerator / (divisor + eps)
KERNEL quotient(whole count, float *divisor OF(count), const float *numerator OF(count), float eps) {
    FOR_EACH(at, count) divisor[at] = numerator[at] / (divisor[at] + eps);
}

KERNEL fill(whole count, float *values OF(count), float value) {
    FOR_EACH(at, count) values[at] = value;
}

// The same three channels everywhere.
KERNEL fill_pixels(whole count, float *values OF(count), float red, float green, float blue) {
    FOR_EACH(at, count) {
        whole channel = remainder_of(at, count, 3);
        values[at] = channel == 0 ? red : channel == 1 ? green : blue;
    }
}

// values = gate(values + addend?); the gates are those of cpu::Gate: 0 open, 1 ReLU, 2 guided ReLU, 3 product.
KERNEL gate(whole count, float *values OF(count), const float *addend MAYBE(count), const float *other OF(count),
            whole kind) {
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
KERNEL split_by_magnitude(whole count, const float *main_term OF(count), const float *shortcut OF(count),
                          float *signal OF(count), float *rest OF(count)) {
    FOR_EACH(at, count) {
        float sum = magnitude(main_term[at]) + magnitude(shortcut[at]);
        float share = sum == 0.0f ? 0.5f : magnitude(main_term[at]) / sum;
        rest[at] = (1.0f - share) * signal[at];
        signal[at] *= share;
    }
}

// The greatest value of every window, the first one of NaNs if there are any; `argmax`, if wanted, is where in the
// window it is first reached. `height` and `width` are the input's, `rows` and `columns` the output's.
KERNEL max_pool(whole count, const Map *input OF(count / rows / columns / channels * height * width * channels),
                Map *output OF(count), unsigned char *argmax MAYBE(count), whole height, whole width, whole channels,
                whole rows, whole columns, whole kernel, whole stride, whole padding) {
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
KERNEL max_pool_backward(whole count,
                         const float *gradient OF(count / height / width / channels * rows * columns * channels),
                         const unsigned char *argmax OF(count / height / width / channels * rows * columns * channels),
                         float *output OF(count), whole height, whole width, whole channels, whole rows,
                         whole columns, whole kernel, whole stride, whole padding) {
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
KERNEL average_pool(whole count, const float *input OF(count / rows / columns / channels * height * width * channels),
                    float *output OF(count), whole height, whole width, whole channels, whole rows, whole columns,
                    whole kernel, whole stride) {
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

KERNEL average_pool_backward(whole count,
                             const float *gradient OF(count / height / width / channels * rows * columns * channels),
                             float *output OF(count), whole height, whole width, whole channels, whole rows,
                             whole columns, whole kernel, whole stride) {
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
KERNEL spread_mean(whole count, const float *signal OF(count / positions / channels * channels),
                   float *output OF(count), whole positions, whole channels) {
    float share = 1.0f / (float)positions;
    FOR_EACH(at, count) {
        output[at] = signal[at / (positions * channels) * channels + remainder_of(at, count, channels)] * share;
    }
}

// The greatest value of every map and where it is first reached; NaN, at its first place, if there is one.
KERNEL reduce_max(whole count, const Map *input OF(count / channels * positions * channels), float *scores OF(count),
                  unsigned *firsts OF(count), whole positions, whole channels) {
    FOR_EACH(at, count) {
        const Map *values = input + at / channels * positions * channels + at % channels;
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

// The mean of a map, accumulated in double in the order of the positions.
static __device__ float mean_of(const Map *input, whole at, whole positions, whole channels) {
    const Map *values = input + at / channels * positions * channels + at % channels;
    double sum = 0.0;
    for (whole position = 0; position < positions; position++) sum += (double)(float)values[position * channels];
    return (float)(sum / (double)positions);
}

KERNEL reduce_mean(whole count, const Map *input OF(count / channels * positions * channels), float *scores OF(count),
                   whole positions, whole channels) {
    FOR_EACH(at, count) scores[at] = mean_of(input, at, positions, channels);
}

KERNEL global_average_pool(whole count, const Map *input OF(count / channels * positions * channels),
                           Map *output OF(count), whole positions, whole channels) {
    FOR_EACH(at, count) output[at] = mean_of(input, at, positions, channels);
}

// ---- convolutions that cuDNN has not --------------------------------------------------------------------------------

// Weights are [out_channels, kernel, kernel, in_channels / groups]. Each value is one sum: rows, columns, channels.
KERNEL convolution(whole count,
                   const Map *input OF(count / rows / columns / out_channels * height * width * in_channels),
                   const Map *weight OF(out_channels * kernel * kernel * (in_channels / groups)),
                   Map *output OF(count), whole height, whole width, whole in_channels, whole rows, whole columns,
                   whole out_channels, whole kernel, whole stride, whole padding, whole groups) {
    FOR_EACH(at, count) {
        Place place = place_of(at, rows, columns, out_channels);
        whole channels = in_channels / groups, group = place.channel / (out_channels / groups);
        whole top = place.y * stride - padding, left = place.x * stride - padding;
        float sum = 0.0f;
        for (whole y = most(top, 0); y < least(top + kernel, height); y++) {
            for (whole x = most(left, 0); x < least(left + kernel, width); x++) {
                const Map *values = input + ((place.item * height + y) * width + x) * in_channels + group * channels;
                const Map *weights = weight + ((place.channel * kernel + y - top) * kernel + x - left) * channels;
                for (whole channel = 0; channel < channels; channel++) {
                    sum += (float)values[channel] * (float)weights[channel];
                }
            }
        }
        output[at] = sum;
    }
}

// Its transpose: from [batch, rows, columns, out_channels] to [batch, height, width, in_channels].
KERNEL transposed_convolution(whole count,
                              const Map *signal OF(count / height / width / in_channels * rows * columns * out_channels),
                              const Map *weight OF(out_channels * kernel * kernel * (in_channels / groups)),
                              Map *output OF(count), whole height, whole width, whole in_channels, whole rows,
                              whole columns, whole out_channels, whole kernel, whole stride, whole padding,
                              whole groups) {
    FOR_EACH(at, count) {
        Place place = place_of(at, height, width, in_channels);
        whole channels = in_channels / groups, filters = out_channels / groups;
        whole group = place.channel / channels, channel = place.channel % channels;
        float sum = 0.0f;
        for (whole y = first_window(place.y, kernel, stride, padding);
             y < end_window(place.y, stride, padding, rows); y++) {
            for (whole x = first_window(place.x, kernel, stride, padding);
                 x < end_window(place.x, stride, padding, columns); x++) {
                const Map *values = signal + ((place.item * rows + y) * columns + x) * out_channels;
                whole tap = (place.y + padding - y * stride) * kernel + place.x + padding - x * stride;
                for (whole filter = group * filters; filter < (group + 1) * filters; filter++) {
                    sum += (float)values[filter] * (float)weight[(filter * kernel * kernel + tap) * channels + channel];
                }
            }
        }
        output[at] = sum;
    }
}

// ---- between the host's values and maps -----------------------------------------------------------------------------

KERNEL to_maps(whole count, const float *values OF(count), Map *maps OF(count)) {
    FOR_EACH(at, count) maps[at] = values[at];
}

KERNEL from_maps(whole count, const Map *maps OF(count), float *values OF(count)) {
    FOR_EACH(at, count) values[at] = maps[at];
}

// Pixels by their levels: `table` has the 256 values of red, then of green and of blue.
KERNEL look_up(whole count, const unsigned char *levels OF(count), const float *table OF(768),
               Map *pixels OF(count)) {
    FOR_EACH(at, count) pixels[at] = table[remainder_of(at, count, 3) * 256 + levels[at]];
}

// ---- where backward passes start -------------------------------------------------------------------------------------

// The share of a channel in every position's vector of activations; the channel is its item's of `wanted`.
KERNEL alignment(whole count, const float *activations OF(count * channels),
                 const whole *wanted OF(count / positions), double *shares OF(count), whole positions,
                 whole channels) {
    FOR_EACH(at, count) {
        const float *vector = activations + at * channels;
        double squares = 0.0;
        for (whole channel = 0; channel < channels; channel++) {
            double value = vector[channel];
            squares += value * value;
        }
        double norm = sqrt(squares);
        whole own = most(least(wanted[at / positions], channels - 1), 0);
        shares[at] = norm > 0.0 ? (double)vector[own] / norm : 0.0;
    }
}

// The first position of every item with the largest share.
KERNEL most_aligned(whole count, const double *shares OF(count * positions), whole *places OF(count),
                    whole positions) {
    FOR_EACH(at, count) {
        whole best = 0;
        for (whole position = 1; position < positions; position++) {
            if (shares[at * positions + position] > shares[at * positions + best]) best = position;
        }
        places[at] = best;
    }
}

// The signal of one channel of every item; by kind: 0 its activations, 1 one at its place in `places`, 2 its mean's
// gradient.
KERNEL seed(whole count, const float *activations OF(count), const whole *wanted OF(count / positions / channels),
            const whole *places OF(count / positions / channels), float *signal OF(count), whole positions,
            whole channels, whole kind) {
    FOR_EACH(at, count) {
        whole item = at / (positions * channels), position = at / channels % positions;
        float value = 0.0f;
        if (at % channels == wanted[item]) {
            if (kind == 0) value = activations[at];
            if (kind == 1) value = position == places[item] ? 1.0f : 0.0f;
            if (kind == 2) value = 1.0f / (float)positions;
        }
        signal[at] = value;
    }
}
