/* norm.h: the leaf kernels of batch normalisation and of scaled channels (norm_kernels.h). Sums run in lanes over the few rows of a call, and
 * in double from call to call. */

enum { FC_NORM_UNROLL = 4 };

/* Joins `count` elements with this mean and these squares to the `before` that mean and squares already know (Chan,
 * Golub, LeVeque 1979). sum and dot, of the distances from `middle` and of their squares, make up for the rounding of middle. */
static inline void fc_norm_join(double before, double count, double middle, double sum, double dot, double *mean,
                                double *squares) {
    const double inner = dot - sum * sum / count, delta = middle + sum / count - *mean;
    *mean += delta * (count / (before + count));
    *squares += (inner < 0 ? 0 : inner) + delta * delta * (before * count / (before + count));
}

static void FC_NAME(fc_norm_plane_moments)(const fc_norm_rows *at, const void *x_, double before, double *mean,
                                           double *squares) {
    const int rest = (int)(at->count % VLANES);
    const vspan part = vspan_of(0, rest);
    const double count = (double)at->rows * (double)at->count;
    vec sum[FC_NORM_UNROLL] = {vzero(), vzero(), vzero(), vzero()};
    const real *x = x_;
    for (int64_t r = 0; r < at->rows; ++r, x += at->stride) {
        int64_t i = 0;
        for (; i + FC_NORM_UNROLL * VLANES <= at->count; i += FC_NORM_UNROLL * VLANES)
#pragma GCC unroll 4
            for (int u = 0; u < FC_NORM_UNROLL; ++u) sum[u] = vadd(sum[u], vload(x + i + u * VLANES));
        for (; i + VLANES <= at->count; i += VLANES) sum[0] = vadd(sum[0], vload(x + i));
        if (rest) sum[1] = vadd(sum[1], vload_part(x + i, rest));
    }
    const real middle = (real)((double)vsum(vadd(vadd(sum[0], sum[1]), vadd(sum[2], sum[3]))) / count);
    const vec m = vbroadcast(middle);
    vec dot[FC_NORM_UNROLL];
#pragma GCC unroll 4
    for (int u = 0; u < FC_NORM_UNROLL; ++u) sum[u] = dot[u] = vzero();
    x = x_;
    for (int64_t r = 0; r < at->rows; ++r, x += at->stride) {
        int64_t i = 0;
        for (; i + FC_NORM_UNROLL * VLANES <= at->count; i += FC_NORM_UNROLL * VLANES)
#pragma GCC unroll 4
            for (int u = 0; u < FC_NORM_UNROLL; ++u) {
                const vec d = vsub(vload(x + i + u * VLANES), m);
                sum[u] = vadd(sum[u], d), dot[u] = vfma(d, d, dot[u]);
            }
        for (; i + VLANES <= at->count; i += VLANES) {
            const vec d = vsub(vload(x + i), m);
            sum[0] = vadd(sum[0], d), dot[0] = vfma(d, d, dot[0]);
        }
        if (rest) {
            const vec d = vsub(vload_span(x + i, part, m), m);
            sum[1] = vadd(sum[1], d), dot[1] = vfma(d, d, dot[1]);
        }
    }
    fc_norm_join(before, count, middle, vsum(vadd(vadd(sum[0], sum[1]), vadd(sum[2], sum[3]))),
                 vsum(vadd(vadd(dot[0], dot[1]), vadd(dot[2], dot[3]))), mean, squares);
}

