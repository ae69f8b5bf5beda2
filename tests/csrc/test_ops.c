/* Activations, linear, softmax and cross-entropy x element type x ISA x threads against loops in double. */
#include "harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static tensor vector(fc_dtype type, int64_t count) {
    int64_t size[FC_AXES] = {1, 1, 1, 1, count};
    tensor t = tensor_make(type, CHANNELS_FIRST, size);
    tensor_random(&t);
    return t;
}

/* The output is written, by one thread and again by two, with the same bits and nothing around it touched. */
#define RUN(out, call)                                                                                                 \
    do {                                                                                                               \
        for (int threads = 1; threads <= 2; ++threads) {                                                               \
            tensor_forget(out);                                                                                        \
            fc_status status = call;                                                                                   \
            check(status == FC_OK, "%s", fc_status_message(status));                                                   \
            check(tensor_intact(out), "wrote outside its output");                                                     \
            if (threads == 2) check(tensor_unchanged(out), "two threads give other bits than one");                    \
            tensor_expect(out);                                                                                        \
        }                                                                                                              \
    } while (0)

static double activate(fc_activation kind, double slope, double v) {
    switch (kind) {
    case FC_RELU:
        return v > 0 ? v : 0;
    case FC_RELU6:
        return v > 6 ? 6 : v > 0 ? v : 0;
    case FC_LEAKY_RELU:
        return v > 0 ? v : v * slope;
    default:
        return v;
    }
}

static double derivative(fc_activation kind, double slope, double y) {
    switch (kind) {
    case FC_RELU:
        return y > 0;
    case FC_RELU6:
        return y > 0 && y < 6;
    case FC_LEAKY_RELU:
        return y > 0 ? 1 : slope;
    default:
        return 1;
    }
}

static void test_activation(fc_dtype type, fc_activation kind, int64_t count) {
    const double slope = 0.25;
    tensor x = vector(type, count), y = vector(type, count), dy = vector(type, count), dx = vector(type, count);
    for (int64_t i = 0; i < count; ++i) tensor_set(&x, i, 4 * tensor_get(&x, i));
    doing("activation %d of %ld elements, forward", kind, (long)count);
    RUN(&y, fc_activation_forward(type, kind, slope, count, tensor_data(&x), tensor_data(&y), threads));
    for (int64_t i = 0; i < count; ++i)
        check_close(tensor_get(&y, i), activate(kind, slope, tensor_get(&x, i)), 0, "y");
    doing("activation %d of %ld elements, backward", kind, (long)count);
    RUN(&dx,
        fc_activation_backward(type, kind, slope, count, tensor_data(&y), tensor_data(&dy), tensor_data(&dx), threads));
    for (int64_t i = 0; i < count; ++i)
        check_close(tensor_get(&dx, i), derivative(kind, slope, tensor_get(&y, i)) * tensor_get(&dy, i), 0, "dx");
    doing("activation %d of %ld elements, in place", kind, (long)count);
    fc_status status = fc_activation_forward(type, kind, slope, count, tensor_data(&x), tensor_data(&x), 1);
    check(status == FC_OK, "%s", fc_status_message(status));
    for (int64_t i = 0; i < count; ++i) check_close(tensor_get(&x, i), tensor_get(&y, i), 0, "y");
    tensor_free(&x), tensor_free(&y), tensor_free(&dy), tensor_free(&dx);
}

static double smooth(fc_activation kind, double v) {
    const double ramp = fmin(fmax(v + 3, 0), 6) / 6;
    switch (kind) {
    case FC_SIGMOID:
        return 1 / (1 + exp(-v));
    case FC_TANH:
        return tanh(v);
    case FC_SILU:
        return v / (1 + exp(-v));
    case FC_GELU:
        return v * erfc(-v / sqrt(2)) / 2;
    case FC_GELU_TANH:
        return v / (1 + exp(-sqrt(8 / M_PI) * (v + 0.044715 * v * v * v)));
    case FC_HARDSIGMOID:
        return ramp;
    default:
        return v * ramp;
    }
}

