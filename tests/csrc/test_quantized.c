/* Small integers that stand for real numbers: every pair of types and operation x ISA x threads against double, in steps of
 * the result; tables; arguments that make no sense. */
#include "harness.h"

#include <math.h>
#include <stdlib.h>

static int lowest(fc_dtype type) { return type == FC_INT8 ? -128 : 0; }

static tensor numbers(fc_dtype type, int64_t count) {
    int64_t size[FC_AXES] = {1, 1, 1, 1, count};
    tensor t = tensor_make(type, CHANNELS_FIRST, size);
    if (type == FC_FLOAT32) {
        tensor_random(&t);
    } else {
        for (int64_t i = 0; i < count; ++i) tensor_set(&t, i, lowest(type) + (int)(i * 37 % 256));
    }
    return t;
}

static double real_at(const tensor *t, const fc_meaning *m, int64_t i) {
    const double q = tensor_get(t, i);
    return m->type == FC_FLOAT32 ? q : (q - m->zero) * (double)m->scale;
}

static void test_combine(fc_meaning a, const fc_meaning *b, fc_meaning y, int product, int64_t count, int64_t every,
                         int64_t period) {
    doing("%s: types %d %d to %d, %s, %ld elements, %ld shared of %ld", fc_isa_name(fc_isa()), a.type,
          b ? (int)b->type : -1, y.type, product ? "product" : "sum", (long)count, (long)every, (long)period);
    tensor left = numbers(a.type, count), right = numbers(b ? b->type : FC_FLOAT32, b ? period : 0);
    tensor out = numbers(y.type, count);
    fc_combine_desc d = {
        .struct_size = sizeof d, .a = a, .y = y, .product = product, .count = count, .every = every, .period = period};
    if (b) d.b = *b;
    for (int threads = 1; threads <= 2; ++threads) {
        tensor_forget(&out);
        const fc_status status =
            fc_combine(&d, tensor_data(&left), b ? tensor_data(&right) : NULL, tensor_data(&out), threads);
        check(status == FC_OK, "%s", fc_status_message(status));
        check(tensor_intact(&out), "wrote outside its output");
        if (threads == 2) check(tensor_unchanged(&out), "two threads give other bits than one");
        tensor_expect(&out);
    }
    for (int64_t i = 0; i < count; ++i) {
        double v = real_at(&left, &a, i);
        const double w = b ? real_at(&right, b, i / every % period) : 0;
        if (b) v = product ? v * w : v + w;
        if (y.type == FC_FLOAT32) {
            check_close(tensor_get(&out, i), v, 1e-6 * (fabs(v) + 1), "real");
        } else {
            const double low = lowest(y.type), steps = v / (double)y.scale + y.zero;
            check_close(tensor_get(&out, i), fmin(fmax(steps, low), low + 255), 0.5 + 1e-4, "steps");
        }
    }
    tensor_free(&left), tensor_free(&right), tensor_free(&out);
}

static void test_lookup(int64_t count) {
    doing("a table, %ld elements", (long)count);
    tensor x = numbers(FC_UINT8, count), y = numbers(FC_UINT8, count);
    uint8_t table[256];
    for (int i = 0; i < 256; ++i) table[i] = (uint8_t)(i * 91 + 7);
    for (int threads = 1; threads <= 2; ++threads) {
        tensor_forget(&y);
        check(fc_lookup(table, count, tensor_data(&x), tensor_data(&y), threads) == FC_OK, "refused");
        check(tensor_intact(&y), "wrote outside its output");
        for (int64_t i = 0; i < count; ++i)
            check(tensor_get(&y, i) == table[(int)tensor_get(&x, i)], "element %ld", (long)i);
    }
    tensor_free(&x), tensor_free(&y);
}

static void test_arguments(void) {
    static const uint8_t table[256] = {0};
    float x[4] = {0};
    uint8_t y[4];
    const fc_combine_desc good = {
        .struct_size = sizeof good, .a = {FC_FLOAT32, 0, 1}, .y = {FC_UINT8, 3, 0.5f}, .count = 4};
    doing("arguments of fc_combine");
    check(fc_combine(&good, x, NULL, y, 1) == FC_OK, "refused");
    check(y[0] == 3 && y[3] == 3, "a zero is not its zero point");
    fc_combine_desc bad[8];
    for (int i = 0; i < 8; ++i) bad[i] = good;
    bad[0].struct_size = 1, bad[1].count = -1, bad[2].y.scale = 0, bad[3].y.scale = INFINITY, bad[4].y.zero = 256;
    bad[5].y.zero = -1, bad[6].y.type = FC_FLOAT64, bad[7].a.type = FC_INT32;
    for (int i = 0; i < 8; ++i) check(fc_combine(&bad[i], x, NULL, y, 1) == FC_INVALID, "took bad argument %d", i);
    check(fc_combine(&good, x, y, y, 1) == FC_INVALID, "took an operand that no element belongs to");
    x[1] = NAN, x[2] = INFINITY, x[3] = -INFINITY;
    fc_combine_desc low = good;
    low.y.type = FC_INT8;
    for (int isa = 0; isa < fc_isa_count(); ++isa) {
        if (fc_set_isa(isa) != FC_OK) continue;
        check(fc_combine(&good, x, NULL, y, 1) == FC_OK && y[1] == 0 && y[2] == 255 && y[3] == 0, "NaN, ends of uint8");
        check(fc_combine(&low, x, NULL, y, 1) == FC_OK && y[1] == 0x80 && y[2] == 127 && y[3] == 0x80, "of int8");
    }
    check(fc_combine(&good, NULL, NULL, y, 1) == FC_INVALID && fc_combine(NULL, x, NULL, y, 1) == FC_INVALID, "NULL");
    check(fc_lookup(NULL, 1, y, y, 1) == FC_INVALID && fc_lookup(table, -1, y, y, 1) == FC_INVALID, "bad tables");
}

void test_quantized(void) {
    static const int64_t COUNTS[] = {0, 1, 7, 16, 35, 40003};
    static const fc_meaning MEANINGS[] = {{FC_FLOAT32, 0, 1},
                                          {FC_UINT8, 0, 0.013f},
                                          {FC_UINT8, 255, 0.31f},
                                          {FC_INT8, -128, 0.007f},
                                          {FC_INT8, 5, 0.02f}};
    enum { MEANING_COUNT = sizeof MEANINGS / sizeof MEANINGS[0] };
    for (int isa = 0; isa < fc_isa_count(); ++isa) {
        if (fc_set_isa(isa) != FC_OK) continue;
        for (int a = 0; a < MEANING_COUNT; ++a)
            for (int y = 0; y < MEANING_COUNT; ++y)
                for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; ++i) {
                    const fc_meaning b = MEANINGS[(a + y + i) % MEANING_COUNT];
                    const int64_t n = COUNTS[i], all = n > 1 ? n : 1;
                    test_combine(MEANINGS[a], NULL, MEANINGS[y], 0, n, 1, all);
                    test_combine(MEANINGS[a], &b, MEANINGS[y], 0, n, 1, all);
                    test_combine(MEANINGS[a], &b, MEANINGS[y], 1, n, 1, all);
                    test_combine(MEANINGS[a], &b, MEANINGS[y], 0, n, 1, 5);
                    test_combine(MEANINGS[a], &b, MEANINGS[y], 1, n, 19, 7);
                }
    }
    test_lookup(1), test_lookup(40003);
    test_arguments();
}
