/* Filters along one axis against loops, exact numbers: sizes on both ways, kernels of every symmetry, borders, element types
 * x ISA x threads. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

static tensor numbers(fc_dtype type, int64_t count) {
    const int64_t size[FC_AXES] = {1, 1, 1, 1, count};
    tensor t = tensor_make(type, CHANNELS_FIRST, size);
    tensor_random(&t);
    return t;
}

/* The position that a border reads for p, by walking; -1 for the constant. */
static int64_t inside(fc_border border, int64_t p, int64_t n) {
    while (p < 0 || p >= n) {
        if (border == FC_CONSTANT) return -1;
        if (border == FC_EDGE) {
            p = p < 0 ? 0 : n - 1;
        } else if (border == FC_WRAP) {
            p += p < 0 ? n : -n;
        } else if (border == FC_SYMMETRIC) {
            p = p < 0 ? -1 - p : 2 * n - 1 - p;
        } else {
            p = n == 1 ? 0 : p < 0 ? -p : 2 * n - 2 - p;
        }
    }
    return p;
}

static void dense(int64_t stride[3], const int64_t size[3], fc_dtype type) {
    stride[2] = (int64_t)item_size(type), stride[1] = size[2] * stride[2], stride[0] = size[1] * stride[1];
}

/* symmetry: 1 even, -1 odd, 0 none. */
static void weigh(double *weight, int64_t taps, int symmetry) {
    for (int64_t t = 0; t < taps; ++t) weight[t] = random_value();
    if (symmetry == 0 || taps % 2 == 0) return;
    for (int64_t t = 0; t < taps / 2; ++t) weight[taps - 1 - t] = symmetry * weight[t];
    if (symmetry < 0) weight[taps / 2] = 0;
}

static void run(fc_dtype from, fc_dtype to, const int64_t size[3], int64_t taps, int symmetry, fc_border border) {
    enum { MOST_TAPS = 80 };
    double weight[MOST_TAPS];
    weigh(weight, taps, symmetry);
    const int64_t n = size[1], after = size[2], count = size[0] * n * after, reach = (taps * 2 + symmetry + 1) / 5;
    fc_line_desc d = {sizeof d, from, to, 0, size[0], n, after};
    dense(d.x_stride, size, from), dense(d.y_stride, size, to);
    d.outputs = n, d.taps = taps, d.reach = reach, d.border = border, d.border_value = 0.5;
    d.divisor = symmetry ? 1 : 4;
    tensor x = numbers(from, count), y = numbers(to, count);
    doing("lines of %ld x %ld x %ld, %ld taps, symmetry %d, border %d", (long)size[0], (long)n, (long)after, (long)taps,
          symmetry, border);
    for (int threads = 1; threads <= 3; ++threads) {
        tensor_forget(&y);
        const fc_status status = fc_correlate_lines(&d, tensor_data(&x), weight, tensor_data(&y), threads);
        check(status == FC_OK, "%s", fc_status_message(status));
        check(tensor_intact(&y), "wrote outside y");
        if (threads > 1) check(tensor_unchanged(&y), "other bits with %d threads", threads);
        tensor_expect(&y);
    }
    for (int64_t i = 0; i < count; ++i) {
        const int64_t line = i / after / n, place = i / after % n, column = i % after;
        double sum = 0;
        for (int64_t t = 0; t < taps; ++t) {
            const int64_t p = inside(border, place + t - reach, n);
            sum += weight[t] * (p < 0 ? 0.5 : tensor_get(&x, (line * n + p) * after + column));
        }
        sum /= d.divisor;
        check_close(tensor_get(&y, i), to == FC_FLOAT32 ? (float)sum : sum, 0, "y");
    }
    tensor_free(&x);
    tensor_free(&y);
}

/* ---- all types, lying anyhow --------------------------------------------------------------------------------------- */

#define TYPES(each)                                                                                                    \
    each(FC_FLOAT32, float, float) each(FC_FLOAT64, double, double) each(FC_INT8, int8_t, int32_t)                     \
        each(FC_UINT8, uint8_t, int32_t) each(FC_INT16, int16_t, int32_t) each(FC_UINT16, uint16_t, int32_t)           \
            each(FC_INT32, int32_t, int32_t) each(FC_UINT32, uint32_t, int64_t) each(FC_INT64, int64_t, int64_t)       \
                each(FC_UINT64, uint64_t, uint64_t)

static size_t bytes_of(fc_dtype type) {
    switch (type) {
#define SIZE_OF(name, type, middle)                                                                                    \
    case name:                                                                                                         \
        return sizeof(type);
        TYPES(SIZE_OF)
    default:
        return 0;
    }
}