/* Against the C library; the public functions' tests bound the error closer. */
static void test_smooth(fc_dtype type, fc_activation kind, int64_t count) {
    tensor x = vector(type, count), y = vector(type, count);
    for (int64_t i = 0; i < count; ++i) tensor_set(&x, i, 4 * tensor_get(&x, i));
    doing("smooth activation %d of %ld elements", kind, (long)count);
    RUN(&y, fc_activation_forward(type, kind, 0, count, tensor_data(&x), tensor_data(&y), threads));
    for (int64_t i = 0; i < count; ++i) {
        const double want = smooth(kind, tensor_get(&x, i));
        check_close(tensor_get(&y, i), want, 64 * epsilon(type) * fabs(want), "y");
    }
    fc_status status = fc_activation_forward(type, kind, 0, count, tensor_data(&x), tensor_data(&x), 2);
    check(status == FC_OK, "%s", fc_status_message(status));
    for (int64_t i = 0; i < count; ++i) check_close(tensor_get(&x, i), tensor_get(&y, i), 0, "y in place");
    status = fc_activation_backward(type, kind, 0, count, tensor_data(&x), tensor_data(&x), tensor_data(&y), 1);
    check(status == FC_INVALID, "took a function whose derivative its output does not tell");
    tensor_free(&x), tensor_free(&y);
}

/* out[r][c] = sum_k a(r, k) b(k, c) [+ bias[c]], where a and b are read through the given strides. */
static void check_product(const tensor *out, int64_t rows, int64_t columns, int64_t terms, const tensor *a,
                          int64_t a_row, int64_t a_term, const tensor *b, int64_t b_term, int64_t b_column,
                          const tensor *bias, fc_activation act) {
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) {
            double sum = bias ? tensor_get(bias, c) : 0, magnitude = fabs(sum);
            for (int64_t k = 0; k < terms; ++k) {
                double v = tensor_get(a, r * a_row + k * a_term) * tensor_get(b, k * b_term + c * b_column);
                sum += v, magnitude += fabs(v);
            }
            double unit = epsilon(out->type) * (4 + 2 * sqrt((double)terms));
            check_close(tensor_get(out, r * columns + c), activate(act, 0.25, sum), unit * magnitude, "product");
        }
}

static void test_linear(fc_dtype type, int64_t n, int64_t in, int64_t out, bool with_bias, fc_activation act) {
    tensor x = vector(type, n * in), w = vector(type, out * in), b = vector(type, out), y = vector(type, n * out);
    tensor dy = vector(type, n * out), dx = vector(type, n * in), dw = vector(type, out * in), db = vector(type, out);
    void *px = tensor_data(&x), *pw = tensor_data(&w), *pdy = tensor_data(&dy);
    doing("linear %ld x %ld -> %ld, forward", (long)n, (long)in, (long)out);
    RUN(&y, fc_linear_forward(type, n, in, out, px, pw, with_bias ? tensor_data(&b) : NULL, act, 0.25, tensor_data(&y),
                              threads));
    check_product(&y, n, out, in, &x, in, 1, &w, 1, in, with_bias ? &b : NULL, act);
    doing("linear %ld x %ld -> %ld, backward", (long)n, (long)in, (long)out);
    RUN(&dx, fc_linear_backward(type, n, in, out, NULL, pw, pdy, tensor_data(&dx), NULL, NULL, threads));
    check_product(&dx, n, in, out, &dy, out, 1, &w, in, 1, NULL, FC_IDENTITY);
    RUN(&dw, fc_linear_backward(type, n, in, out, px, NULL, pdy, NULL, tensor_data(&dw), NULL, threads));
    check_product(&dw, out, in, n, &dy, 1, out, &x, in, 1, NULL, FC_IDENTITY);
    RUN(&db, fc_linear_backward(type, n, in, out, NULL, NULL, pdy, NULL, NULL, tensor_data(&db), threads));
    for (int64_t o = 0; o < out; ++o) {
        double sum = 0, magnitude = 0;
        for (int64_t r = 0; r < n; ++r)
            sum += tensor_get(&dy, r * out + o), magnitude += fabs(tensor_get(&dy, r * out + o));
        check_close(tensor_get(&db, o), sum, epsilon(type) * (4 + sqrt((double)n)) * magnitude, "db");
    }
    tensor *all[] = {&x, &w, &b, &y, &dy, &dx, &dw, &db};
    for (int i = 0; i < 8; ++i) tensor_free(all[i]);
}

