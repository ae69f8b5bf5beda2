/* quantized.c: small integers that stand for real numbers, element by element: made, read, added, multiplied, looked up. */
#include <math.h>
#include <string.h>

#include "core/cpu.h"
#include "core/numbers.h"
#include "core/parallel.h"
#include "microkernels/kernels.h"

/* Elements of a task, and work that is not worth a second thread. */
enum { CHUNK = 1 << 15, SERIAL_BELOW = 1 << 16 };

typedef struct job {
    const fc_kernels *kernels;
    const fc_combine_desc *desc;
    const uint8_t *table;
    int64_t count;
    const char *a, *b;
    char *y;
} job;

static int64_t size_of(fc_dtype type) { return type == FC_FLOAT32 ? 4 : 1; }

/* `count` elements from `from` on, which meet neighbours of b (step 1), or of a whole vector of it the first (step 0): whole
 * vectors where the elements lie, then the rest by way of a vector on the stack. */
static void piece(const job *j, int64_t from, int64_t count, const char *b, int64_t step) {
    const fc_combine_desc *d = j->desc;
    const int64_t lanes = j->kernels->lanes, whole = count - count % lanes;
    const int64_t a_size = size_of(d->a.type), b_size = size_of(d->b.type), y_size = size_of(d->y.type);
    const char *a = j->a + from * a_size;
    char *y = j->y + from * y_size;
    j->kernels->combine(d, whole, a, b, step, y);
    if (whole == count) return;
    float rest_a[FC_POOL_MAX_LANES] = {0}, rest_b[FC_POOL_MAX_LANES] = {0}, rest_y[FC_POOL_MAX_LANES];
    const size_t rest = (size_t)(count - whole);
    memcpy(rest_a, a + whole * a_size, rest * (size_t)a_size);
    if (b && step) memcpy(rest_b, b + whole * b_size, rest * (size_t)b_size);
    j->kernels->combine(d, lanes, rest_a, b && step ? (const char *)rest_b : b, step, rest_y);
    memcpy(y + whole * y_size, rest_y, rest * (size_t)y_size);
}

/* A vector of one element of b. */
static void repeat(const job *j, int64_t element, float *to) {
    const uint8_t *bytes = (const uint8_t *)j->b;
    const float *reals = (const float *)j->b;
    if (j->desc->b.type == FC_FLOAT32) {
        for (int i = 0; i < FC_POOL_MAX_LANES; ++i) to[i] = reals[element];
    } else {
        memset(to, bytes[element], FC_POOL_MAX_LANES);
    }
}

static void combine(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const int64_t every = j->desc->every, period = j->desc->period, end = fc_min(j->count, (index + 1) * CHUNK);
    int64_t from = index * CHUNK;
    if (!j->b) {
        piece(j, from, end - from, NULL, 0);
        return;
    }
    while (from < end) {
        const int64_t element = from / every % period;
        const int64_t count = fc_min(end - from, every == 1 ? period - element : every - from % every);
        if (every == 1) {
            piece(j, from, count, j->b + element * size_of(j->desc->b.type), 1);
        } else {
            float all[FC_POOL_MAX_LANES];
            repeat(j, element, all);
            piece(j, from, count, (const char *)all, 0);
        }
        from += count;
    }
}

static int is_meaning(const fc_meaning *m) {
    if (m->type == FC_FLOAT32) return 1;
    if (m->type != FC_INT8 && m->type != FC_UINT8) return 0;
    const int lowest = m->type == FC_INT8 ? -128 : 0;
    return m->zero >= lowest && m->zero <= lowest + 255 && isfinite(m->scale) && m->scale != 0;
}

fc_status fc_combine(const fc_combine_desc *d, const void *a, const void *b, void *y, int threads) {
    if (!d || d->struct_size != sizeof *d || d->count < 0) return FC_INVALID;
    if (!is_meaning(&d->a) || !is_meaning(&d->y) || (b && !is_meaning(&d->b))) return FC_INVALID;
    if (b && (d->every < 1 || d->period < 1)) return FC_INVALID;
    if (d->count == 0) return FC_OK;
    if (!a || !y) return FC_INVALID;
    const job j = {
        .kernels = fc_kernels_for(fc_isa(), FC_FLOAT32), .desc = d, .count = d->count, .a = a, .b = b, .y = y};
    if (!j.kernels) return FC_UNSUPPORTED;
    fc_parallel_for(fc_ceil_div(d->count, CHUNK), d->count < SERIAL_BELOW ? 1 : threads, combine, (void *)&j);
    return FC_OK;
}

static void look_up(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const int64_t end = fc_min(j->count, (index + 1) * CHUNK);
    const uint8_t *x = (const uint8_t *)j->a;
    for (int64_t i = index * CHUNK; i < end; ++i) j->y[i] = (char)j->table[x[i]];
}

fc_status fc_lookup(const uint8_t table[256], int64_t count, const uint8_t *x, uint8_t *y, int threads) {
    if (count < 0) return FC_INVALID;
    if (count == 0) return FC_OK;
    if (!table || !x || !y) return FC_INVALID;
    const job j = {.table = table, .count = count, .a = (const char *)x, .y = (char *)y};
    fc_parallel_for(fc_ceil_div(count, CHUNK), count < SERIAL_BELOW ? 1 : threads, look_up, (void *)&j);
    return FC_OK;
}
