/* winograd.h: the transforms of minimal filtering, SIMD over channels or filters (Lavin & Gray, arXiv 1509.09308).
 *
 * F(m, r) makes m outputs of r taps from p = m + r - 1 products, by evaluating polynomials at p - 1 points and infinity:
 *     y = A^T [ (G g) * (B^T d) ],    B^T p x p,  G p x r,  A^T m x p
 * Points: F(2,3) 0, +-1; F(4,3) and F(2,5) 0, +-a, +-1/a with a = sqrt(1/2), whose rounding errors are less than half of
 * those of 0, +-1, +-2; F(6,3) 0, +-1, +-2, +-1/2. Rows of B^T are monic, so no row is much larger than another, and the
 * divisors stand in G. The rms error relative to one sequential float32 FMA sum, at C = 64 and 512 with normal inputs (with
 * rectified ones): F(2x2) 0.6, 0.6 (0.8, 0.7), F(4x4) 1.9, 1.8 (2.3, 2.0), F(2x2, 5x5) 1.3, 1.2 (1.5, 1.4), F(6x6) 7.7, 7.2
 * (8.8, 7.9); F(4x4) at C = 16 2.4, at 8 2.8. Points come in pairs of opposite sign, whose even and odd parts are computed once.
 * tests/csrc checks every matrix against exact arithmetic in Q(sqrt 2).
 *
 * Two dimensions are one transform along the columns, then one along the rows. Neighbouring tiles overlap in r - 1
 * columns, so the first is done once per column of a run of tiles and kept in L1. An axis of one tap has one point. */

enum { FC_ONE, FC_F23, FC_F43, FC_F63, FC_F25 };

static inline __attribute__((always_inline)) int fc_points(const int f) {
    return f == FC_ONE ? 1 : f == FC_F23 ? 4 : f == FC_F63 ? 8 : 6;
}
static inline __attribute__((always_inline)) int fc_outputs(const int f) {
    return f == FC_ONE ? 1 : f == FC_F43 ? 4 : f == FC_F63 ? 6 : 2;
}
static inline __attribute__((always_inline)) int fc_taps(const int f) { return fc_points(f) - fc_outputs(f) + 1; }

#define FC_ROOT_2 1.41421356237309504880
#define FC_ROOT_HALF 0.70710678118654752440

/* a + s*b */
static inline vec fc_axpy(double s, vec b, vec a) { return vfma(vbroadcast((real)s), b, a); }
static inline vec fc_times(double s, vec a) { return vmul(vbroadcast((real)s), a); }

/* plus = e + s*o, minus = e - s*o: the values at a point and its opposite from the even and the odd part. */
static inline void fc_pair(vec *plus, vec *minus, vec e, double s, vec o) {
    *plus = fc_axpy(s, o, e);
    *minus = fc_axpy(-s, o, e);
}

/* B^T d: d[p] in place. */
static inline __attribute__((always_inline)) void fc_transform_data(const int f, vec *d) {
    if (f == FC_F23) {
        const vec d1 = d[1];
        d[0] = vsub(d[0], d[2]);
        d[3] = vsub(d[3], d1);
        d[1] = vadd(d[2], d1);
        d[2] = vsub(d[2], d1);
    } else if (f == FC_F43 || f == FC_F25) {
        const vec d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4];
        d[0] = fc_axpy(-2.5, d2, vadd(d[0], d4));
        d[5] = fc_axpy(-2.5, d3, vadd(d1, d[5]));
        fc_pair(&d[1], &d[2], fc_axpy(-2, d2, d4), FC_ROOT_HALF, fc_axpy(-2, d1, d3));
        fc_pair(&d[3], &d[4], fc_axpy(-0.5, d2, d4), FC_ROOT_2, fc_axpy(-0.5, d1, d3));
    } else if (f == FC_F63) {
        const vec d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4], d5 = d[5], d6 = d[6];
        d[0] = fc_axpy(5.25, vsub(d4, d2), vsub(d[0], d6));
        d[7] = fc_axpy(5.25, vsub(d3, d5), vsub(d[7], d1));
        fc_pair(&d[1], &d[2], fc_axpy(-4.25, d4, vadd(d2, d6)), 1, fc_axpy(-4.25, d3, vadd(d1, d5)));
        fc_pair(&d[3], &d[4], fc_axpy(0.25, d2, fc_axpy(-1.25, d4, d6)), 2, fc_axpy(0.25, d1, fc_axpy(-1.25, d3, d5)));
        fc_pair(&d[5], &d[6], fc_axpy(4, d2, fc_axpy(-5, d4, d6)), 0.5, fc_axpy(4, d1, fc_axpy(-5, d3, d5)));
    }
}