/* How the matrices lie: rows or columns side by side, elements apart, or backwards. */
typedef enum order { ROWS, COLUMNS, APART, BACKWARDS, ORDERS } order;

static void set_strides(int64_t stride[2], order how, int64_t rows, int64_t columns) {
    stride[0] = how == COLUMNS ? 1 : how == APART ? 2 * columns : columns;
    stride[1] = how == COLUMNS ? rows : how == APART ? 2 : 1;
    if (how == BACKWARDS) stride[0] = -stride[0], stride[1] = -stride[1];
}

static void *first_element(const tensor *t, order how) {
    return (char *)tensor_data(t) + (how == BACKWARDS ? t->size[FC_AXES - 1] - 1 : 0) * (int64_t)item_size(t->type);
}

/* Two batch axes, of which b has the second only; rows of c lie apart. */
static void test_matmul(fc_dtype type, const int64_t size[3], order a_how, order b_how, double scale) {
    const int64_t rows = size[0], depth = size[1], columns = size[2], ldc = columns + 3;
    fc_matmul_desc d = {sizeof d, type, {1, 2, 1, 3}, rows, depth, columns};
    d.scale = scale;
    set_strides(d.a_stride + FC_MATMUL_BATCH, a_how, rows, depth);
    set_strides(d.b_stride + FC_MATMUL_BATCH, b_how, depth, columns);
    const int a_sign = a_how == BACKWARDS ? -1 : 1, b_sign = b_how == BACKWARDS ? -1 : 1;
    const int64_t a_size = rows * depth * (a_how == APART ? 2 : 1), b_size = depth * columns * (b_how == APART ? 2 : 1);
    d.a_stride[3] = a_size * a_sign, d.a_stride[1] = 3 * a_size * a_sign;
    d.b_stride[3] = b_size * b_sign;
    d.c_stride[3] = rows * ldc, d.c_stride[1] = 3 * rows * ldc, d.c_stride[4] = ldc, d.c_stride[5] = 1;
    tensor a = vector(type, 6 * a_size), b = vector(type, 3 * b_size), c = vector(type, 6 * rows * ldc);
    doing("matmul %ld x %ld x %ld, a %d, b %d, times %g", (long)rows, (long)depth, (long)columns, a_how, b_how, scale);
    void *pa = first_element(&a, a_how), *pb = first_element(&b, b_how);
    RUN(&c, fc_matmul(&d, pa, pb, tensor_data(&c), threads));
    for (int64_t product = 0; product < 6; ++product)
        for (int64_t m = 0; m < rows; ++m)
            for (int64_t n = 0; n < columns; ++n) {
                double sum = 0, magnitude = 0;
                for (int64_t k = 0; k < depth; ++k) {
                    const int64_t i = product * d.a_stride[3] + m * d.a_stride[4] + k * d.a_stride[5];
                    const int64_t j = product % 3 * d.b_stride[3] + k * d.b_stride[4] + n * d.b_stride[5];
                    const double v = get(type, pa, i) * scale * get(type, pb, j);
                    sum += v, magnitude += fabs(v);
                }
                check_close(get(type, tensor_data(&c), product * rows * ldc + m * ldc + n), sum,
                            epsilon(type) * (4 + 2 * sqrt((double)depth)) * magnitude, "product");
            }
    tensor untouched = vector(type, 6 * rows * ldc);
    tensor_forget(&untouched);
    for (int64_t i = 0; i < 6 * rows * ldc; ++i)
        if (i % ldc >= columns)
            check(memcmp((char *)tensor_data(&c) + i * (int64_t)item_size(type),
                         (char *)tensor_data(&untouched) + i * (int64_t)item_size(type), item_size(type)) == 0,
                  "wrote between rows");
    tensor_free(&a), tensor_free(&b), tensor_free(&c), tensor_free(&untouched);
}

