/* Batch normalisation, forward and backward, in both layouts x element type x ISA x threads against loops in double. */
#include "harness.h"

#include <math.h>

typedef struct problem {
    fc_norm_desc desc;
    bool affine;
    tensor x, dy, weight, bias, mean, var, y, dx, dweight, dbias;
} problem;

static tensor numbers(fc_dtype type, int64_t count) {
    const int64_t size[FC_AXES] = {1, 1, 1, 1, count};
    tensor t = tensor_make(type, CHANNELS_FIRST, size);
    tensor_random(&t);
    return t;
}

static int64_t index_of(const fc_norm_desc *d, int64_t n, int64_t c, int64_t p) {
    return d->channels_last ? (n * d->points + p) * d->channels + c : (n * d->channels + c) * d->points + p;
}

/* One call with one thread and again with two: status, guards and the same bits. */
#define RUN(call, ...)                                                                                                 \
    do {                                                                                                               \
        tensor *outputs[] = {__VA_ARGS__};                                                                             \
        for (int threads = 1; threads <= 2; ++threads) {                                                               \
            for (size_t i = 0; i < sizeof outputs / sizeof *outputs; ++i) tensor_forget(outputs[i]);                   \
            const fc_status status = call;                                                                             \
            check(status == FC_OK, "%s", fc_status_message(status));                                                   \
            for (size_t i = 0; i < sizeof outputs / sizeof *outputs; ++i) {                                            \
                check(tensor_intact(outputs[i]), "wrote outside output %d", (int)i);                                   \
                if (threads == 2) check(tensor_unchanged(outputs[i]), "output %d has other bits", (int)i);             \
                tensor_expect(outputs[i]);                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

static double activate(const fc_norm_desc *d, double v) {
    if (d->activation == FC_RELU || d->activation == FC_RELU6) v = v > 0 ? v : 0;
    if (d->activation == FC_RELU6) v = v > 6 ? 6 : v;
    return d->activation == FC_LEAKY_RELU && v < 0 ? v * d->parameter : v;
}

static double derivative(const fc_norm_desc *d, double y) {
    if (d->activation == FC_IDENTITY) return 1;
    if (d->activation == FC_LEAKY_RELU) return y > 0 ? 1 : d->parameter;
    return y > 0 && (d->activation == FC_RELU || y < 6);
}

static void forward(problem *p) {
    const fc_norm_desc *d = &p->desc;
    void *weight = p->affine ? tensor_data(&p->weight) : NULL, *bias = p->affine ? tensor_data(&p->bias) : NULL;
#define CALL                                                                                                           \
    fc_batch_norm_forward(d, tensor_data(&p->x), weight, bias, tensor_data(&p->mean), tensor_data(&p->var),            \
                          tensor_data(&p->y), threads)
    if (d->training) {
        RUN(CALL, &p->y, &p->mean, &p->var);
    } else {
        RUN(CALL, &p->y);
    }
#undef CALL
    const double count = (double)d->n * (double)d->points, unit = epsilon(d->type);
    for (int64_t c = 0; c < d->channels; ++c) {
        long double mean = 0, var = 0; /* whose own rounding is out of the way */
        for (int64_t n = 0; n < d->n; ++n)
            for (int64_t i = 0; i < d->points; ++i) mean += tensor_get(&p->x, index_of(d, n, c, i));
        mean /= count;
        for (int64_t n = 0; n < d->n; ++n)
            for (int64_t i = 0; i < d->points; ++i) {
                const long double away = tensor_get(&p->x, index_of(d, n, c, i)) - mean;
                var += away * away;
            }
        var /= count;
        if (d->training) {
            const double size = fabs((double)mean) + sqrt((double)var);
            check_close(tensor_get(&p->mean, c), (double)mean, 4 * unit * size, "mean");
            check_close(tensor_get(&p->var, c), (double)var, 16 * unit * (double)var, "variance");
        }
        const double away = tensor_get(&p->mean, c), scale = 1 / sqrt(tensor_get(&p->var, c) + d->epsilon);
        for (int64_t n = 0; n < d->n; ++n)
            for (int64_t i = 0; i < d->points; ++i) {
                const int64_t at = index_of(d, n, c, i);
                const double hat = (tensor_get(&p->x, at) - away) * scale;
                const double plain = p->affine ? hat * tensor_get(&p->weight, c) + tensor_get(&p->bias, c) : hat;
                check_close(tensor_get(&p->y, at), activate(d, plain), 8 * unit * (2 + fabs(hat) * 2), "y");
            }
    }
}

static void backward(problem *p) {
    const fc_norm_desc *d = &p->desc;
    void *dy = tensor_data(&p->dy), *x = tensor_data(&p->x), *mean = tensor_data(&p->mean), *var = tensor_data(&p->var);
    void *weight = p->affine ? tensor_data(&p->weight) : NULL, *y = tensor_data(&p->y);
    RUN(fc_batch_norm_backward(d, dy, x, weight, mean, var, y, tensor_data(&p->dx), tensor_data(&p->dweight),
                               tensor_data(&p->dbias), threads),
        &p->dx, &p->dweight, &p->dbias);
    const double count = (double)d->n * (double)d->points, unit = epsilon(d->type);
    for (int64_t c = 0; c < d->channels; ++c) {
        const double away = tensor_get(&p->mean, c), deviation = sqrt(tensor_get(&p->var, c) + d->epsilon);
        long double total = 0, inner = 0;
        double sizes = 0, dots = 0;
        for (int64_t n = 0; n < d->n; ++n)
            for (int64_t i = 0; i < d->points; ++i) {
                const int64_t at = index_of(d, n, c, i);
                const double g = tensor_get(&p->dy, at) * derivative(d, tensor_get(&p->y, at));
                const double hat = (tensor_get(&p->x, at) - away) / deviation;
                total += g, inner += g * hat, sizes += fabs(g), dots += fabs(g * hat);
            }
        const double sum = (double)total, dot = (double)inner;
        check_close(tensor_get(&p->dbias, c), sum, 16 * unit * sizes, "dbias");
        check_close(tensor_get(&p->dweight, c), dot, 16 * unit * dots, "dweight");
        const double scale = (p->affine ? tensor_get(&p->weight, c) : 1) / deviation;
        for (int64_t n = 0; n < d->n; ++n)
            for (int64_t i = 0; i < d->points; ++i) {
                const int64_t at = index_of(d, n, c, i);
                const double g = tensor_get(&p->dy, at) * derivative(d, tensor_get(&p->y, at));
                const double hat = (tensor_get(&p->x, at) - away) / deviation;
                const double back = d->training ? (sum + hat * dot) / count : 0;
                const double size = fabs(g) + (sizes + fabs(hat) * dots) / count;
                check_close(tensor_get(&p->dx, at), scale * (g - back), 16 * unit * fabs(scale) * size, "dx");
            }
    }
    tensor_expect(&p->dx);
    fc_status status =
        fc_batch_norm_backward(d, dy, d->training ? x : NULL, weight, mean, var, y, tensor_data(&p->dx), NULL, NULL, 2);
    check(status == FC_OK && tensor_unchanged(&p->dx), "dx alone has other bits");
    tensor_expect(&p->dweight);
    status = fc_batch_norm_backward(d, dy, x, weight, mean, var, y, NULL, tensor_data(&p->dweight), NULL, 2);
    check(status == FC_OK && tensor_unchanged(&p->dweight), "dweight alone has other bits");
    status = fc_batch_norm_backward(d, dy, x, weight, mean, var, y, dy, NULL, NULL, 2);
    check(status == FC_OK, "%s", fc_status_message(status));
    for (int64_t i = 0; i < d->n * d->channels * d->points; ++i)
        check_close(tensor_get(&p->dy, i), tensor_get(&p->dx, i), 0, "dx in the place of dy");
}

static void run(fc_dtype type, const int64_t size[3], bool last, bool training, bool affine, fc_activation activation) {
    const int64_t count = size[0] * size[1] * size[2];
    problem p = {
        .affine = affine,
        .desc = {sizeof(fc_norm_desc), type, size[0], size[1], size[2], last, training, 1e-5, activation, 0.25}};
    tensor *all[] = {&p.x, &p.dy, &p.y, &p.dx, &p.weight, &p.bias, &p.mean, &p.var, &p.dweight, &p.dbias};
    for (int i = 0; i < 10; ++i) *all[i] = numbers(type, i < 4 ? count : size[1]);
    for (int64_t i = 0; i < count; ++i) tensor_set(&p.x, i, 3 * tensor_get(&p.x, i) + 5);
    for (int64_t c = 0; c < size[1]; ++c) tensor_set(&p.var, c, fabs(tensor_get(&p.var, c)) + 0.5);
    doing("batch norm of %ld x %ld x %ld, channels %s, %s, activation %d", (long)size[0], (long)size[1], (long)size[2],
          last ? "last" : "first", training ? "training" : "inference", activation);
    forward(&p);
    backward(&p);
    for (int i = 0; i < 10; ++i) tensor_free(all[i]);
}

static void test_results_past_the_caches(fc_dtype type, bool last) {
    fc_cpu_info cpu;
    fc_cpu(&cpu);
    const int64_t channels = 19, points = 3001;
    const int64_t n = cpu.l3_bytes / (int64_t)item_size(type) / channels / points + 1;
    if (cpu.l3_bytes > (int64_t)1 << 26) return; /* too large for a test */
    const int64_t size[3] = {n, channels, points};
    run(type, size, last, true, true, FC_RELU);
}

static void test_refusals(void) {
    float x[4] = {0}, mean[2] = {0}, var[2] = {1, 1};
    fc_norm_desc d = {sizeof d, FC_FLOAT32, 2, 2, 1, 0, 0, 1e-5, FC_IDENTITY, 0};
    doing("batch norm of what makes no sense");
    check(fc_batch_norm_forward(&d, x, NULL, NULL, mean, NULL, x, 1) == FC_INVALID, "no variance");
    check(fc_batch_norm_backward(&d, x, NULL, NULL, mean, var, NULL, x, mean, NULL, 1) == FC_INVALID, "no x");
    d.activation = FC_RELU;
    check(fc_batch_norm_backward(&d, x, x, NULL, mean, var, NULL, x, NULL, NULL, 1) == FC_INVALID, "no y");
    d.struct_size = 4;
    check(fc_batch_norm_forward(&d, x, NULL, NULL, mean, var, x, 1) == FC_INVALID, "another version");
}

void test_batch_norm(void) {
    /* one vector and less, planes of several pieces, several planes to a piece, few channels in parts, many rows */
    static const int64_t SIZES[][3] = {{2, 1, 1},    {3, 5, 1},     {2, 3, 7},   {5, 17, 49},
                                       {2, 2, 9001}, {20, 33, 130}, {9, 3, 64},  {700, 40, 1},
                                       {3, 16, 300}, {1, 300, 100}, {2, 9, 2050}};
    test_refusals();
    for (int last = 0; last < 2; ++last) test_results_past_the_caches(FC_FLOAT32, last);
    for (int isa = 0; isa < fc_isa_count(); ++isa) {
        if (fc_set_isa(isa) != FC_OK) continue;
        for (fc_dtype type = FC_FLOAT32; type <= FC_FLOAT64; ++type)
            for (int last = 0; last < 2; ++last) {
                for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; ++i)
                    for (int training = 0; training < 2; ++training) {
                        run(type, SIZES[i], last, training, true, (fc_activation)(i % 4));
                        run(type, SIZES[i], last, training, i % 2, FC_IDENTITY);
                    }
            }
    }
}