/* A^T m: the first outputs of m[p] become the outputs. */
static inline __attribute__((always_inline)) void fc_transform_sums(const int f, vec *m) {
    if (f == FC_F23) {
        const vec m1 = m[1], m2 = m[2];
        m[0] = vadd(m[0], vadd(m1, m2));
        m[1] = vadd(m[3], vsub(m1, m2));
    } else if (f == FC_F43 || f == FC_F25) {
        const vec s1 = vadd(m[1], m[2]), d1 = vsub(m[1], m[2]), s2 = vadd(m[3], m[4]), d2 = vsub(m[3], m[4]);
        m[0] = vadd(m[0], vadd(s1, s2));
        if (f == FC_F25) {
            m[1] = fc_axpy(FC_ROOT_2, d2, fc_axpy(FC_ROOT_HALF, d1, m[5]));
        } else {
            m[1] = fc_axpy(FC_ROOT_2, d2, fc_times(FC_ROOT_HALF, d1));
            m[2] = fc_axpy(2, s2, fc_times(0.5, s1));
            m[3] = fc_axpy(2 * FC_ROOT_2, d2, fc_axpy(0.5 * FC_ROOT_HALF, d1, m[5]));
        }
    } else if (f == FC_F63) {
        const vec s1 = vadd(m[1], m[2]), d1 = vsub(m[1], m[2]), s2 = vadd(m[3], m[4]), d2 = vsub(m[3], m[4]);
        const vec s3 = vadd(m[5], m[6]), d3 = vsub(m[5], m[6]);
        m[0] = vadd(vadd(m[0], s1), vadd(s2, s3));
        m[1] = fc_axpy(2, d2, fc_axpy(0.5, d3, d1));
        m[2] = fc_axpy(4, s2, fc_axpy(0.25, s3, s1));
        m[3] = fc_axpy(8, d2, fc_axpy(0.125, d3, d1));
        m[4] = fc_axpy(16, s2, fc_axpy(0.0625, s3, s1));
        m[5] = fc_axpy(32, d2, fc_axpy(0.03125, d3, vadd(d1, m[7])));
    }
}

/* G g: the taps of g[p] become its points. */
static inline __attribute__((always_inline)) void fc_transform_taps(const int f, vec *g) {
    if (f == FC_F23) {
        const vec half = fc_times(0.5, vadd(g[0], g[2]));
        g[3] = g[2];
        fc_pair(&g[1], &g[2], half, 0.5, g[1]);
    } else if (f == FC_F43) {
        const vec g0 = g[0], g1 = g[1], g2 = g[2];
        g[5] = g2;
        fc_pair(&g[1], &g[2], fc_times(-2.0 / 3, fc_axpy(0.5, g2, g0)), -2.0 / 3 * FC_ROOT_HALF, g1);
        fc_pair(&g[3], &g[4], fc_times(1.0 / 6, fc_axpy(2, g2, g0)), FC_ROOT_2 / 6, g1);
    } else if (f == FC_F25) {
        const vec g0 = g[0], g1 = g[1], g2 = g[2], g3 = g[3], g4 = g[4];
        g[5] = g4;
        fc_pair(&g[1], &g[2], fc_times(-2.0 / 3, fc_axpy(0.25, g4, fc_axpy(0.5, g2, g0))), -2.0 / 3 * FC_ROOT_HALF,
                fc_axpy(0.5, g3, g1));
        fc_pair(&g[3], &g[4], fc_times(1.0 / 6, fc_axpy(4, g4, fc_axpy(2, g2, g0))), FC_ROOT_2 / 6, fc_axpy(2, g3, g1));
    } else if (f == FC_F63) {
        const vec g0 = g[0], g1 = g[1], g2 = g[2];
        g[7] = g2;
        fc_pair(&g[1], &g[2], fc_times(-2.0 / 9, vadd(g0, g2)), -2.0 / 9, g1);
        fc_pair(&g[3], &g[4], fc_times(1.0 / 90, fc_axpy(4, g2, g0)), 1.0 / 45, g1);
        fc_pair(&g[5], &g[6], fc_times(32.0 / 45, fc_axpy(0.25, g2, g0)), 16.0 / 45, g1);
    }
}