static void test_bad_matmul(void) {
    float x[4] = {0}, y[4];
    fc_matmul_desc d = {sizeof d, FC_FLOAT32, {1, 1, 1, 1}, 2, 1, 2};
    doing("matmul of what makes no sense");
    d.c_stride[5] = 2;
    check(fc_matmul(&d, x, x, y, 1) == FC_UNSUPPORTED, "columns that lie apart");
    d.c_stride[5] = 1;
    check(fc_matmul(&d, x, x, NULL, 1) == FC_INVALID, "no c");
    check(fc_matmul(&d, NULL, x, y, 1) == FC_INVALID, "no a");
    d.batch[0] = d.batch[1] = d.batch[2] = INT64_MAX / 2;
    check(fc_matmul(&d, x, x, y, 1) == FC_OVERFLOW, "more products than numbers");
    d.batch[0] = 0, d.batch[1] = d.batch[2] = 1;
    check(fc_matmul(&d, NULL, NULL, NULL, 1) == FC_OK, "nothing to do");
}

static void test_layer_norm(fc_dtype type, int64_t rows, int64_t count, bool weighed) {
    tensor x = vector(type, rows * count), y = vector(type, rows * count), mean = vector(type, rows);
    tensor inverse = vector(type, rows), weight = vector(type, count), bias = vector(type, count);
    const double eps = 1e-3;
    const void *by = weighed ? tensor_data(&weight) : NULL, *plus = weighed ? tensor_data(&bias) : NULL;
    for (int64_t i = 0; i < rows * count; ++i) tensor_set(&x, i, tensor_get(&x, i) + 7);
    doing("layer norm of %ld x %ld", (long)rows, (long)count);
    RUN(&y, fc_layer_norm(type, rows, count, eps, tensor_data(&x), by, plus, tensor_data(&y), NULL, NULL, threads));
    RUN(&mean, fc_layer_norm(type, rows, count, eps, tensor_data(&x), by, plus, tensor_data(&y), tensor_data(&mean),
                             tensor_data(&inverse), threads));
    for (int64_t r = 0; r < rows; ++r) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < count; ++i) sum += tensor_get(&x, r * count + i);
        for (int64_t i = 0; i < count; ++i) squares += pow(tensor_get(&x, r * count + i) - sum / (double)count, 2);
        const double middle = sum / (double)count, scale = 1 / sqrt(squares / (double)count + eps);
        check_close(tensor_get(&mean, r), middle, 8 * 8 * epsilon(type), "mean");
        check_close(tensor_get(&inverse, r), scale, 64 * epsilon(type) * scale, "inverse");
        for (int64_t i = 0; i < count; ++i) {
            double want = (tensor_get(&x, r * count + i) - middle) * scale, magnitude = 1 + fabs(want);
            if (weighed) {
                magnitude = 1 + fabs(want * tensor_get(&weight, i)) + fabs(tensor_get(&bias, i));
                want = want * tensor_get(&weight, i) + tensor_get(&bias, i);
            }
            check_close(tensor_get(&y, r * count + i), want, 64 * epsilon(type) * magnitude * (1 + scale), "y");
        }
    }
    fc_status status = fc_layer_norm(type, rows, count, eps, tensor_data(&x), by, plus, tensor_data(&x), NULL, NULL, 2);
    check(status == FC_OK && tensor_same_bits(&x, &y), "other bits in place");
    tensor *all[] = {&x, &y, &mean, &inverse, &weight, &bias};
    for (int i = 0; i < 6; ++i) tensor_free(all[i]);
}