/* `vectors` of columns side by side, or one of `lanes` columns. */
static inline __attribute__((always_inline)) void fc_norm_column_moments(const int vectors, int lanes,
                                                                         const fc_norm_rows *at, const real *x_,
                                                                         double before, double *mean, double *squares) {
    const double count = (double)at->rows;
    vec sum[FC_NORM_UNROLL], dot[FC_NORM_UNROLL], m[FC_NORM_UNROLL];
    real middle[FC_NORM_UNROLL * VLANES], sums[FC_NORM_UNROLL * VLANES], dots[FC_NORM_UNROLL * VLANES];
#pragma GCC unroll 4
    for (int u = 0; u < vectors; ++u) sum[u] = vzero();
    const real *x = x_;
    for (int64_t r = 0; r < at->rows; ++r, x += at->stride)
#pragma GCC unroll 4
        for (int u = 0; u < vectors; ++u)
            sum[u] = vadd(sum[u], vectors > 1 ? vload(x + u * VLANES) : vload_part(x, lanes));
#pragma GCC unroll 4
    for (int u = 0; u < vectors; ++u) {
        m[u] = vmul(sum[u], vbroadcast((real)(1 / count)));
        vstore(middle + u * VLANES, m[u]);
        sum[u] = dot[u] = vzero();
    }
    x = x_;
    for (int64_t r = 0; r < at->rows; ++r, x += at->stride)
#pragma GCC unroll 4
        for (int u = 0; u < vectors; ++u) {
            const vec d = vsub(vectors > 1 ? vload(x + u * VLANES) : vload_part(x, lanes), m[u]);
            sum[u] = vadd(sum[u], d), dot[u] = vfma(d, d, dot[u]);
        }
#pragma GCC unroll 4
    for (int u = 0; u < vectors; ++u) vstore(sums + u * VLANES, sum[u]), vstore(dots + u * VLANES, dot[u]);
    for (int c = 0; c < (vectors > 1 ? vectors * VLANES : lanes); ++c)
        fc_norm_join(before, count, middle[c], sums[c], dots[c], mean + c, squares + c);
}

static void FC_NAME(fc_norm_pixel_moments)(const fc_norm_rows *at, const void *x_, double before, double *mean,
                                           double *squares) {
    const real *x = x_;
    int64_t c = 0;
    for (; c + FC_NORM_UNROLL * VLANES <= at->count; c += FC_NORM_UNROLL * VLANES)
        fc_norm_column_moments(FC_NORM_UNROLL, VLANES, at, x + c, before, mean + c, squares + c);
    for (; c < at->count; c += VLANES)
        fc_norm_column_moments(1, fc_part(at->count - c), at, x + c, before, mean + c, squares + c);
}

/* Bodies are compiled for no activation, for the rectifier, and for whatever else there is. */
#define FC_NORM_KINDS(BY, CALL)                                                                                        \
    do {                                                                                                               \
        if ((BY)->activation == FC_IDENTITY) {                                                                         \
            CALL(FC_IDENTITY);                                                                                         \
        } else if ((BY)->activation == FC_RELU) {                                                                      \
            CALL(FC_RELU);                                                                                             \
        } else {                                                                                                       \
            CALL((BY)->activation);                                                                                    \
        }                                                                                                              \
    } while (0)

static inline vec fc_norm_load(const real *p, int n) { return n == VLANES ? vload(p) : vload_part(p, n); }

/* The next n elements' coefficient: that of their columns, or the channel's; with pixels `all` is the one where none is given. */
static inline vec fc_norm_coefficient(const int way, vec all, const void *columns, int64_t i, int n) {
    return way == FC_NORM_PLANES || !columns ? all : fc_norm_load((const real *)columns + i, n);
}

static inline vec fc_norm_given(const void *coefficient, real otherwise) {
    return vbroadcast(coefficient ? *(const real *)coefficient : otherwise);
}

