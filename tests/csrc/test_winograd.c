/* The matrices of minimal filtering derived from their points by exact arithmetic in Q(sqrt 2), the identity they must
 * fulfil, and the transforms of every ISA against them, one impulse at a time.
 *
 * Numbers are p + q sqrt(2). All p and q here are dyadic with few bits, so that sums and products in double are exact;
 * only the divisors are not, and they stay apart until a matrix is compared. */
#include "harness.h"
#include "microkernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8, MOST_LANES = 16 };

typedef struct number {
    double p, q;
} number;

static number plus(number a, number b) { return (number){a.p + b.p, a.q + b.q}; }
static number minus(number a, number b) { return (number){a.p - b.p, a.q - b.q}; }
static number times(number a, number b) { return (number){a.p * b.p + 2 * a.q * b.q, a.p * b.q + a.q * b.p}; }
static double value(number a) { return a.p + a.q * sqrt(2); }

/* F(outputs, taps): row i of G is g[i][] / divisor[i]. */
typedef struct filtering {
    int outputs, taps, points;
    number b[MOST][MOST], g[MOST][MOST], a[MOST][MOST];
    double divisor[MOST];
} filtering;

static const number TWO_POINTS[] = {{0, 0}, {1, 0}, {-1, 0}};
static const number ROOT_POINTS[] = {{0, 0}, {0, 0.5}, {0, -0.5}, {0, 1}, {0, -1}};
static const number SIX_POINTS[] = {{0, 0}, {1, 0}, {-1, 0}, {2, 0}, {-2, 0}, {0.5, 0}, {-0.5, 0}};

/* Multiplies the polynomial, constant first, by x - root. */
static void multiply(number polynomial[MOST + 1], number root) {
    for (int i = MOST; i >= 0; --i)
        polynomial[i] = minus(i > 0 ? polynomial[i - 1] : (number){0, 0}, times(root, polynomial[i]));
}

/* Toom-Cook: B^T from the products of x - point over the other points, G and A^T from the powers of the points, and
 * infinity last. Where the point 0 has the divisor -1, its row of B^T takes the sign. */
static filtering derive(int outputs, int taps) {
    filtering f = {.outputs = outputs, .taps = taps, .points = outputs + taps - 1};
    const number *x = f.points == 4 ? TWO_POINTS : f.points == 6 ? ROOT_POINTS : SIX_POINTS;
    const int finite = f.points - 1;
    for (int i = 0; i <= finite; ++i) {
        number polynomial[MOST + 1] = {{1, 0}}, power = {1, 0}, divisor = {1, 0};
        for (int j = 0; j < finite; ++j)
            if (j != i) {
                multiply(polynomial, x[j]);
                if (i < finite) divisor = times(divisor, minus(x[i], x[j]));
            }
        check(divisor.q == 0, "a divisor is irrational");
        f.divisor[i] = divisor.p;
        memcpy(f.b[i], polynomial, sizeof f.b[i]);
        for (int t = 0; t < taps || t < outputs; ++t) {
            const number at = i < finite ? power : (number){t == (taps - 1), 0};
            if (t < taps) f.g[i][t] = at;
            if (t < outputs) f.a[t][i] = i < finite ? power : (number){t == outputs - 1, 0};
            if (i < finite) power = times(power, x[i]);
        }
        if (divisor.p == -1)
            for (int j = 0; j < f.points; ++j) f.b[i][j] = minus((number){0, 0}, f.b[i][j]);
        if (divisor.p == -1) f.divisor[i] = 1;
    }
    return f;
}

static filtering identity(void) {
    filtering f = {.outputs = 1, .taps = 1, .points = 1, .divisor = {1}};
    f.a[0][0] = f.b[0][0] = f.g[0][0] = (number){1, 0};
    return f;
}

/* sum_i A^T[o][i] G[i][t] B^T[i][d] is 1 where d = o + t, else 0. 180 is a multiple of every divisor. */
static void check_identity(const filtering *f) {
    for (int o = 0; o < f->outputs; ++o)
        for (int t = 0; t < f->taps; ++t)
            for (int d = 0; d < f->points; ++d) {
                number sum = {0, 0};
                for (int i = 0; i < f->points; ++i) {
                    const double share = 180 / f->divisor[i];
                    check(share == rint(share), "180 / %g is no whole number", f->divisor[i]);
                    sum = plus(sum, times((number){share, 0}, times(f->a[o][i], times(f->g[i][t], f->b[i][d]))));
                }
                check(sum.p == (d == o + t ? 180 : 0) && sum.q == 0, "F(%d, %d): output %d of tap %d, datum %d",
                      f->outputs, f->taps, o, t, d);
            }
}

