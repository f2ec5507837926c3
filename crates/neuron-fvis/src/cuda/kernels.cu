// Matching of relevant features to those of references. Maps are channels-last [batch, height, width, channels]; what
// `KERNEL`, `OF` and the like mean is said in neuron-model's prelude.cu.

// Sums and extremes over positions are taken in segments of so many, and then over the segments: a thread for each whole
// map would be few of them. Segments are [items, segments, channels].

// The smallest of `lows` and the largest of `highs` in every segment; NaN if one is.
KERNEL extremes(whole count, const float *lows OF(count / channels / (positions / segment) * positions * channels),
                const float *highs OF(count / channels / (positions / segment) * positions * channels),
                float *lowest OF(count), float *highest OF(count), whole positions, whole channels, whole segment) {
    whole segments = (positions + segment - 1) / segment;
    FOR_EACH(at, count) {
        whole first = at / channels % segments * segment, map = at / (channels * segments) * positions;
        whole from = (map + first) * channels + at % channels;
        float low = lows[from], high = highs[from];
        for (whole position = first + 1; position < least(first + segment, positions); position++) {
            from += channels;
            if (lows[from] < low || is_nan(lows[from])) low = lows[from];
            if (highs[from] > high || is_nan(highs[from])) high = highs[from];
        }
        lowest[at] = low;
        highest[at] = high;
    }
}

// Relevance scaled to 0..1, or 1 where there is none; the summand keeps the divisor off zero where relevance is the same
// everywhere.
static __device__ float attention(const float *relevance, whole at, const float *lowest, const float *highest, whole row) {
    if (!relevance) return 1.0f;
    return (relevance[at] - lowest[row]) / (highest[row] - lowest[row] + 1e-6f);
}

// An integer that orders as the float does, with zeros of both signs equal, and below it the position: no two of a
// channel are equal, so that every way to sort them is stable. Keys are [items, channels, positions].
KERNEL sort_keys(whole count, const float *features OF(count / positions / channels * positions * channels),
                 const float *relevance MAYBE(count / positions / channels * positions * channels),
                 const float *lowest MAYBE(count / positions), const float *highest MAYBE(count / positions),
                 unsigned long long *keys OF(count), whole positions, whole channels) {
    FOR_EACH(at, count) {
        whole row = at / positions, position = at % positions;
        whole from = (row / channels * positions + position) * channels + row % channels;
        float relevant = attention(relevance, from, lowest, highest, row) * features[from];
        unsigned bits = relevant == 0.0f ? 0 : bits_of(relevant);
        unsigned ordered = bits >> 31 ? ~bits : bits | 0x80000000u;
        keys[at] = (unsigned long long)ordered << 32 | (unsigned long long)position;
    }
}

// One round of a merge sort of rows: runs of `run` keys are sorted, afterwards those of twice that length are. Each key
// goes to where it is in its own run plus how many of the neighbouring run are smaller.
KERNEL merge_runs(whole count, const unsigned long long *keys OF(count / len * len),
                  unsigned long long *merged OF(count / len * len), whole len, whole run) {
    FOR_EACH(at, count) {
        whole row = at / len * len, place = at % len;
        whole own = place / run * run, first = own / (2 * run) * (2 * run);
        whole low = least(own == first ? first + run : first, len), high = least(low + run, len), start = low;
        while (low < high) {
            whole middle = (low + high) / 2;
            if (keys[row + middle] < keys[at]) low = middle + 1;
            else high = middle;
        }
        merged[row + first + (place - own) + (low - start)] = keys[at];
    }
}

// How far the relevant features of one item are from its target, value by value in ascending order, and the gradient of
// the sum of their squares with respect to the features, times `scale` by channel. `keys` are sorted.
KERNEL match_sorted(whole count, const unsigned long long *keys OF(count),
                    const float *features OF(positions * channels), const float *relevance MAYBE(positions * channels),
                    const float *lowest MAYBE(channels), const float *highest MAYBE(channels),
                    const float *target OF(count), const float *scale OF(channels),
                    float *differences OF(positions * channels), float *gradient OF(positions * channels),
                    whole positions, whole channels) {
    FOR_EACH(at, count) {
        whole channel = at / positions % channels, rank = at % positions;
        whole from = least((whole)(keys[at] & 0xffffffffULL), positions - 1) * channels + channel;
        float attended = attention(relevance, from, lowest, highest, channel);
        float difference = attended * features[from] - target[at];
        differences[rank * channels + channel] = difference;
        gradient[from] = scale[channel] * 2.0f * difference * attended;
    }
}

// The sum of the squares in every segment, in double in the order of the positions.
KERNEL sum_squares(whole count,
                   const float *input OF(count / channels / (positions / segment) * positions * channels),
                   double *sums OF(count), whole positions, whole channels, whole segment) {
    whole segments = (positions + segment - 1) / segment;
    FOR_EACH(at, count) {
        whole first = at / channels % segments * segment, map = at / (channels * segments) * positions;
        const float *values = input + map * channels + at % channels;
        double sum = 0.0;
        for (whole position = first; position < least(first + segment, positions); position++) {
            double value = values[position * channels];
            sum += value * value;
        }
        sums[at] = sum;
    }
}

// The sums of all segments.
KERNEL sum_segments(whole count, const double *segments OF(count / channels * positions * channels),
                    double *sums OF(count), whole positions, whole channels) {
    FOR_EACH(at, count) {
        const double *values = segments + at / channels * positions * channels + at % channels;
        double sum = 0.0;
        for (whole position = 0; position < positions; position++) sum += values[position * channels];
        sums[at] = sum;
    }
}

// How much a value counts in the soft maximum of its channel: the eighth power of its share of the greatest; of a channel
// that is nowhere above 0, all alike.
static __device__ float soft_share(float value, float highest) {
    if (highest <= 0.0f) return 1.0f;
    float share = value > 0.0f ? value / highest : 0.0f;
    float square = share * share, fourth = square * square;
    return fourth * fourth;
}

// The gradient of minus the soft maximum of one channel of one item's map.
KERNEL write_ascent(whole count, const float *map OF(count), float *gradient OF(count), whole channels,
                    whole channel) {
    FOR_EACH(at, count) {
        float highest = 0.0f, sum = 0.0f;
        if (at % channels == channel) {
            for (whole from = channel; from < count; from += channels)
                if (map[from] > highest) highest = map[from];
            for (whole from = channel; from < count; from += channels) sum += soft_share(map[from], highest);
            gradient[at] = -(soft_share(map[at], highest) / sum);
        } else {
            gradient[at] = 0.0f;
        }
    }
}