/* Without a shift -0 is added, which leaves every number as it is. */
static inline __attribute__((always_inline)) void fc_norm_apply_rows(const int way, const fc_activation kind,
                                                                     const fc_norm_rows *at, const fc_norm_scale *by,
                                                                     const real *x, const real *residual, real *y) {
    const fc_finish finish = {.activation = kind, .parameter = by->parameter};
    const vec mean = fc_norm_given(by->mean, 0), scale = fc_norm_given(by->scale, 1);
    const vec shift = fc_norm_given(by->shift, (real)-0.0);
#define SCALED(E, I, N)                                                                                                \
    vfma(vsub(fc_norm_load(x + (E), N), fc_norm_coefficient(way, mean, by->mean, I, N)),                               \
         fc_norm_coefficient(way, scale, by->scale, I, N), fc_norm_coefficient(way, shift, by->shift, I, N))
#define ADDED(E, I, N) vadd(SCALED(E, I, N), fc_norm_load(residual + (E), N))
#define ROWS(VALUE)                                                                                                    \
    for (int64_t r = 0; r < at->rows; ++r) {                                                                           \
        const int64_t row = r * at->stride;                                                                            \
        int64_t i = 0;                                                                                                 \
        for (; i + VLANES <= at->count; i += VLANES)                                                                   \
            vstore(y + row + i, fc_activation_vec(VALUE(row + i, i, VLANES), &finish));                                \
        const int rest = (int)(at->count - i);                                                                         \
        if (rest) vstore_part(y + row + i, fc_activation_vec(VALUE(row + i, i, rest), &finish), rest);                 \
    }
    if (residual) {
        ROWS(ADDED)
    } else {
        ROWS(SCALED)
    }
#undef ROWS
#undef ADDED
#undef SCALED
}

static void FC_NAME(fc_norm_plane_apply)(const fc_norm_rows *at, const fc_norm_scale *by, const void *x,
                                         const void *residual, void *y) {
#define CALL(KIND) fc_norm_apply_rows(FC_NORM_PLANES, KIND, at, by, x, residual, y)
    FC_NORM_KINDS(by, CALL);
#undef CALL
}

static void FC_NAME(fc_norm_pixel_apply)(const fc_norm_rows *at, const fc_norm_scale *by, const void *x,
                                         const void *residual, void *y) {
#define CALL(KIND) fc_norm_apply_rows(FC_NORM_PIXELS, KIND, at, by, x, residual, y)
    FC_NORM_KINDS(by, CALL);
#undef CALL
}

/* The gradient before the activation of element e and the n - 1 after it; y is read where there is an activation. */
static inline vec fc_norm_through(const fc_activation kind, vec slope, const real *y, const real *dy, int64_t e,
                                  int n) {
    const vec d = fc_norm_load(dy + e, n);
    return kind == FC_IDENTITY ? d : fc_derive_vec(fc_norm_load(y + e, n), d, kind, slope);
}

static inline __attribute__((always_inline)) void fc_norm_row_sums(const fc_activation kind, const fc_norm_rows *at,
                                                                   const fc_norm_scale *by, const real *x,
                                                                   const real *y, const real *dy, double *sum,
                                                                   double *dot) {
    const vec mean = vbroadcast(*(const real *)by->mean), slope = vbroadcast((real)by->parameter);
    vec s[2] = {vzero(), vzero()}, t[2] = {vzero(), vzero()};
    for (int64_t r = 0; r < at->rows; ++r) {
        int64_t e = r * at->stride;
        const int64_t end = e + at->count;
        for (; e + 2 * VLANES <= end; e += 2 * VLANES)
#pragma GCC unroll 2
            for (int u = 0; u < 2; ++u) {
                const vec d = fc_norm_through(kind, slope, y, dy, e + u * VLANES, VLANES);
                s[u] = vadd(s[u], d), t[u] = vfma(d, vsub(vload(x + e + u * VLANES), mean), t[u]);
            }
        for (; e < end; e += VLANES) {
            const int n = fc_part(end - e);
            const vec d = fc_norm_through(kind, slope, y, dy, e, n);
            s[0] = vadd(s[0], d), t[0] = vfma(d, vsub(vload_part(x + e, n), mean), t[0]);
        }
    }
    *sum += vsum(vadd(s[0], s[1]));
    *dot += vsum(vadd(t[0], t[1]));
}