typedef struct bench {
    const fc_winograd_kernels *w;
    const fc_winograd_weights_kernels *gradient;
    fc_dtype type;
    int lanes, points;
    filtering axis[2];
    void *in, *out; /* MOST*MOST vectors each */
} bench;

static void impulse(const bench *t, int position) {
    memset(t->in, 0, MOST * MOST * MOST_LANES * sizeof(double));
    for (int l = 0; l < t->lanes; ++l) set(t->type, t->in, position * t->lanes + l, l + 1);
}

static void expect(const bench *t, int position, double want, const char *what) {
    for (int l = 0; l < t->lanes; ++l)
        check_close(get(t->type, t->out, position * t->lanes + l), want * (l + 1),
                    8 * epsilon(t->type) * (l + 1) * fmax(1, fabs(want)), what);
}

static void check_transforms(const bench *t) {
    const filtering *h = &t->axis[0], *w = &t->axis[1];
    for (int i = 0; i < h->points; ++i)
        for (int j = 0; j < w->points; ++j) {
            impulse(t, i * w->points + j);
            t->w->data(t->out, t->lanes, t->in, w->points, 1);
            for (int p = 0; p < t->points; ++p)
                expect(t, p, value(h->b[p / w->points][i]) * value(w->b[p % w->points][j]), "data");
            t->w->sums(t->out, w->outputs, t->in, t->lanes, t->points * t->lanes, 1);
            for (int o = 0; o < h->outputs * w->outputs; ++o)
                expect(t, o, value(h->a[o / w->outputs][i]) * value(w->a[o % w->outputs][j]), "sums");
        }
    int32_t tap[MOST * MOST];
    for (int i = 0; i < h->taps * w->taps; ++i) tap[i] = (h->taps * w->taps - 1 - i) * t->lanes;
    for (int i = 0; i < h->taps; ++i)
        for (int j = 0; j < w->taps; ++j) {
            impulse(t, tap[i * w->taps + j] / t->lanes);
            t->w->taps_points(t->out, t->lanes, t->points * t->lanes, t->in, tap, 0, 1);
            for (int p = 0; p < t->points; ++p) {
                const int y = p / w->points, x = p % w->points;
                expect(t, p, value(h->g[y][i]) / h->divisor[y] * value(w->g[x][j]) / w->divisor[x], "weights");
            }
        }
}

/* The gradient's transforms are the transposes of A^T and G. */
static void check_gradient(const bench *t) {
    const filtering *h = &t->axis[0], *w = &t->axis[1];
    for (int i = 0; i < h->outputs; ++i)
        for (int j = 0; j < w->outputs; ++j) {
            impulse(t, i * w->outputs + j);
            t->gradient->gradient(t->out, t->lanes, t->points * t->lanes, t->in, w->outputs, 1);
            for (int p = 0; p < t->points; ++p)
                expect(t, p, value(h->a[i][p / w->points]) * value(w->a[j][p % w->points]), "gradient");
        }
    for (int p = 0; p < t->points; ++p) {
        const int y = p / w->points, x = p % w->points;
        impulse(t, p);
        t->gradient->products(t->out, t->lanes, 0, t->in, t->lanes, 0, 1);
        for (int i = 0; i < h->taps * w->taps; ++i)
            expect(t, i, value(h->g[y][i / w->taps]) / h->divisor[y] * value(w->g[x][i % w->taps]) / w->divisor[x],
                   "products");
    }
}

void test_winograd(void) {
    for (int isa = 0; isa < fc_isa_count(); ++isa) {
        if (!fc_isa_supported(isa)) continue;
        for (fc_dtype type = FC_FLOAT32; type <= FC_FLOAT64; ++type)
            for (int kind = 0; kind < FC_WINOGRAD_TILES; ++kind) {
                const fc_kernels *k = fc_kernels_for(isa, type);
                bench t = {.w = &k->winograd[kind],
                           .gradient = &k->winograd_weights[kind],
                           .type = type,
                           .lanes = k->lanes,
                           .points = 1};
                doing("%s f%d, tile %d", fc_isa_name(isa), type == FC_FLOAT32 ? 32 : 64, kind);
                for (int a = 0; a < 2; ++a) {
                    t.axis[a] = t.w->taps[a] == 1 ? identity() : derive(t.w->outputs[a], t.w->taps[a]);
                    check_identity(&t.axis[a]);
                    t.points *= t.axis[a].points;
                }
                t.in = malloc(MOST * MOST * MOST_LANES * sizeof(double));
                t.out = malloc(MOST * MOST * MOST_LANES * sizeof(double));
                check_transforms(&t);
                if (t.gradient->gradient) check_gradient(&t);
                free(t.in);
                free(t.out);
            }
    }
}