static void test_softmax(fc_dtype type, int64_t rows, int64_t classes, double scale) {
    int64_t count = rows * classes;
    tensor x = vector(type, count), y = vector(type, count), dy = vector(type, count), dx = vector(type, count);
    tensor losses = vector(type, rows), shared = vector(type, count), logarithm = vector(type, count);
    int64_t *labels = malloc((size_t)rows * sizeof *labels + 1);
    for (int64_t i = 0; i < count; ++i) tensor_set(&x, i, scale * tensor_get(&x, i));
    for (int64_t r = 0; r < rows; ++r) labels[r] = (r * 7 + 3) % classes;
    double tolerance = 16 * epsilon(type);
    doing("softmax of %ld x %ld times %g", (long)rows, (long)classes, scale);
    RUN(&y, fc_softmax_forward(type, rows, classes, tensor_data(&x), tensor_data(&y), threads));
    RUN(&logarithm, fc_log_softmax_forward(type, rows, classes, tensor_data(&x), tensor_data(&logarithm), threads));
    RUN(&dx, fc_softmax_backward(type, rows, classes, tensor_data(&y), tensor_data(&dy), tensor_data(&dx), threads));
    RUN(&losses, fc_softmax_cross_entropy(type, rows, classes, tensor_data(&x), labels, 0.5, tensor_data(&losses), NULL,
                                          threads));
    RUN(&shared, fc_softmax_cross_entropy(type, rows, classes, tensor_data(&x), labels, 0.5, tensor_data(&losses),
                                          tensor_data(&shared), threads));
    for (int64_t r = 0; r < rows; ++r) {
        double top = -INFINITY, sum = 0, dot = 0;
        for (int64_t c = 0; c < classes; ++c) top = fmax(top, tensor_get(&x, r * classes + c));
        for (int64_t c = 0; c < classes; ++c) sum += exp(tensor_get(&x, r * classes + c) - top);
        for (int64_t c = 0; c < classes; ++c) dot += tensor_get(&y, r * classes + c) * tensor_get(&dy, r * classes + c);
        double loss = top + log(sum) - tensor_get(&x, r * classes + labels[r]);
        check_close(tensor_get(&losses, r), loss, tolerance * (4 + fabs(loss) + fabs(top)), "loss");
        for (int64_t c = 0; c < classes; ++c) {
            int64_t i = r * classes + c;
            double want = exp(tensor_get(&x, i) - top) / sum;
            check_close(tensor_get(&y, i), want, tolerance * (want + 1e-6) * (1 + fabs(top)), "softmax");
            check_close(tensor_get(&logarithm, i), tensor_get(&x, i) - top - log(sum),
                        tolerance * (1 + fabs(tensor_get(&x, i) - top)), "logarithm");
            check_close(tensor_get(&dx, i), tensor_get(&y, i) * (tensor_get(&dy, i) - dot),
                        tolerance * 4 * (fabs(dot) + 2) * (tensor_get(&y, i) + 1e-6), "dx");
            check_close(tensor_get(&shared, i), (want - (c == labels[r])) * 0.5, tolerance * (1 + fabs(top)),
                        "dlogits");
        }
    }
    if (rows > 0) {
        labels[rows - 1] = classes;
        fc_status status =
            fc_softmax_cross_entropy(type, rows, classes, tensor_data(&x), labels, 1, tensor_data(&losses), NULL, 2);
        check(status == FC_INVALID, "took a label that is no class");
        labels[rows - 1] = -1;
        status =
            fc_softmax_cross_entropy(type, rows, classes, tensor_data(&x), labels, 1, tensor_data(&losses), NULL, 2);
        check(status == FC_INVALID, "took a negative label");
    }
    free(labels);
    tensor *all[] = {&x, &y, &dy, &dx, &losses, &shared, &logarithm};
    for (int i = 0; i < 7; ++i) tensor_free(all[i]);
}