static void FC_NAME(fc_norm_plane_sums)(const fc_norm_rows *at, const fc_norm_scale *by, const void *x, const void *y,
                                        const void *dy, double *sum, double *dot) {
#define CALL(KIND) fc_norm_row_sums(KIND, at, by, x, y, dy, sum, dot)
    FC_NORM_KINDS(by, CALL);
#undef CALL
}

/* `vectors` of columns side by side, or one of `lanes` columns, from column c on. */
static inline __attribute__((always_inline)) void
fc_norm_column_sums(const int vectors, const fc_activation kind, int64_t c, int lanes, const fc_norm_rows *at,
                    const fc_norm_scale *by, const real *x, const real *y, const real *dy, double *sum, double *dot) {
    const vec slope = vbroadcast((real)by->parameter);
    vec s[FC_NORM_UNROLL], t[FC_NORM_UNROLL], m[FC_NORM_UNROLL];
    real sums[FC_NORM_UNROLL * VLANES], dots[FC_NORM_UNROLL * VLANES];
#pragma GCC unroll 4
    for (int u = 0; u < vectors; ++u) {
        m[u] = fc_norm_load((const real *)by->mean + c + u * VLANES, lanes);
        s[u] = t[u] = vzero();
    }
    for (int64_t r = 0; r < at->rows; ++r)
#pragma GCC unroll 4
        for (int u = 0; u < vectors; ++u) {
            const int64_t e = r * at->stride + c + u * VLANES;
            const vec d = fc_norm_through(kind, slope, y, dy, e, lanes);
            s[u] = vadd(s[u], d), t[u] = vfma(d, vsub(fc_norm_load(x + e, lanes), m[u]), t[u]);
        }
#pragma GCC unroll 4
    for (int u = 0; u < vectors; ++u) vstore(sums + u * VLANES, s[u]), vstore(dots + u * VLANES, t[u]);
    for (int i = 0; i < (vectors > 1 ? vectors * VLANES : lanes); ++i) sum[c + i] += sums[i], dot[c + i] += dots[i];
}

static inline __attribute__((always_inline)) void
fc_norm_all_column_sums(const fc_activation kind, const fc_norm_rows *at, const fc_norm_scale *by, const real *x,
                        const real *y, const real *dy, double *sum, double *dot) {
    int64_t c = 0;
    for (; c + FC_NORM_UNROLL * VLANES <= at->count; c += FC_NORM_UNROLL * VLANES)
        fc_norm_column_sums(FC_NORM_UNROLL, kind, c, VLANES, at, by, x, y, dy, sum, dot);
    for (; c < at->count; c += VLANES)
        fc_norm_column_sums(1, kind, c, fc_part(at->count - c), at, by, x, y, dy, sum, dot);
}

static void FC_NAME(fc_norm_pixel_sums)(const fc_norm_rows *at, const fc_norm_scale *by, const void *x, const void *y,
                                        const void *dy, double *sum, double *dot) {
#define CALL(KIND) fc_norm_all_column_sums(KIND, at, by, x, y, dy, sum, dot)
    FC_NORM_KINDS(by, CALL);
#undef CALL
}

static inline __attribute__((always_inline)) void fc_norm_gradient_rows(const int way, const fc_activation kind,
                                                                        const fc_norm_rows *at, const fc_norm_scale *by,
                                                                        const real *x, const real *y, const real *dy,
                                                                        real *dx) {
    const vec mean = vbroadcast(*(const real *)by->mean), scale = vbroadcast(*(const real *)by->scale);
    const vec slope = vbroadcast(*(const real *)by->slope), shift = vbroadcast(*(const real *)by->shift);
    const vec leak = vbroadcast((real)by->parameter);
    const int rest = (int)(at->count % VLANES);
#define PLAIN(E, I, N) vmul(fc_norm_through(kind, leak, y, dy, E, N), fc_norm_coefficient(way, scale, by->scale, I, N))
#define CENTRED(E, I, N)                                                                                               \
    vfma(fc_norm_through(kind, leak, y, dy, E, N), fc_norm_coefficient(way, scale, by->scale, I, N),                   \
         vfma(vsub(fc_norm_load(x + (E), N), fc_norm_coefficient(way, mean, by->mean, I, N)),                          \
              fc_norm_coefficient(way, slope, by->slope, I, N), fc_norm_coefficient(way, shift, by->shift, I, N)))
#define ROWS(VALUE)                                                                                                    \
    for (int64_t r = 0; r < at->rows; ++r) {                                                                           \
        const int64_t row = r * at->stride;                                                                            \
        int64_t i = 0;                                                                                                 \
        for (; i + VLANES <= at->count; i += VLANES) vstore(dx + row + i, VALUE(row + i, i, VLANES));                  \
        if (rest) vstore_part(dx + row + i, VALUE(row + i, i, rest), rest);                                            \
    }
    if (x) {
        ROWS(CENTRED)
    } else {
        ROWS(PLAIN)
    }
#undef ROWS
#undef CENTRED
#undef PLAIN
}

