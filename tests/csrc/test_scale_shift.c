/* Scales and shifts of channels, with every operand and without, in both layouts x element type x ISA x threads against
 * loops in double. */
#include "harness.h"

#include <math.h>

static tensor numbers(fc_dtype type, int64_t count) {
    const int64_t size[FC_AXES] = {1, 1, 1, 1, count};
    tensor t = tensor_make(type, CHANNELS_FIRST, size);
    tensor_random(&t);
    return t;
}

static double activate(const fc_scale_desc *d, double v) {
    if (d->activation == FC_RELU || d->activation == FC_RELU6) v = v > 0 ? v : 0;
    if (d->activation == FC_RELU6) v = v > 6 ? 6 : v;
    return d->activation == FC_LEAKY_RELU && v < 0 ? v * d->parameter : v;
}

static double coefficient(const tensor *t, int by_image, const fc_scale_desc *d, int64_t n, int64_t c) {
    return tensor_get(t, by_image ? n * d->channels + c : c);
}

/* given: bits for scale, shift and residual; by_image: bits for scale and shift. */
static void run(fc_dtype type, const int64_t size[3], bool last, int given, int by_image, fc_activation activation) {
    const int64_t count = size[0] * size[1] * size[2];
    const fc_scale_desc d = {sizeof d, type,         size[0],       size[1],    size[2],
                             last,     by_image & 1, by_image >> 1, activation, 0.25};
    tensor x = numbers(type, count), residual = numbers(type, count), y = numbers(type, count);
    tensor scale = numbers(type, size[1] * (by_image & 1 ? size[0] : 1));
    tensor shift = numbers(type, size[1] * (by_image & 2 ? size[0] : 1));
    const void *by = given & 1 ? tensor_data(&scale) : NULL, *plus = given & 2 ? tensor_data(&shift) : NULL;
    const void *added = given & 4 ? tensor_data(&residual) : NULL;
    doing("scale and shift of %ld x %ld x %ld, channels %s, given %d, by image %d, activation %d", (long)size[0],
          (long)size[1], (long)size[2], last ? "last" : "first", given, by_image, activation);
    for (int threads = 1; threads <= 3; ++threads) {
        tensor_forget(&y);
        const fc_status status = fc_scale_shift(&d, tensor_data(&x), by, plus, added, tensor_data(&y), threads);
        check(status == FC_OK, "%s", fc_status_message(status));
        check(tensor_intact(&y), "wrote outside y");
        if (threads > 1) check(tensor_unchanged(&y), "other bits with %d threads", threads);
        tensor_expect(&y);
    }
    for (int64_t i = 0; i < count; ++i) {
        const int64_t n = i / (d.channels * d.points);
        const int64_t c = last ? i % d.channels : i / d.points % d.channels;
        double v = tensor_get(&x, i);
        if (given & 1) v *= coefficient(&scale, by_image & 1, &d, n, c);
        if (given & 2) v += coefficient(&shift, by_image & 2, &d, n, c);
        if (given & 4) v += tensor_get(&residual, i);
        check_close(tensor_get(&y, i), activate(&d, v), 4 * epsilon(type) * (1 + fabs(v)), "y");
    }
    tensor *into[] = {&x, &residual};
    for (int i = 0; i < (given & 4 ? 2 : 1); ++i) {
        tensor kept = numbers(type, count);
        for (int64_t e = 0; e < count; ++e) tensor_set(&kept, e, tensor_get(into[i], e));
        void *data = tensor_data(into[i]);
        const fc_status status = fc_scale_shift(&d, tensor_data(&x), by, plus, added, data, 2);
        check(status == FC_OK && tensor_same_bits(into[i], &y), "other bits in the place of operand %d", i);
        for (int64_t e = 0; e < count; ++e) tensor_set(into[i], e, tensor_get(&kept, e));
        tensor_free(&kept);
    }
    tensor *all[] = {&x, &residual, &y, &scale, &shift};
    for (int i = 0; i < 5; ++i) tensor_free(all[i]);
}

/* Large enough to be written past the caches. */
static void test_results_past_the_caches(bool last) {
    fc_cpu_info cpu;
    fc_cpu(&cpu);
    if (cpu.l3_bytes > (int64_t)1 << 26) return; /* too large for a test */
    const int64_t channels = 19, points = 3001, size[3] = {cpu.l3_bytes / 4 / channels / points + 1, channels, points};
    run(FC_FLOAT32, size, last, 7, 1, FC_RELU);
}

static void test_refusals(void) {
    float x[4] = {0}, y[4];
    fc_scale_desc d = {sizeof d, FC_FLOAT32, 2, 2, 1, 0, 0, 0, FC_IDENTITY, 0};
    doing("scale and shift of what makes no sense");
    check(fc_scale_shift(&d, x, NULL, NULL, NULL, NULL, 1) == FC_INVALID, "no y");
    check(fc_scale_shift(&d, NULL, NULL, NULL, NULL, y, 1) == FC_INVALID, "no x");
    d.activation = (fc_activation)(FC_LEAKY_RELU + 1);
    check(fc_scale_shift(&d, x, NULL, NULL, NULL, y, 1) == FC_INVALID, "another activation");
    d.activation = FC_IDENTITY, d.n = 0;
    check(fc_scale_shift(&d, NULL, NULL, NULL, NULL, NULL, 1) == FC_OK, "nothing to do");
    d.struct_size = 4;
    check(fc_scale_shift(&d, x, NULL, NULL, NULL, y, 1) == FC_INVALID, "another version");
}

void test_scale_shift(void) {
    /* one vector and less, tasks that end within a plane, a row, an image */
    static const int64_t SIZES[][3] = {{2, 1, 1},    {3, 5, 1},    {2, 3, 7},     {5, 17, 49},
                                       {2, 2, 9001}, {7, 33, 130}, {1, 40000, 1}, {3, 700, 17}};
    test_refusals();
    for (int last = 0; last < 2; ++last) test_results_past_the_caches(last);
    for (int isa = 0; isa < fc_isa_count(); ++isa) {
        if (fc_set_isa(isa) != FC_OK) continue;
        for (fc_dtype type = FC_FLOAT32; type <= FC_FLOAT64; ++type)
            for (int last = 0; last < 2; ++last)
                for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; ++i)
                    for (int given = 0; given < 8; ++given)
                        run(type, SIZES[i], last, given, (given + (int)i) % 4, (fc_activation)((given + i) % 4));
    }
}
