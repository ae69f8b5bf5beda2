/* Convolutions of small integers against loops in 64 bits: shapes that meet every tail of the tiles, views, types and zero
 * points at their ends x ISA x threads. */
#include "harness.h"

#include <math.h>
#include <stdlib.h>

typedef struct shape {
    int64_t n, ic, oc, groups;
    int64_t in[FC_SPATIAL], kernel[FC_SPATIAL], stride[FC_SPATIAL], dilation[FC_SPATIAL], pad[FC_SPATIAL],
        end[FC_SPATIAL];
    int64_t weight; /* the largest |w|; 0: 255 */
    int tile;       /* outputs along a side, 0: any */
} shape;

/* clang-format off */
static const shape SHAPES[] = {
    {1, 1, 1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {2, 3, 5, 1, {1, 9, 11}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 16, 16, 1, {1, 13, 13}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 17, 33, 1, {1, 7, 7}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 2, 0}, {0, 0, 2}},
    {1, 34, 9, 1, {1, 5, 40}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 8, 24, 1, {1, 9, 21}, {1, 1, 1}, {1, 2, 2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 4, 8, 1, {1, 6, 6}, {1, 1, 1}, {1, 3, 3}, {1, 1, 1}, {0, 1, 0}, {0, 2, 1}},
    {1, 3, 40, 1, {1, 20, 23}, {1, 7, 5}, {1, 2, 3}, {1, 1, 1}, {0, 3, 1}, {0, 2, 0}},
    {1, 6, 20, 2, {1, 8, 9}, {1, 3, 2}, {1, 1, 2}, {1, 2, 3}, {0, 2, 3}, {0, 1, 0}},
    {1, 15, 6, 3, {1, 6, 17}, {1, 2, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 1}, {0, 1, 1}},
    {1, 8, 16, 8, {1, 6, 9}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {1, 7, 7, 7, {1, 12, 12}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    {2, 70, 70, 70, {1, 7, 7}, {1, 2, 5}, {1, 1, 1}, {1, 1, 2}, {0, 0, 4}, {0, 1, 4}},
    {1, 33, 33, 33, {3, 4, 8}, {2, 1, 3}, {1, 1, 1}, {1, 1, 1}, {1, 0, 1}, {0, 0, 1}},
    {1, 5, 12, 1, {5, 6, 7}, {3, 2, 3}, {2, 1, 1}, {1, 2, 1}, {1, 1, 0}, {2, 0, 1}},
    {1, 4, 4, 1, {7, 3, 3}, {1, 1, 1}, {2, 2, 1}, {1, 1, 1}, {0, 0, 0}, {3, 1, 0}},
    {1, 2, 10, 1, {1, 1, 700}, {1, 1, 9}, {1, 1, 1}, {1, 1, 4}, {0, 0, 30}, {0, 0, 2}},
    {1, 6, 5, 1, {1, 2, 90}, {1, 1, 1}, {1, 1, 9}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {2, 9, 6, 3, {1, 3, 80}, {1, 1, 1}, {1, 1, 7}, {1, 1, 1}, {0, 0, 10}, {0, 1, 19}},
    {1, 20, 20, 20, {1, 9, 61}, {1, 1, 2}, {1, 4, 20}, {1, 1, 3}, {0, 1, 1}, {0, 2, 0}},
    {1, 5, 9, 1, {1, 90, 7}, {1, 3, 1}, {1, 1, 1}, {1, 40, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 4, 18, 2, {1, 60, 70}, {1, 3, 2}, {1, 9, 30}, {1, 25, 40}, {0, 2, 3}, {0, 25, 30}},
    {1, 3, 8, 1, {9, 6, 50}, {2, 2, 3}, {3, 2, 1}, {5, 1, 20}, {1, 1, 4}, {0, 0, 5}},
    {1, 5, 9, 1, {1, 70, 1}, {1, 3, 1}, {1, 2, 1}, {1, 3, 1}, {0, 4, 0}, {0, 1, 0}},
    {2, 6, 6, 3, {3, 31, 1}, {2, 1, 1}, {1, 9, 1}, {1, 1, 1}, {1, 0, 0}, {0, 0, 0}},
    {1, 2600, 1, 1, {1, 2, 260}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {0, 2, 2, 1, {1, 4, 4}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 48, 40, 1, {1, 11, 14}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 127, 4},
    {2, 37, 35, 1, {1, 8, 9}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 3}, {0, 2, 0}, 127, 4},
    {1, 64, 66, 2, {2, 9, 70}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 200, 4},
    {1, 45, 60, 1, {1, 8, 7}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 0, 2},
    {2, 64, 40, 2, {1, 7, 12}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 2, 1}, {0, 0, 1}, 0, 2},
    {1, 43, 70, 1, {1, 15, 31}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}},
    /* taps side by side in the tile: odd channels, and even ones */
    {2, 3, 9, 1, {1, 12, 15}, {1, 7, 7}, {1, 2, 2}, {1, 1, 1}, {0, 3, 3}, {0, 3, 3}},
    {1, 1, 18, 1, {2, 7, 30}, {2, 2, 5}, {1, 1, 3}, {1, 2, 1}, {0, 0, 2}, {0, 1, 1}},
    {1, 6, 7, 1, {1, 6, 20}, {1, 2, 4}, {1, 1, 4}, {1, 3, 1}, {0, 1, 0}, {0, 1, 5}},
    {1, 9, 7, 1, {1, 5, 9}, {1, 1, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 1}, {0, 0, 1}},
    /* rows that become one, staged in shares of channels if these are many; others that do not */
    {1, 165, 72, 1, {1, 7, 7}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {2, 33, 18, 1, {1, 5, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 9, 6, 3, {3, 2, 5}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 20, 20, 20, {2, 7, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 8, 9, 1, {3, 4, 6}, {2, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}},
    {1, 150, 80, 1, {1, 1, 41}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 3}, {0, 0, 5}},
    {1, 7, 9, 1, {1, 7, 7}, {1, 1, 1}, {1, 2, 1}, {1, 1, 1}, {0, 1, 0}, {0, 0, 0}},
};
/* The largest sums and points that tiles of 4x4 take, one more of either, the largest of 2x2 and of stride 2. */
static const shape EDGES[] = {
    {1, 115, 16, 1, {1, 8, 12}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 127, 4},
    {1, 116, 16, 1, {1, 8, 12}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 127, 2},
    {1, 64, 16, 1, {1, 8, 12}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 227, 4},
    {1, 64, 16, 1, {1, 8, 12}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 228, 2},
    {1, 917, 8, 1, {1, 4, 8}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 255},
    {1, 64, 16, 1, {1, 8, 12}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 3640, 2},
    {1, 917, 32, 1, {1, 16, 32}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 255},
    {1, 128, 64, 1, {1, 32, 32}, {1, 3, 3}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}, {0, 1, 1}, 910, 4},
};
/* clang-format on */
enum { SHAPE_COUNT = sizeof SHAPES / sizeof SHAPES[0], EDGE_COUNT = sizeof EDGES / sizeof EDGES[0] };

static int64_t lowest(fc_dtype type) { return type == FC_INT8 ? -128 : 0; }

/* Every eighth number is an end of the range. */
static int64_t number(int64_t low, int64_t high) {
    const int64_t a = (int64_t)(random_value() * 16) + 32, b = (int64_t)(random_value() * 16) + 32;
    if (a % 8 == 0) return b % 2 ? low : high;
    return low + (a * 65 + b) % (high - low + 1);
}

static fc_integer_desc describe(const shape *s, const tensor *x, const tensor *y, int64_t x_zero, int64_t y_zero) {
    fc_integer_desc d = {sizeof d, x->type, y->type, s->n, s->ic, s->oc, s->groups};
    d.prepared = 1;
    for (int a = 0; a < FC_SPATIAL; ++a) {
        d.in[a] = s->in[a], d.out[a] = y->size[2 + a], d.kernel[a] = s->kernel[a];
        d.stride[a] = s->stride[a], d.dilation[a] = s->dilation[a], d.pad[a] = s->pad[a];
    }
    for (int a = 0; a < FC_AXES; ++a) d.x_stride[a] = x->stride[a], d.y_stride[a] = y->stride[a];
    d.x_zero = (int32_t)x_zero, d.y_zero = (int32_t)y_zero;
    return d;
}

static int64_t sum_at(const fc_integer_desc *d, const tensor *x, const int16_t *w, int64_t n, int64_t o,
                      const int64_t p[FC_SPATIAL]) {
    const int64_t ic = d->ic / d->groups, g = o / (d->oc / d->groups);
    int64_t sum = 0, at[FC_SPATIAL];
    w += o * ic * d->kernel[0] * d->kernel[1] * d->kernel[2];
    for (int64_t c = 0; c < ic; ++c)
        for (int64_t i = 0; i < d->kernel[0]; ++i)
            for (int64_t j = 0; j < d->kernel[1]; ++j)
                for (int64_t k = 0; k < d->kernel[2]; ++k, ++w) {
                    const int64_t tap[FC_SPATIAL] = {i, j, k};
                    bool inside = true;
                    for (int a = 0; a < FC_SPATIAL; ++a) {
                        at[a] = p[a] * d->stride[a] + tap[a] * d->dilation[a] - d->pad[a];
                        inside &= at[a] >= 0 && at[a] < d->in[a];
                    }
                    if (!inside) continue;
                    const double v = tensor_get(x, tensor_at(x, n, g * ic + c, at[0], at[1], at[2]));
                    sum += ((int64_t)v - d->x_zero) * *w;
                }
    return sum;
}

static double expected(const fc_integer_desc *d, int64_t sum, double factor) {
    const int32_t wrapped = (int32_t)(uint32_t)(uint64_t)sum;
    if (d->output_type == FC_INT32) return wrapped;
    const double low = (double)lowest(d->output_type), v = rint(wrapped * factor) + d->y_zero;
    return fmin(fmax(v, low), low + 255);
}

static void compare(const fc_integer_desc *d, const tensor *x, const int16_t *w, const int32_t *bias,
                    const double *factor, const tensor *y) {
    EACH(y, n, o, i, j, k) {
        const int64_t p[FC_SPATIAL] = {i, j, k};
        const int64_t sum = sum_at(d, x, w, n, o, p) + (bias ? bias[o] : 0);
        check_close(tensor_get(y, tensor_at(y, n, o, i, j, k)), expected(d, sum, factor[o]), 0, "y");
    }
}

static int number_of(const shape *s) {
    return s < EDGES || s >= EDGES + EDGE_COUNT ? (int)(s - SHAPES) : -1 - (int)(s - EDGES);
}

static void run(const shape *s, fc_dtype from, fc_dtype to, view x_view, view y_view, int extreme) {
    int64_t y_size[FC_AXES] = {s->n, s->oc}, x_size[FC_AXES] = {s->n, s->ic};
    for (int a = 0; a < FC_SPATIAL; ++a) {
        const int64_t extent = (s->kernel[a] - 1) * s->dilation[a] + 1;
        x_size[2 + a] = s->in[a];
        y_size[2 + a] = (s->in[a] + s->pad[a] + s->end[a] - extent) / s->stride[a] + 1;
    }
    tensor x = tensor_make(from, x_view, x_size), y = tensor_make(to, y_view, y_size);
    const int64_t low = lowest(from);
    EACH(&x, n, c, i, j, k)
    tensor_set(&x, tensor_at(&x, n, c, i, j, k),
               (double)(extreme > 0   ? low
                        : extreme < 0 ? low + 255
                                      : number(low, low + 255)));
    const int64_t weights = s->oc * s->ic / s->groups * s->kernel[0] * s->kernel[1] * s->kernel[2];
    int16_t *w = malloc((size_t)weights * sizeof *w);
    int32_t *bias = malloc((size_t)s->oc * sizeof *bias);
    double *factor = malloc((size_t)s->oc * sizeof *factor);
    const int64_t most = s->weight ? s->weight : 255;
    for (int64_t i = 0; i < weights; ++i) w[i] = (int16_t)(extreme ? -most : number(-most, most));
    for (int64_t o = 0; o < s->oc; ++o) {
        bias[o] = extreme > 0 ? INT32_MAX : extreme < 0 ? INT32_MIN : (int32_t)number(-40, 40) * 100;
        factor[o] = (double)(number(1, 64)) / 4096;
    }
    const int64_t y_zero = to == FC_INT32 ? 0 : number(lowest(to), lowest(to) + 255);
    fc_integer_desc d = describe(s, &x, &y,
                                 extreme > 0   ? low + 255
                                 : extreme < 0 ? low
                                               : number(low, low + 255),
                                 y_zero);
    check(fc_integer_bound(&d, w) == FC_OK, "bound");
    doing("integers %s, shape %d, types %d -> %d, views %d %d, extreme %d", fc_isa_name(fc_isa()), number_of(s), from,
          to, x_view, y_view, extreme);
    fc_integer_plan *plan;
    fc_status status = fc_integer_plan_create(&d, &plan);
    check(status == FC_OK, "plan: %s", fc_status_message(status));
    if (status == FC_OK) {
        if (s->tile) check(fc_integer_plan_tile(plan) == s->tile, "tiles of %d", fc_integer_plan_tile(plan));
        void *packed = aligned_alloc(64, (size_t)fc_integer_plan_packed(plan));
        status = fc_integer_pack(plan, w, bias, to == FC_INT32 ? NULL : factor, packed);
        check(status == FC_OK, "pack: %s", fc_status_message(status));
        tensor_expect(&x);
        for (int threads = 1; threads <= 2; ++threads) {
            tensor_forget(&y);
            status = fc_integer_execute(plan, tensor_data(&x), packed, tensor_data(&y), threads);
            check(status == FC_OK, "execute: %s", fc_status_message(status));
            check(tensor_intact(&y), "wrote outside y");
            if (threads > 1) check(tensor_unchanged(&y), "other bits with %d threads", threads);
            tensor_expect(&y);
        }
        check(tensor_unchanged(&x), "wrote to x");
        compare(&d, &x, w, bias, factor, &y);
        free(packed);
    }
    fc_integer_plan_destroy(plan);
    free(w), free(bias), free(factor);
    tensor_free(&x);
    tensor_free(&y);
}

static void refuses(void) {
    const fc_integer_desc good = {
        sizeof good,      FC_UINT8,  FC_INT8,   1,         4,         6,         2,
        {1, 5, 5},        {1, 3, 3}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {100, 25, 25, 5, 1},
        {54, 9, 9, 3, 1}, 255,       -128};
    fc_integer_plan *plan;
    fc_integer_desc d = good;
    doing("integers refuse");
    check(fc_integer_plan_create(&d, &plan) == FC_OK, "what is right");
    uint8_t x[100] = {0};
    int8_t y[54];
    int16_t w[108] = {0};
    void *packed = aligned_alloc(64, (size_t)fc_integer_plan_packed(plan));
    check(fc_integer_pack(plan, w, NULL, NULL, packed) == FC_INVALID, "no factors");
    check(fc_integer_execute(plan, x, NULL, y, 1) == FC_INVALID, "no weights");
    check(fc_integer_execute(plan, NULL, packed, y, 1) == FC_INVALID, "no x");
    check(fc_integer_plan_workspace(plan, 2) >= fc_integer_plan_workspace(plan, 1), "less workspace for more threads");
    free(packed);
    fc_integer_plan_destroy(plan);
    d.struct_size = 8;
    check(fc_integer_plan_create(&d, &plan) == FC_INVALID && !plan, "another struct");
    d = good, d.input_type = FC_FLOAT32;
    check(fc_integer_plan_create(&d, &plan) == FC_UNSUPPORTED, "floats");
    d = good, d.output_type = FC_FLOAT32;
    check(fc_integer_plan_create(&d, &plan) == FC_UNSUPPORTED, "floats out");
    d = good, d.x_zero = 256;
    check(fc_integer_plan_create(&d, &plan) == FC_INVALID, "a zero that is none");
    d = good, d.y_zero = 128;
    check(fc_integer_plan_create(&d, &plan) == FC_INVALID, "a zero that is none, out");
    d = good, d.groups = 4;
    check(fc_integer_plan_create(&d, &plan) == FC_INVALID, "groups");
    d = good, d.stride[2] = 0;
    check(fc_integer_plan_create(&d, &plan) == FC_INVALID, "no stride");
    d = good, d.n = INT64_MAX / 4;
    check(fc_integer_plan_create(&d, &plan) == FC_OVERFLOW, "too many elements");
    d = good, d.ic = (int64_t)1 << 33;
    check(fc_integer_plan_create(&d, &plan) == FC_UNSUPPORTED, "a tile too large");
    d = good, d.n = 0, d.in[1] = d.out[1] = INT64_MAX / 16;
    check(fc_integer_plan_create(&d, &plan) == FC_OVERFLOW, "too many elements of an empty batch");
    d = good, d.oc = d.groups = (int64_t)1 << 55, d.ic = 4 * d.groups;
    check(fc_integer_plan_create(&d, &plan) != FC_OK && !plan, "too many weights");
}

/* Plans alone: sizes that no test could compute. */
static void plans(const char *what, fc_integer_desc d) {
    fc_integer_plan *plan;
    doing("integers plan %s", what);
    const fc_status status = fc_integer_plan_create(&d, &plan);
    check(status == FC_OK, "%s", fc_status_message(status));
    if (status != FC_OK) return;
    check(fc_integer_plan_workspace(plan, 1) < 1 << 26, "workspace of %ld bytes",
          (long)fc_integer_plan_workspace(plan, 1));
    if (d.n == 0) check(fc_integer_execute(plan, NULL, NULL, NULL, 1) == FC_OK, "execute");
    fc_integer_plan_destroy(plan);
}

static void plans_of_any_size(void) {
    const int64_t high = (int64_t)1 << 40;
    const fc_integer_desc good = {
        sizeof good,      FC_UINT8,  FC_INT32,  1,         4,         6,         1,
        {1, 5, 5},        {1, 3, 3}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {100, 25, 25, 5, 1},
        {54, 9, 9, 3, 1}, 0,         0};
    fc_integer_desc d = good;
    d.in[1] = d.out[1] = high;
    plans("of many rows", d);
    d.n = 0;
    plans("of many rows and no image", d);
    d = good, d.dilation[1] = d.dilation[2] = INT64_MAX / 16;
    plans("of taps far apart", d);
    d = good, d.out[1] = d.out[2] = 1, d.stride[1] = d.stride[2] = INT64_MAX;
    plans("of one output with any stride", d);
    d = good, d.stride[2] = INT64_MAX / 16;
    plans("of outputs far apart", d);
    d = good, d.ic = 1 << 20, d.in[2] = d.out[2] = 40000;
    plans("of many channels and long rows", d);
}

/* Tiles follow from the bounds of the weights: up to which they are exact, and one more. */
/* Winograd's sums are exact within the bounds that the plan was made with. */
static void weights_beyond_bounds(void) {
    fc_integer_desc d = {sizeof d, FC_UINT8, FC_INT32, 1, 64, 64, 1, {1, 56, 56}, {1, 56, 56}, {1, 3, 3}};
    for (int a = 0; a < FC_SPATIAL; ++a) d.stride[a] = d.dilation[a] = 1, d.pad[a] = a > 0;
    for (int a = 0; a < FC_AXES; ++a) d.x_stride[a] = d.y_stride[a] = 1;
    d.prepared = 1;
    const int64_t count = 64 * 64 * 9;
    int16_t *w = malloc((size_t)count * sizeof *w);
    for (int64_t i = 0; i < count; ++i) w[i] = (int16_t)(i % 3 - 1);
    doing("weights beyond a plan's bounds");
    fc_integer_plan *plan;
    check(fc_integer_bound(&d, w) == FC_OK && d.weight_most == 1, "bound");
    check(fc_integer_plan_create(&d, &plan) == FC_OK && fc_integer_plan_tile(plan) > 1, "plan");
    void *packed = aligned_alloc(64, (size_t)fc_integer_plan_packed(plan));
    check(fc_integer_pack(plan, w, NULL, NULL, packed) == FC_OK, "refused its own weights");
    w[count - 1] = -2;
    check(fc_integer_pack(plan, w, NULL, NULL, packed) == FC_INVALID, "took a larger weight");
    w[count - 1] = w[1] = w[4] = 1;
    for (int64_t i = 0; i < 576; ++i) w[i] = 1;
    check(fc_integer_pack(plan, w, NULL, NULL, packed) == FC_INVALID, "took a larger sum");
    fc_integer_plan_destroy(plan);
    free(packed), free(w);
}

static void tiles_of_weights(void) {
    static const struct {
        int32_t most;
        int64_t sum;
        int stride, tile;
    } CASES[] = {{127, INT32_MAX / 64 / 255, 1, 4},
                 {127, INT32_MAX / 64 / 255 + 1, 1, 2},
                 {227, 100000, 1, 4},
                 {228, 100000, 1, 2},
                 {255, INT32_MAX / 4 / 255, 1, 2},
                 {255, INT32_MAX / 4 / 255 + 1, 1, 1},
                 {3640, 100000, 1, 2},
                 {3641, 100000, 1, 1},
                 {255, INT32_MAX / 4 / 255, 2, 4},
                 {255, INT32_MAX / 4 / 255 + 1, 2, 1},
                 {910, 100000, 2, 4},
                 {911, 100000, 2, 1},
                 {0, 0, 1, 1}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; ++i) {
        fc_integer_desc d = {sizeof d, FC_UINT8, FC_INT32, 1, 64, 64, 1, {1, 56, 56}, {1, 56, 56}, {1, 3, 3}};
        for (int a = 0; a < FC_SPATIAL; ++a) {
            d.stride[a] = d.dilation[a] = 1;
            if (a > 0) d.in[a] *= CASES[i].stride, d.stride[a] = CASES[i].stride, d.pad[a] = 1;
        }
        for (int a = 0; a < FC_AXES; ++a) d.x_stride[a] = d.y_stride[a] = 1;
        d.x_zero = 255, d.prepared = 1, d.weight_most = CASES[i].most, d.weight_sum = CASES[i].sum;
        doing("integers %s, weights up to %d, sums to %ld, stride %d", fc_isa_name(fc_isa()), CASES[i].most,
              (long)CASES[i].sum, CASES[i].stride);
        fc_integer_plan *plan;
        const int status = fc_integer_plan_create(&d, &plan);
        check(status == FC_OK && fc_integer_plan_tile(plan) == CASES[i].tile, "tiles");
        fc_integer_plan_destroy(plan);
    }
}

/* No number times zero is a number: it becomes a bound. */
static void run_without_numbers(fc_dtype to) {
    enum { FILTERS = 21, PIXELS = 7 };
    const fc_integer_desc d = {sizeof d,
                               FC_UINT8,
                               to,
                               1,
                               1,
                               FILTERS,
                               1,
                               {1, 1, PIXELS},
                               {1, 1, PIXELS},
                               {1, 1, 1},
                               {1, 1, 1},
                               {1, 1, 1},
                               {0, 0, 0},
                               {PIXELS, PIXELS, PIXELS, PIXELS, 1},
                               {FILTERS * PIXELS, PIXELS, PIXELS, PIXELS, 1},
                               0,
                               3};
    const double factors[] = {NAN, INFINITY, -NAN};
    const uint8_t x[PIXELS] = {0, 1, 0, 255};
    uint8_t y[FILTERS * PIXELS];
    int16_t w[FILTERS];
    double factor[FILTERS];
    for (int o = 0; o < FILTERS; ++o) w[o] = 1, factor[o] = factors[o % 3];
    doing("integers %s, factors that are no numbers, to type %d", fc_isa_name(fc_isa()), to);
    fc_integer_plan *plan;
    check(fc_integer_plan_create(&d, &plan) == FC_OK, "plan");
    void *packed = aligned_alloc(64, (size_t)fc_integer_plan_packed(plan));
    check(fc_integer_pack(plan, w, NULL, factor, packed) == FC_OK, "pack");
    check(fc_integer_execute(plan, x, packed, y, 1) == FC_OK, "execute");
    for (int i = 0; i < FILTERS * PIXELS; ++i) check_close(get(to, y, i), (double)lowest(to) + 255, 0, "y");
    free(packed);
    fc_integer_plan_destroy(plan);
}

void test_integers(void) {
    static const fc_dtype OUT[] = {FC_INT32, FC_UINT8, FC_INT8};
    for (int isa = 0; isa < fc_isa_count(); ++isa) {
        if (!fc_isa_supported(isa)) continue;
        fc_set_isa(isa);
        for (int s = 0; s < SHAPE_COUNT; ++s) {
            for (int i = 0; i < 2 * VIEWS; ++i)
                run(&SHAPES[s], (s + i) % 2 ? FC_INT8 : FC_UINT8, OUT[(s + i) % 3], i % VIEWS, (i + i / VIEWS) % VIEWS,
                    0);
            run(&SHAPES[s], FC_UINT8, FC_INT32, CHANNELS_FIRST, CHANNELS_FIRST, 1);
            run(&SHAPES[s], FC_INT8, FC_UINT8, CHANNELS_LAST, CHANNELS_LAST, 1);
        }
        for (int e = 0; e < EDGE_COUNT; ++e)
            for (int i = 0; i < 2; ++i)
                run(&EDGES[e], i ? FC_INT8 : FC_UINT8, FC_INT32, CHANNELS_FIRST, CHANNELS_FIRST, i ? -1 : 1);
        tiles_of_weights();
        weights_beyond_bounds();
        run_without_numbers(FC_UINT8);
        run_without_numbers(FC_INT8);
    }
    refuses();
    plans_of_any_size();
}