enum { FC_TILE_RUN = 8, FC_MOST_POINTS = 8, FC_MOST_COLUMNS = FC_TILE_RUN * 6 + 2 };

static inline __attribute__((always_inline)) void fc_winograd_data(const int fh, const int fw, real *v,
                                                                   int64_t point_stride, const real *src, int64_t pitch,
                                                                   int64_t tiles) {
    const int ph = fc_points(fh), pw = fc_points(fw), mw = fc_outputs(fw);
    real lines[FC_MOST_POINTS * FC_MOST_COLUMNS * VLANES] __attribute__((aligned(64)));
    for (int64_t first = 0; first < tiles; first += FC_TILE_RUN) {
        const int64_t run = tiles - first < FC_TILE_RUN ? tiles - first : FC_TILE_RUN;
        const int64_t columns = run * mw + fc_taps(fw) - 1;
        const real *from = src + first * mw * VLANES, *line = from;
        if (ph > 1) {
            for (int64_t x = 0; x < columns; ++x) {
                vec d[FC_MOST_POINTS];
#pragma GCC unroll 8
                for (int i = 0; i < ph; ++i) d[i] = vload(from + (i * pitch + x) * VLANES);
                fc_transform_data(fh, d);
#pragma GCC unroll 8
                for (int i = 0; i < ph; ++i) vstore(lines + (i * FC_MOST_COLUMNS + x) * VLANES, d[i]);
            }
            line = lines;
        }
        for (int i = 0; i < ph; ++i, line += FC_MOST_COLUMNS * VLANES) {
            real *to = v + i * pw * point_stride + first * VLANES;
            for (int64_t tile = 0; tile < run; ++tile) {
                vec d[FC_MOST_POINTS];
#pragma GCC unroll 8
                for (int j = 0; j < pw; ++j) d[j] = vload(line + (tile * mw + j) * VLANES);
                fc_transform_data(fw, d);
#pragma GCC unroll 8
                for (int j = 0; j < pw; ++j) vstore(to + j * point_stride + tile * VLANES, d[j]);
            }
        }
    }
}

/* Tiles from last to first and rows from first to last: what a tile writes past the width `pitch` of the buffer falls on
 * positions that are written after it. */
static inline __attribute__((always_inline)) void fc_winograd_sums(const int fh, const int fw, real *dst, int64_t pitch,
                                                                   const real *m, int64_t point_stride, int64_t step,
                                                                   int64_t tiles) {
    const int ph = fc_points(fh), pw = fc_points(fw), mh = fc_outputs(fh), mw = fc_outputs(fw);
    for (int64_t tile = tiles - 1; tile >= 0; --tile) {
        const real *from = m + tile * step;
        real *to = dst + tile * mw * VLANES;
        vec rows[FC_MOST_POINTS][FC_MOST_POINTS];
#pragma GCC unroll 8
        for (int j = 0; j < pw; ++j) {
            vec s[FC_MOST_POINTS];
#pragma GCC unroll 8
            for (int i = 0; i < ph; ++i) s[i] = vload(from + (i * pw + j) * point_stride);
            fc_transform_sums(fh, s);
#pragma GCC unroll 8
            for (int i = 0; i < mh; ++i) rows[i][j] = s[i];
        }
#pragma GCC unroll 8
        for (int i = 0; i < mh; ++i) {
            fc_transform_sums(fw, rows[i]);
#pragma GCC unroll 8
            for (int j = 0; j < mw; ++j) vstore(to + (i * pitch + j) * VLANES, rows[i][j]);
        }
    }
}

