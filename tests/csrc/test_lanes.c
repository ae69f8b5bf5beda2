/* The outer kernels, the lane copies and the lane tile against plain loops, for every ISA and type. */
#include "conv/lane_tile.h"
#include "conv/plan.h"
#include "harness.h"

#include <stdlib.h>
#include <string.h>

enum { GUARDED = 64, MOST = 1 << 16 };

typedef struct bench {
    const fc_kernels *k;
    fc_dtype type;
    void *a, *b, *out, *want; /* MOST elements each */
} bench;

static void randomize(const bench *t, void *p) {
    for (int64_t i = 0; i < MOST; ++i) set(t->type, p, i, random_value());
}

static void compare(const bench *t, const char *what) {
    int64_t wrong = -1;
    for (int64_t i = 0; i < MOST && wrong < 0; ++i)
        if (get(t->type, t->out, i) != get(t->type, t->want, i)) wrong = i;
    check(wrong < 0, "%s: element %ld differs", what, (long)wrong);
}

/* Multiples of 1/16 below 2 in magnitude: short sums of products are exact in either type. */
static void start(const bench *t) {
    randomize(t, t->a);
    randomize(t, t->b);
    randomize(t, t->out);
    memcpy(t->want, t->out, MOST * item_size(t->type));
}

static void test_outer(const bench *t) {
    static const int64_t steps[] = {1, 2, 5, 16, 48};
    enum { DEEP = 9 };
    const fc_dtype type = t->type;
    check(t->k->outer[t->k->outer_vr - 1][t->k->outer_pr - 1] != NULL, "the stated tile is missing");
    for (int vr = 1; vr <= FC_MAX_OUTER_VR; ++vr) {
        for (int pr = 1; pr <= FC_MAX_OUTER_PR; ++pr) {
            const fc_outer_fn outer = t->k->outer[vr - 1][pr - 1];
            check(outer || vr > t->k->outer_vr || pr > t->k->outer_pr, "outer %dx%d is missing", pr, vr);
            if (!outer) continue;
            for (int s = 0; s < 5; ++s) {
                const int64_t width = (int64_t)vr * t->k->lanes, ldc = width + s, step = steps[s];
                const int64_t depth = s == 4 ? 0 : DEEP;
                int32_t off[DEEP];
                for (int i = 0; i < DEEP; ++i) off[i] = (i * 7) % 5 * 11 + i;
                for (int first = 0; first < 2; ++first) {
                    start(t);
                    outer(depth, t->a, off, step, t->b, t->out, ldc, first);
                    for (int p = 0; p < pr; ++p)
                        for (int64_t l = 0; l < width; ++l) {
                            double sum = first ? 0 : get(type, t->want, p * ldc + l);
                            for (int64_t i = 0; i < depth; ++i)
                                sum += get(type, t->a, off[i] + p * step) * get(type, t->b, i * width + l);
                            set(type, t->want, p * ldc + l, sum);
                        }
                    compare(t, "outer");
                }
            }
        }
    }
}

/* Rows that are no multiple of the tile, filters that do not fill the last vector; nothing is written beside them. */
static void test_outer_row(const bench *t) {
    enum { DEEP = 9 };
    const fc_dtype type = t->type;
    const int64_t lanes = t->k->lanes;
    int32_t off[DEEP];
    for (int i = 0; i < DEEP; ++i) off[i] = (i * 7) % 5 * 11 + i;
    for (int vr = 1; vr <= t->k->outer_vr; ++vr) {
        int64_t pr = FC_MAX_OUTER_PR;
        while (!t->k->outer[vr - 1][pr - 1]) --pr;
        for (int64_t filters = (vr - 1) * lanes + 1; filters <= vr * lanes; ++filters)
            for (int64_t count = pr; count <= 3 * pr; count += 5)
                for (int kind = FC_IDENTITY; kind <= FC_LEAKY_RELU; ++kind) {
                    const int64_t step = 1 + count % 3, dst_step = filters + kind, width = vr * lanes;
                    const int64_t depth = count == pr && kind == FC_IDENTITY ? 0 : DEEP;
                    const int biased = filters % 2;
                    const fc_finish finish = {
                        .bias = biased ? t->b : NULL, .activation = (fc_activation)kind, .parameter = 0.25};
                    start(t);
                    t->k->outer_row[vr - 1](depth, t->a, off, step, t->b, t->out, dst_step, filters, count, &finish);
                    for (int64_t p = 0; p < count; ++p)
                        for (int64_t l = 0; l < filters; ++l) {
                            double sum = biased ? get(type, t->b, l) : 0;
                            for (int64_t i = 0; i < depth; ++i)
                                sum += get(type, t->a, off[i] + p * step) * get(type, t->b, i * width + l);
                            if (kind == FC_LEAKY_RELU && sum < 0) sum *= 0.25;
                            if ((kind == FC_RELU || kind == FC_RELU6) && sum < 0) sum = 0;
                            if (kind == FC_RELU6 && sum > 6) sum = 6;
                            set(type, t->want, p * dst_step + l, sum);
                        }
                    compare(t, "outer row");
                }
    }
}

typedef struct strides {
    int64_t channel, step;
} strides;
static const strides STRIDES[] = {{1, 40}, {1, 33}, {70, 1}, {71, 2}, {1, 1}, {3, 120}, {-70, 1}, {90, -1}, {70, 0}};
enum { STRIDE_COUNT = sizeof STRIDES / sizeof *STRIDES, MIDDLE = MOST / 2 };