static void FC_NAME(fc_norm_plane_gradient)(const fc_norm_rows *at, const fc_norm_scale *by, const void *x,
                                            const void *y, const void *dy, void *dx) {
#define CALL(KIND) fc_norm_gradient_rows(FC_NORM_PLANES, KIND, at, by, x, y, dy, dx)
    FC_NORM_KINDS(by, CALL);
#undef CALL
}

static void FC_NAME(fc_norm_pixel_gradient)(const fc_norm_rows *at, const fc_norm_scale *by, const void *x,
                                            const void *y, const void *dy, void *dx) {
#define CALL(KIND) fc_norm_gradient_rows(FC_NORM_PIXELS, KIND, at, by, x, y, dy, dx)
    FC_NORM_KINDS(by, CALL);
#undef CALL
}

/* Pieces of a row that lie in the nearest cache tell its moments. */
static void FC_NAME(fc_norm_lines)(int64_t rows, int64_t count, double epsilon, const void *x_, const void *scale,
                                   const void *shift, void *y_, void *mean_, void *inverse_) {
    enum { PIECE = 2048 };
    const vec one = vbroadcast(1), nothing = vbroadcast((real)-0.0);
    const real *x = x_;
    real *y = y_, *means = mean_, *inverses = inverse_;
    for (int64_t r = 0; r < rows; ++r, x += count, y += count) {
        double mean = 0, squares = 0;
        int64_t i = 0;
        do {
            const fc_norm_rows piece = {1, count - i < PIECE ? count - i : PIECE, 0};
            FC_NAME(fc_norm_plane_moments)(&piece, x + i, (double)i, &mean, &squares);
            i += PIECE;
        } while (i < count);
        const real m = (real)mean, inverse = (real)(1 / sqrt(squares / (double)count + epsilon));
        if (means) means[r] = m;
        if (inverses) inverses[r] = inverse;
        const vec middle = vbroadcast(m), by = vbroadcast(inverse);
        for (i = 0; i < count; i += VLANES) {
            const int n = fc_part(count - i);
            vstore_part(y + i,
                        vfma(vmul(vsub(fc_norm_load(x + i, n), middle), by),
                             fc_norm_coefficient(FC_NORM_PIXELS, one, scale, i, n),
                             fc_norm_coefficient(FC_NORM_PIXELS, nothing, shift, i, n)),
                        n);
        }
    }
}

#define FC_NORM_TABLE                                                                                                  \
    {                                                                                                                  \
        .moments = {FC_NAME(fc_norm_plane_moments), FC_NAME(fc_norm_pixel_moments)},                                   \
        .apply = {FC_NAME(fc_norm_plane_apply), FC_NAME(fc_norm_pixel_apply)},                                         \
        .sums = {FC_NAME(fc_norm_plane_sums), FC_NAME(fc_norm_pixel_sums)},                                            \
        .gradient = {FC_NAME(fc_norm_plane_gradient), FC_NAME(fc_norm_pixel_gradient)},                                \
        .lines = FC_NAME(fc_norm_lines),                                                                               \
    }