static void test_peaks(void) {
    double rate = -1;
    for (int type = FC_FLOAT32; type <= FC_FLOAT64; ++type) {
        doing("multiply-adds of %s, %s", fc_isa_name(fc_isa()), type == FC_FLOAT32 ? "float32" : "float64");
        for (int threads = 0; threads <= 2; ++threads)
            check(fc_measure_multiply_adds((fc_dtype)type, threads, &rate) == FC_OK && rate > 1e5 && isfinite(rate),
                  "%g a second on %d threads", rate, threads);
    }
    doing("peaks that cannot be measured");
    check(fc_measure_multiply_adds(FC_BFLOAT16, 1, &rate) == FC_UNSUPPORTED && rate == 0, "bfloat16 has no kernels");
    for (int64_t bytes = 1; bytes <= 1 << 20; bytes *= 32) {
        doing("copy of %lld bytes", (long long)bytes);
        check(fc_measure_copy(bytes, 2, &rate) == FC_OK && rate > 0 && isfinite(rate), "%g bytes a second", rate);
    }
    check(fc_measure_copy(0, 1, &rate) == FC_INVALID && fc_measure_copy(INT64_MAX, 1, &rate) == FC_INVALID,
          "sizes that make no sense");
}

void test_ops(void) {
    static const int64_t COUNTS[] = {0, 1, 7, 16, 33, 5000, 100003};
    static const int64_t LINEAR[][3] = {{1, 1, 1},    {3, 5, 7}, {64, 400, 120}, {5, 84, 10},
                                        {17, 33, 31}, {0, 4, 3}, {2, 700, 1}};
    static const int64_t SOFTMAX[][2] = {{1, 1}, {64, 10}, {3, 17}, {5, 1000}, {0, 4}, {2, 3}};
    /* a part of a strip, strips and parts of rows, more rows than the second cache holds, few rows */
    static const int64_t MATMUL[][3] = {{5, 3, 7}, {50, 64, 50}, {197, 20, 64}, {1, 9, 40}, {3, 0, 5}, {130, 3000, 2}};
    static const int64_t LAYERS[][2] = {{1, 1}, {7, 3}, {40, 192}, {3, 5000}, {0, 4}};
    test_bad_matmul();
    for (int isa = 0; isa < fc_isa_count(); ++isa) {
        if (fc_set_isa(isa) != FC_OK) continue;
        test_peaks();
        for (int type = FC_FLOAT32; type <= FC_FLOAT64; ++type) {
            for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; ++i)
                for (int kind = FC_IDENTITY; kind <= FC_LEAKY_RELU; ++kind) test_activation(type, kind, COUNTS[i]);
            for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; ++i)
                for (int kind = FC_SIGMOID; kind <= FC_HARDSWISH; ++kind) test_smooth(type, kind, COUNTS[i]);
            for (size_t i = 0; i < sizeof LINEAR / sizeof LINEAR[0]; ++i) {
                test_linear(type, LINEAR[i][0], LINEAR[i][1], LINEAR[i][2], true, FC_RELU);
                test_linear(type, LINEAR[i][0], LINEAR[i][1], LINEAR[i][2], false, FC_IDENTITY);
            }
            for (size_t i = 0; i < sizeof MATMUL / sizeof MATMUL[0]; ++i)
                for (int how = 0; how < (MATMUL[i][0] * MATMUL[i][1] * MATMUL[i][2] > 200000 ? 2 : 2 * ORDERS); ++how)
                    test_matmul(type, MATMUL[i], (order)((how + 1) % ORDERS), (order)(how % ORDERS),
                                how % 2 ? 1 : 0.5 + (how > ORDERS));
            for (size_t i = 0; i < sizeof LAYERS / sizeof LAYERS[0]; ++i)
                for (int weighed = 0; weighed < 2; ++weighed)
                    test_layer_norm(type, LAYERS[i][0], LAYERS[i][1], weighed);
            for (size_t i = 0; i < sizeof SOFTMAX / sizeof SOFTMAX[0]; ++i) {
                test_softmax(type, SOFTMAX[i][0], SOFTMAX[i][1], 1);
                test_softmax(type, SOFTMAX[i][0], SOFTMAX[i][1], 40);
            }
        }
    }
}