static void reverse(char *p, size_t size) {
    for (size_t i = 0; i < size / 2; ++i) {
        const char c = p[i];
        p[i] = p[size - 1 - i], p[size - 1 - i] = c;
    }
}

static void store(fc_dtype kind, char *p, double value, int swapped) {
    switch (kind) {
#define STORE(name, type, middle)                                                                                      \
    case name: {                                                                                                       \
        const type v = (type)(middle)value;                                                                            \
        memcpy(p, &v, sizeof v);                                                                                       \
        break;                                                                                                         \
    }
        TYPES(STORE)
    default:
        abort();
    }
    if (swapped) reverse(p, bytes_of(kind));
}

static double load(fc_dtype kind, const char *p, int swapped) {
    char copy[8];
    memcpy(copy, p, bytes_of(kind));
    if (swapped) reverse(copy, bytes_of(kind));
    switch (kind) {
#define LOAD(name, type, middle)                                                                                       \
    case name: {                                                                                                       \
        type v;                                                                                                        \
        memcpy(&v, copy, sizeof v);                                                                                    \
        return (double)v;                                                                                              \
    }
        TYPES(LOAD)
    default:
        abort();
    }
}

typedef enum lie { DENSE, STRIDED, TURNED, UNALIGNED, LIES } lie;

/* Strides of an array that lies so, the offset of its first element, and the bytes that it spans. */
static size_t lay(lie how, const int64_t size[3], size_t item, int64_t stride[3], int64_t *origin) {
    static const int ORDER[LIES][3] = {{2, 1, 0}, {2, 1, 0}, {1, 2, 0}, {2, 1, 0}};
    int64_t span = (int64_t)item;
    for (int i = 0; i < 3; ++i) {
        stride[ORDER[how][i]] = how == STRIDED ? 2 * span : span;
        span *= size[ORDER[how][i]] * (how == STRIDED ? 2 : 1);
    }
    *origin = how == UNALIGNED;
    if (how == STRIDED) *origin = (size[1] - 1) * stride[1], stride[1] = -stride[1];
    return (size_t)span + 1;
}

static void any(fc_dtype from, fc_dtype to, lie x_lie, lie y_lie, int swapped, const int64_t size[3], int64_t taps) {
    enum { MOST = 64 };
    double weight[MOST];
    for (int64_t t = 0; t < taps; ++t) weight[t] = (double)(t % 3) + 0.25;
    const int64_t n = size[1], first = n > 4 ? 3 : 0, outputs = n - first - (n > 6),
                  wanted[3] = {size[0], outputs, size[2]};
    fc_line_desc d = {sizeof d, from, to, swapped, size[0], n, size[2]};
    int64_t x_origin, y_origin;
    const size_t x_bytes = lay(x_lie, size, bytes_of(from), d.x_stride, &x_origin);
    const size_t y_bytes = lay(y_lie, wanted, bytes_of(to), d.y_stride, &y_origin);
    d.first = first, d.outputs = outputs, d.taps = taps, d.reach = taps / 3;
    d.border = FC_CONSTANT + (fc_border)(taps % 5), d.border_value = 0.5, d.divisor = 2;
    char *x = calloc(x_bytes, 1), *y = malloc(y_bytes), *want = malloc(y_bytes);
    if (!x || !y || !want) abort();
    memset(y, 0xA5, y_bytes), memset(want, 0xA5, y_bytes);
    doing("lines from type %d, lying %d, swapped %d, to type %d, lying %d, %ld x %ld x %ld, %ld taps", (int)from,
          (int)x_lie, swapped, (int)to, (int)y_lie, (long)size[0], (long)n, (long)size[2], (long)taps);
#define AT(stride, b, i, a) ((b) * (stride)[0] + (i) * (stride)[1] + (a) * (stride)[2])
    for (int64_t b = 0; b < size[0]; ++b)
        for (int64_t i = 0; i < n; ++i)
            for (int64_t a = 0; a < size[2]; ++a)
                store(from, x + x_origin + AT(d.x_stride, b, i, a), (double)((b * 31 + i * 17 + a * 7) % 120), swapped);
    for (int64_t b = 0; b < size[0]; ++b)
        for (int64_t i = 0; i < outputs; ++i)
            for (int64_t a = 0; a < size[2]; ++a) {
                double sum = 0;
                for (int64_t t = 0; t < taps; ++t) {
                    const int64_t p = inside(d.border, first + i + t - d.reach, n);
                    sum += weight[t] * (p < 0 ? 0.5 : load(from, x + x_origin + AT(d.x_stride, b, p, a), swapped));
                }
                store(to, want + y_origin + AT(d.y_stride, b, i, a), sum / d.divisor, 0);
            }
    for (int threads = 1; threads <= 2; ++threads) {
        memset(y, 0xA5, y_bytes);
        const fc_status status = fc_correlate_lines(&d, x + x_origin, weight, y + y_origin, threads);
        check(status == FC_OK, "%s", fc_status_message(status));
        check(memcmp(y, want, y_bytes) == 0, "other results");
    }
    free(x), free(y), free(want);
}

