/* Filters along one axis against loops, exact numbers: sizes on both ways, kernels of every symmetry, borders, element types
 * x ISA x threads. */
#include "harness.h"

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
    const fc_line_desc d = {sizeof d, from, to, size[0], n, after, taps, reach, border, 0.5, symmetry ? 1 : 4};
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

static void refuses(void) {
    double x[4] = {0}, y[4], weight[3] = {1, 1, 1};
    const fc_line_desc good = {sizeof good, FC_FLOAT64, FC_FLOAT64, 1, 4, 1, 3, 1, FC_EDGE, 0, 1};
    fc_line_desc d = good;
    doing("lines refuse");
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_OK, "what is right");
    check(fc_correlate_lines(&d, NULL, weight, y, 1) == FC_INVALID, "no x");
    d.n = 0;
    check(fc_correlate_lines(&d, NULL, weight, NULL, 1) == FC_OK, "nothing to do");
    d = good, d.struct_size = 4;
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_INVALID, "another struct");
    d = good, d.taps = 0;
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_INVALID, "no taps");
    d = good, d.reach = 3;
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_INVALID, "a reach beyond the taps");
    d = good, d.before = INT64_MAX / 2;
    check(fc_correlate_lines(&d, x, weight, y, 1) == FC_OVERFLOW, "too many elements");
}

void test_lines(void) {
    static const int64_t SIZES[][3] = {{1, 1, 1},  {1, 9, 1},   {3, 2, 1},   {20, 70, 1}, {1, 5000, 1}, {5, 40, 3},
                                       {1, 7, 63}, {2, 40, 64}, {1, 70, 67}, {1, 3, 513}, {1, 70, 1030}};
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
    }
    refuses();
}
