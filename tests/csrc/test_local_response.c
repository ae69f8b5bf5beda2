/* Local response normalisation, forward and backward, in both layouts x element type x ISA x threads against loops in
 * double. */
#include "harness.h"

#include <math.h>

static tensor numbers(fc_dtype type, int64_t count) {
    const int64_t size[FC_AXES] = {1, 1, 1, 1, count};
    tensor t = tensor_make(type, CHANNELS_FIRST, size);
    tensor_random(&t);
    return t;
}

static double scale(const fc_response_desc *d, const tensor *x, int64_t first, int64_t c) {
    double sum = 0;
    for (int64_t j = c - d->size / 2; j <= c + (d->size - 1) / 2; ++j)
        if (j >= 0 && j < d->channels) sum += pow(tensor_get(x, first + j * d->points), 2);
    return d->k + d->share * sum;
}

static double gradient(const fc_response_desc *d, const tensor *x, const tensor *dy, int64_t first, int64_t c) {
    double through = 0;
    for (int64_t i = c - (d->size - 1) / 2; i <= c + d->size / 2; ++i)
        if (i >= 0 && i < d->channels)
            through += tensor_get(dy, first + i * d->points) * tensor_get(x, first + i * d->points) *
                       pow(scale(d, x, first, i), -d->beta - 1);
    return tensor_get(dy, first + c * d->points) * pow(scale(d, x, first, c), -d->beta) -
           2 * d->share * d->beta * tensor_get(x, first + c * d->points) * through;
}

static void run(fc_response_desc d) {
    const int64_t count = d.n * d.channels * d.points;
    tensor x = numbers(d.type, count), dy = numbers(d.type, count), y = numbers(d.type, count);
    for (int backward = 0; backward < 2; ++backward) {
        doing("local response of %ld x %ld x %ld, size %ld, beta %g, backward %d", (long)d.n, (long)d.channels,
              (long)d.points, (long)d.size, d.beta, backward);
        for (int threads = 1; threads <= 3; ++threads) {
            tensor_forget(&y);
            const fc_status status =
                fc_local_response(&d, tensor_data(&x), backward ? tensor_data(&dy) : NULL, tensor_data(&y), threads);
            check(status == FC_OK, "%s", fc_status_message(status));
            check(tensor_intact(&y), "wrote outside y");
            if (threads > 1) check(tensor_unchanged(&y), "other bits with %d threads", threads);
            tensor_expect(&y);
        }
        for (int64_t i = 0; i < count; ++i) {
            const int64_t c = i / d.points % d.channels, first = i - c * d.points;
            const double v =
                backward ? gradient(&d, &x, &dy, first, c) : tensor_get(&x, i) * pow(scale(&d, &x, first, c), -d.beta);
            check_close(tensor_get(&y, i), v, epsilon(d.type) * (backward ? 64 : 8 * fabs(v)), backward ? "dx" : "y");
        }
    }
    tensor_free(&x), tensor_free(&dy), tensor_free(&y);
}

static void test_refusals(void) {
    float x[4] = {0}, y[4];
    fc_response_desc d = {sizeof d, FC_FLOAT32, 1, 2, 2, 5, 1, 0.75, 1};
    doing("local response of what makes no sense");
    check(fc_local_response(&d, x, NULL, NULL, 1) == FC_INVALID, "no output");
    check(fc_local_response(&d, NULL, NULL, y, 1) == FC_INVALID, "no x");
    d.size = 0;
    check(fc_local_response(&d, x, NULL, y, 1) == FC_INVALID, "no window");
    d.size = 5, d.channels = 0;
    check(fc_local_response(&d, NULL, NULL, NULL, 1) == FC_OK, "nothing to do");
    d.type = FC_INT32;
    check(fc_local_response(&d, x, NULL, y, 1) == FC_UNSUPPORTED, "integers");
}

void test_local_response(void) {
    /* pixels of less than a vector, of more than a task; one is channels last, with windows that are whole and none */
    static const int64_t SIZES[][3] = {{2, 7, 3}, {1, 5, 40}, {1, 700, 37}, {3, 9, 1}, {450, 40, 1}, {2, 1, 9}};
    test_refusals();
    for (int isa = 0; isa < fc_isa_count(); ++isa) {
        if (fc_set_isa(isa) != FC_OK) continue;
        for (fc_dtype type = FC_FLOAT32; type <= FC_FLOAT64; ++type)
            for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; ++i)
                for (int64_t size = 1; size <= 30; size = size < 5 ? size + 1 : size * 6)
                    if (size == 5 || SIZES[i][0] * SIZES[i][1] * SIZES[i][2] < 1000)
                        run((fc_response_desc){sizeof(fc_response_desc), type, SIZES[i][0], SIZES[i][1], SIZES[i][2],
                                               size, 0.3, size == 4 ? 0.6 : 0.75, 1.5});
    }
}
