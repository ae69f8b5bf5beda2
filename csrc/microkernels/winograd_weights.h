/* winograd_weights.h: the transforms of minimal filtering for the gradient of the weights, SIMD over filters.
 *
 * Transposing y = A^T [ (G g) * (B^T d) ] with respect to g gives
 *     dg = G^T [ (A dy) * (B^T d) ],    summed over all tiles between the brackets:
 * the products of winograd.h over the same points, with tiles in place of channels in the sum. B^T d is winograd.h's
 * transform of the data. One point of an axis of one tap is the value itself. */

/* A dy: the first outputs of y[p] become the points. */
static inline __attribute__((always_inline)) void fc_transform_gradient(const int f, vec *y) {
    const vec y0 = y[0], y1 = y[1];
    if (f == FC_F43) {
        const vec y2 = y[2], y3 = y[3];
        fc_pair(&y[1], &y[2], fc_axpy(0.5, y2, y0), FC_ROOT_HALF, fc_axpy(0.5, y3, y1));
        fc_pair(&y[3], &y[4], fc_axpy(2, y2, y0), FC_ROOT_2, fc_axpy(2, y3, y1));
        y[5] = y3;
    } else if (f == FC_F25) {
        fc_pair(&y[1], &y[2], y0, FC_ROOT_HALF, y1);
        fc_pair(&y[3], &y[4], y0, FC_ROOT_2, y1);
        y[5] = y1;
    }
}

/* G^T u: the points u[p] become the taps. */
static inline __attribute__((always_inline)) void fc_transform_products(const int f, vec *u) {
    if (f != FC_F43 && f != FC_F25) return;
    const vec even1 = fc_times(-2.0 / 3, vadd(u[1], u[2])), odd1 = fc_times(-2.0 / 3 * FC_ROOT_HALF, vsub(u[1], u[2]));
    const vec even2 = fc_times(1.0 / 6, vadd(u[3], u[4])), odd2 = fc_times(FC_ROOT_2 / 6, vsub(u[3], u[4]));
    const vec squares = fc_axpy(0.5, even1, fc_times(2, even2));
    u[0] = vadd(u[0], vadd(even1, even2));
    u[1] = vadd(odd1, odd2);
    if (f == FC_F43) {
        u[2] = vadd(u[5], squares);
    } else {
        u[2] = squares;
        u[3] = fc_axpy(0.5, odd1, fc_times(2, odd2));
        u[4] = vadd(u[5], fc_axpy(0.25, even1, fc_times(4, even2)));
    }
}

static inline __attribute__((always_inline)) void fc_winograd_gradient(const int fh, const int fw, real *m,
                                                                       int64_t point_stride, int64_t step,
                                                                       const real *src, int64_t pitch, int64_t tiles) {
    const int ph = fc_points(fh), pw = fc_points(fw), mh = fc_outputs(fh), mw = fc_outputs(fw);
    for (int64_t tile = 0; tile < tiles; ++tile, m += step, src += mw * VLANES) {
        vec rows[FC_MOST_POINTS][FC_MOST_POINTS];
#pragma GCC unroll 8
        for (int j = 0; j < mw; ++j) {
            vec y[FC_MOST_POINTS];
#pragma GCC unroll 8
            for (int i = 0; i < FC_MOST_POINTS; ++i) y[i] = i < mh ? vload(src + (i * pitch + j) * VLANES) : vzero();
            fc_transform_gradient(fh, y);
#pragma GCC unroll 8
            for (int i = 0; i < ph; ++i) rows[i][j] = y[i];
        }
#pragma GCC unroll 8
        for (int i = 0; i < ph; ++i) {
            vec y[FC_MOST_POINTS];
#pragma GCC unroll 8
            for (int j = 0; j < FC_MOST_POINTS; ++j) y[j] = j < mw ? rows[i][j] : vzero();
            fc_transform_gradient(fw, y);
#pragma GCC unroll 8
            for (int j = 0; j < pw; ++j) vstore(m + (i * pw + j) * point_stride, y[j]);
        }
    }
}

static inline __attribute__((always_inline)) void fc_winograd_products(const int fh, const int fw, real *dst,
                                                                       int64_t tap_stride, int64_t step, const real *u,
                                                                       int64_t point_stride, int64_t ld,
                                                                       int64_t channels) {
    const int ph = fc_points(fh), pw = fc_points(fw), rh = fc_taps(fh), rw = fc_taps(fw);
    for (int64_t c = 0; c < channels; ++c, u += ld, dst += step) {
        vec rows[FC_MOST_POINTS][FC_MOST_POINTS];
#pragma GCC unroll 8
        for (int j = 0; j < pw; ++j) {
            vec column[FC_MOST_POINTS];
#pragma GCC unroll 8
            for (int i = 0; i < ph; ++i) column[i] = vload(u + (i * pw + j) * point_stride);
            fc_transform_products(fh, column);
#pragma GCC unroll 8
            for (int i = 0; i < rh; ++i) rows[i][j] = column[i];
        }
#pragma GCC unroll 8
        for (int i = 0; i < rh; ++i) {
            fc_transform_products(fw, rows[i]);
#pragma GCC unroll 8
            for (int j = 0; j < rw; ++j) vstore(dst + (i * rw + j) * tap_stride, rows[i][j]);
        }
    }
}

#define FC_WINOGRAD_WEIGHTS(NAME, FH, FW)                                                                              \
    static void FC_NAME(fc_winograd_gradient_##NAME)(void *m, int64_t point_stride, int64_t step, const void *src,     \
                                                     int64_t pitch, int64_t tiles) {                                   \
        fc_winograd_gradient(FH, FW, m, point_stride, step, src, pitch, tiles);                                        \
    }                                                                                                                  \
    static void FC_NAME(fc_winograd_products_##NAME)(void *dst, int64_t tap_stride, int64_t step, const void *u,       \
                                                     int64_t point_stride, int64_t ld, int64_t channels) {             \
        fc_winograd_products(FH, FW, dst, tap_stride, step, u, point_stride, ld, channels);                            \
    }
#define FC_WINOGRAD_WEIGHTS_ENTRY(NAME)                                                                                \
    { FC_NAME(fc_winograd_gradient_##NAME), FC_NAME(fc_winograd_products_##NAME) }

FC_WINOGRAD_WEIGHTS(4x4, FC_F43, FC_F43)
FC_WINOGRAD_WEIGHTS(1x4, FC_ONE, FC_F43)
FC_WINOGRAD_WEIGHTS(4x1, FC_F43, FC_ONE)
FC_WINOGRAD_WEIGHTS(2x2_5x5, FC_F25, FC_F25)

#define FC_WINOGRAD_WEIGHTS_TABLE                                                                                      \
    {                                                                                                                  \
        [FC_WINOGRAD_4X4] = FC_WINOGRAD_WEIGHTS_ENTRY(4x4), [FC_WINOGRAD_1X4] = FC_WINOGRAD_WEIGHTS_ENTRY(1x4),        \
        [FC_WINOGRAD_4X1] = FC_WINOGRAD_WEIGHTS_ENTRY(4x1),                                                            \
        [FC_WINOGRAD_2X2_5X5] = FC_WINOGRAD_WEIGHTS_ENTRY(2x2_5x5),                                                    \
    }