static inline __attribute__((always_inline)) void fc_winograd_taps(const int fh, const int fw, real *u,
                                                                   int64_t point_stride, int64_t ld, const real *src,
                                                                   const int32_t *tap, int64_t step, int64_t channels) {
    const int ph = fc_points(fh), pw = fc_points(fw), rh = fc_taps(fh), rw = fc_taps(fw);
    for (int64_t c = 0; c < channels; ++c, src += step, u += ld) {
        vec rows[FC_MOST_POINTS][FC_MOST_POINTS];
#pragma GCC unroll 8
        for (int j = 0; j < rw; ++j) {
            vec g[FC_MOST_POINTS];
#pragma GCC unroll 8
            for (int i = 0; i < rh; ++i) g[i] = vload(src + tap[i * rw + j]);
            fc_transform_taps(fh, g);
#pragma GCC unroll 8
            for (int i = 0; i < ph; ++i) rows[i][j] = g[i];
        }
#pragma GCC unroll 8
        for (int i = 0; i < ph; ++i) {
            fc_transform_taps(fw, rows[i]);
#pragma GCC unroll 8
            for (int j = 0; j < pw; ++j) vstore(u + (i * pw + j) * point_stride, rows[i][j]);
        }
    }
}

#define FC_WINOGRAD(NAME, FH, FW)                                                                                      \
    static void FC_NAME(fc_winograd_data_##NAME)(void *v, int64_t point_stride, const void *src, int64_t pitch,        \
                                                 int64_t tiles) {                                                      \
        fc_winograd_data(FH, FW, v, point_stride, src, pitch, tiles);                                                  \
    }                                                                                                                  \
    static void FC_NAME(fc_winograd_sums_##NAME)(void *dst, int64_t pitch, const void *m, int64_t point_stride,        \
                                                 int64_t step, int64_t tiles) {                                        \
        fc_winograd_sums(FH, FW, dst, pitch, m, point_stride, step, tiles);                                            \
    }                                                                                                                  \
    static void FC_NAME(fc_winograd_taps_##NAME)(void *u, int64_t point_stride, int64_t ld, const void *src,           \
                                                 const int32_t *tap, int64_t step, int64_t channels) {                 \
        fc_winograd_taps(FH, FW, u, point_stride, ld, src, tap, step, channels);                                       \
    }
#define FC_WINOGRAD_ENTRY(NAME, MH, MW, RH, RW)                                                                        \
    {                                                                                                                  \
        {MH, MW}, {RH, RW}, FC_NAME(fc_winograd_data_##NAME), FC_NAME(fc_winograd_sums_##NAME),                        \
            FC_NAME(fc_winograd_taps_##NAME)                                                                           \
    }

FC_WINOGRAD(2x2, FC_F23, FC_F23)
FC_WINOGRAD(4x4, FC_F43, FC_F43)
FC_WINOGRAD(6x6, FC_F63, FC_F63)
FC_WINOGRAD(2x4, FC_F23, FC_F43)
FC_WINOGRAD(1x4, FC_ONE, FC_F43)
FC_WINOGRAD(4x1, FC_F43, FC_ONE)
FC_WINOGRAD(2x2_5x5, FC_F25, FC_F25)

#define FC_WINOGRAD_TABLE                                                                                              \
    {                                                                                                                  \
        [FC_WINOGRAD_2X2] = FC_WINOGRAD_ENTRY(2x2, 2, 2, 3, 3),                                                        \
        [FC_WINOGRAD_4X4] = FC_WINOGRAD_ENTRY(4x4, 4, 4, 3, 3),                                                        \
        [FC_WINOGRAD_6X6] = FC_WINOGRAD_ENTRY(6x6, 6, 6, 3, 3),                                                        \
        [FC_WINOGRAD_2X4] = FC_WINOGRAD_ENTRY(2x4, 2, 4, 3, 3),                                                        \
        [FC_WINOGRAD_1X4] = FC_WINOGRAD_ENTRY(1x4, 1, 4, 1, 3),                                                        \
        [FC_WINOGRAD_4X1] = FC_WINOGRAD_ENTRY(4x1, 4, 1, 3, 1),                                                        \
        [FC_WINOGRAD_2X2_5X5] = FC_WINOGRAD_ENTRY(2x2_5x5, 2, 2, 5, 5)                                                 \
    }