static void all_types(void) {
    static const fc_dtype ALL[] = {FC_FLOAT32, FC_FLOAT64, FC_INT8,   FC_UINT8, FC_INT16,
                                   FC_UINT16,  FC_INT32,   FC_UINT32, FC_INT64, FC_UINT64};
    static const int64_t SIZES[][3] = {{3, 9, 1}, {2, 37, 5}, {2, 3, 70}, {1, 40, 130}, {1, 700, 1}, {90, 3, 2}};
    static const int64_t TAPS[] = {1, 5, 61};
    enum { COUNT = sizeof ALL / sizeof ALL[0] };
    for (int from = 0; from < COUNT; ++from)
        for (int to = 0; to < COUNT - 1; ++to)
            for (size_t s = 0; s < sizeof SIZES / sizeof SIZES[0]; ++s)
                for (size_t t = 0; t < sizeof TAPS / sizeof TAPS[0]; ++t) {
                    const size_t mix = (size_t)from + (size_t)to * 3 + s + t;
                    any(ALL[from], ALL[to], (lie)(mix % LIES), (lie)(mix / 3 % LIES), mix % 5 == 0, SIZES[s], TAPS[t]);
                }
}

static void refuses(void) {
    double x[4] = {0}, y[4], weight[3] = {1, 1, 1};
    const fc_line_desc good = {sizeof good, FC_FLOAT64, FC_FLOAT64, 0, 1, 4,       1, {32, 8, 8},
                               {32, 8, 8},  0,          4,          3, 1, FC_EDGE, 0, 1};
    fc_line_desc d = good;
    doing("lines refuse");
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_OK, "what is right");
    check(fc_correlate_lines(&d, NULL, weight, y, 1) == FC_INVALID, "no x");
    d.n = d.outputs = 0;
    check(fc_correlate_lines(&d, NULL, weight, NULL, 1) == FC_OK, "nothing to do");
    d = good, d.struct_size = 4;
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_INVALID, "another struct");
    d = good, d.taps = 0;
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_INVALID, "no taps");
    d = good, d.reach = 3;
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_INVALID, "a reach beyond the taps");
    d = good, d.first = 1;
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_INVALID, "outputs beyond the axis");
    d = good, d.output_type = FC_UINT64;
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_UNSUPPORTED, "uint64 results");
    d = good, d.input_type = FC_BFLOAT16;
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_UNSUPPORTED, "bfloat16");
    d = good, d.before = INT64_MAX / 2;
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_OVERFLOW, "too many elements");
}

void test_lines(void) {
    static const int64_t SIZES[][3] = {{1, 1, 1},  {1, 9, 1},   {3, 2, 1},   {20, 70, 1}, {1, 5000, 1},  {5, 40, 3},
                                       {1, 7, 63}, {2, 40, 64}, {1, 70, 67}, {1, 3, 513}, {1, 70, 1030}, {700, 2, 1},
                                       {64, 5, 3}, {63, 5, 1},  {80, 29, 1}, {80, 33, 1}, {70, 9, 5}};
    static const int64_t TAPS[] = {1, 2, 3, 4, 17, 75};
    for (int isa = 0; isa < fc_isa_count(); ++isa) {
        if (!fc_isa_supported(isa)) continue;
        fc_set_isa(isa);
        for (size_t s = 0; s < sizeof SIZES / sizeof SIZES[0]; ++s)
            for (size_t t = 0; t < sizeof TAPS / sizeof TAPS[0]; ++t)
                for (int border = FC_CONSTANT; border <= FC_WRAP; ++border) {
                    const fc_dtype from = (s + t) % 2 ? FC_FLOAT32 : FC_FLOAT64;
                    const fc_dtype to = (s + (size_t)border) % 2 ? FC_FLOAT32 : FC_FLOAT64;
                    run(from, to, SIZES[s], TAPS[t], (border + (int)t) % 3 - 1, border);
                }
        all_types();
    }
    refuses();
}