static void test_lanes_in(const bench *t) {
    static const int64_t counts[] = {0, 1, 7, 16, 35};
    const int lanes = t->k->lanes;
    for (int s = 0; s < STRIDE_COUNT; ++s)
        for (int channels = 1; channels <= lanes; ++channels)
            for (int n = 0; n < 5; ++n) {
                start(t);
                t->k->lanes_in(fc_at(t->out, GUARDED, t->k->element), fc_at(t->a, MIDDLE, t->k->element),
                               STRIDES[s].channel, STRIDES[s].step, channels, counts[n]);
                for (int64_t i = 0; i < counts[n]; ++i)
                    for (int c = 0; c < lanes; ++c)
                        set(t->type, t->want, GUARDED + i * lanes + c,
                            c < channels ? get(t->type, t->a, MIDDLE + c * STRIDES[s].channel + i * STRIDES[s].step)
                                         : 0);
                compare(t, "lanes_in");
            }
}

static double finished(const bench *t, const fc_finish *finish, double v, int64_t f, int64_t i) {
    if (finish->bias) v += get(t->type, finish->bias, f);
    if (finish->residual) v += get(t->type, finish->residual, f * finish->residual_channel + i * finish->residual_step);
    if (finish->activation == FC_LEAKY_RELU) return v > 0 ? v : v * finish->parameter;
    if (finish->activation == FC_IDENTITY) return v;
    v = v > 0 ? v : 0;
    return finish->activation == FC_RELU6 && v > 6 ? 6 : v;
}

static void test_lanes_out(const bench *t) {
    static const int64_t counts[] = {1, 9, 37};
    for (int s = 0; s < STRIDE_COUNT - 1; ++s)
        for (int64_t filters = 1; filters <= 2 * t->k->lanes + 1; ++filters)
            for (int n = 0; n < 3; ++n) {
                const strides *to = &STRIDES[s], *other = &STRIDES[(s + (n == 2)) % (STRIDE_COUNT - 1)];
                if (to->channel * to->step == 1 && filters > 1) continue;
                const int64_t ld = 3 * t->k->lanes + n;
                start(t);
                fc_finish finish = {.activation = (fc_activation)((filters + n) % 4), .parameter = 0.25};
                if (n > 0) finish.bias = t->b;
                if (n != 1) finish.residual = fc_at(t->b, MIDDLE, t->k->element);
                finish.residual_channel = other->channel;
                finish.residual_step = other->step;
                if (to->channel == 3 && filters > 40) continue;
                t->k->lanes_out(fc_at(t->out, MIDDLE, t->k->element), to->channel, to->step, t->a, ld, filters,
                                counts[n], &finish);
                for (int64_t i = 0; i < counts[n]; ++i)
                    for (int64_t f = 0; f < filters; ++f)
                        set(t->type, t->want, MIDDLE + f * to->channel + i * to->step,
                            finished(t, &finish, get(t->type, t->a, i * ld + f), f, i));
                compare(t, "lanes_out");
            }
}

/* A box that sticks out of a 2 x 5 x 20 image on every side, channels first and last. */
static void test_lane_tile(const bench *t) {
    static const int64_t start_at[FC_SPATIAL] = {-1, -2, -3}, size[FC_SPATIAL] = {4, 8, 25};
    const int64_t image[FC_SPATIAL] = {2, 5, 20}, channels = t->k->lanes + 1, lanes = t->k->lanes;
    check(fc_lane_elements(channels, size, (int)lanes) == 2 * lanes * 4 * 8 * 25, "elements of a lane tile");
    for (int border = FC_CONSTANT; border <= FC_WRAP; ++border)
        for (int last = 0; last < 2; ++last) {
            fc_source s = {.size = {image[0], image[1], image[2]}, .border = (fc_border)border, .border_value = 0.5};
            s.channel_stride = last ? 1 : image[0] * image[1] * image[2];
            s.stride[2] = last ? channels : 1;
            s.stride[1] = s.stride[2] * image[2];
            s.stride[0] = s.stride[1] * image[1];
            start(t);
            fc_lane_fill(&s, t->k, t->a, channels, start_at, size, t->out);
            int64_t at = 0;
            for (int64_t block = 0; block < channels; block += lanes)
                for (int64_t d = 0; d < size[0]; ++d)
                    for (int64_t r = 0; r < size[1]; ++r)
                        for (int64_t i = 0; i < size[2]; ++i)
                            for (int64_t l = 0; l < lanes; ++l) {
                                const int64_t z = fc_border_index(s.border, start_at[0] + d, image[0]);
                                const int64_t y = fc_border_index(s.border, start_at[1] + r, image[1]);
                                const int64_t x = fc_border_index(s.border, start_at[2] + i, image[2]);
                                double v = 0.5;
                                if (z >= 0 && y >= 0 && x >= 0)
                                    v = get(t->type, t->a,
                                            (block + l) * s.channel_stride + z * s.stride[0] + y * s.stride[1] +
                                                x * s.stride[2]);
                                if (block + l >= channels && z >= 0 && y >= 0 && x >= 0) v = 0;
                                set(t->type, t->want, at++, v);
                            }
            compare(t, "lane tile");
        }
}

void test_lanes(void) {
    for (int isa = 0; isa < fc_isa_count(); ++isa) {
        if (!fc_isa_supported(isa)) continue;
        for (fc_dtype type = FC_FLOAT32; type <= FC_FLOAT64; ++type) {
            bench t = {.k = fc_kernels_for(isa, type), .type = type};
            void **all[] = {&t.a, &t.b, &t.out, &t.want};
            for (int i = 0; i < 4; ++i) *all[i] = malloc(MOST * item_size(type));
            doing("%s f%d", fc_isa_name(isa), type == FC_FLOAT32 ? 32 : 64);
            test_outer(&t);
            test_outer_row(&t);
            test_lanes_in(&t);
            test_lanes_out(&t);
            test_lane_tile(&t);
            for (int i = 0; i < 4; ++i) free(*all[i]);
        }
    }
}
