/* product.h: the register tile of a matrix product whose operands stay where they are. mr rows by xr vectors of columns
 * rest in registers while the sum runs over depth: per step xr loads of b and mr broadcasts of a, each at a run-time
 * distance. Copying either operand first only costs: broadcasts touch mr lines for a line's worth of steps, and loads of
 * b far apart are as fast as neighbouring ones once they are in L2 (measured on Zen 4: 115 of 117 GFLOP/s in place,
 * 105 with a packed panel). Each lane adds in the order of k: tiling never changes bits. */

/* Bias of rows or columns, then the activation: passes over the registers, so that what is not asked for costs one branch
 * of the tile and not one of each vector. `last` lanes of the last vector of columns exist. */
static inline __attribute__((always_inline)) void fc_product_finish(const int mr, const int xr, const fc_product *p,
                                                                    vec acc[FC_MAX_MR][FC_MAX_XR], int last,
                                                                    const fc_finish *finish) {
    const real *bias = finish->bias;
    if (bias && p->bias_columns) {
#pragma GCC unroll 3
        for (int x = 0; x < xr; ++x) {
            const vec v = x < xr - 1 || last == VLANES ? vload(bias + x * VLANES) : vload_part(bias + x * VLANES, last);
#pragma GCC unroll 8
            for (int m = 0; m < mr; ++m) acc[m][x] = vadd(acc[m][x], v);
        }
    } else if (bias) {
#pragma GCC unroll 8
        for (int m = 0; m < mr; ++m) {
            const vec v = vbroadcast(bias[m]);
#pragma GCC unroll 3
            for (int x = 0; x < xr; ++x) acc[m][x] = vadd(acc[m][x], v);
        }
    }
    if (finish->activation == FC_IDENTITY) return;
#pragma GCC unroll 8
    for (int m = 0; m < mr; ++m) {
#pragma GCC unroll 3
        for (int x = 0; x < xr; ++x) acc[m][x] = fc_activation_vec(acc[m][x], finish);
    }
}

static inline __attribute__((always_inline)) void fc_product_tile(const int mr, const int xr, const fc_product *p,
                                                                  const real *a, const real *b, real *c, int64_t count,
                                                                  const fc_finish *finish) {
    const int64_t a_row = p->a_row, a_step = p->a_step, b_step = p->b_step, ldc = p->ldc;
    vec acc[FC_MAX_MR][FC_MAX_XR];
#pragma GCC unroll 8
    for (int m = 0; m < mr; ++m) {
#pragma GCC unroll 3
        for (int x = 0; x < xr; ++x) acc[m][x] = vzero();
    }
    for (int64_t k = p->depth; k > 0; --k, a += a_step, b += b_step) {
        vec v[FC_MAX_XR];
#pragma GCC unroll 3
        for (int x = 0; x < xr; ++x) v[x] = vload(b + x * VLANES);
#pragma GCC unroll 8
        for (int m = 0; m < mr; ++m) {
            const vec s = vbroadcast(a[m * a_row]);
#pragma GCC unroll 3
            for (int x = 0; x < xr; ++x) acc[m][x] = vfma(s, v[x], acc[m][x]);
        }
    }
    const int last = (int)(count - (xr - 1) * VLANES);
    fc_product_finish(mr, xr, p, acc, last, finish);
#pragma GCC unroll 8
    for (int m = 0; m < mr; ++m, c += ldc) {
#pragma GCC unroll 3
        for (int x = 0; x < xr - 1; ++x) vstore(c + x * VLANES, acc[m][x]);
        if (last == VLANES) {
            vstore(c + (xr - 1) * VLANES, acc[m][xr - 1]);
        } else {
            vstore_part(c + (xr - 1) * VLANES, acc[m][xr - 1], last);
        }
    }
}

#define FC_PRODUCT(MR, XR)                                                                                             \
    static void FC_NAME(fc_product_##MR##x##XR)(const fc_product *p, const void *a, const void *b, void *c,            \
                                                int64_t count, const fc_finish *finish) {                              \
        fc_product_tile(MR, XR, p, a, b, c, count, finish);                                                            \
    }
#define FC_PRODUCT_ROW(MR) FC_PRODUCT(MR, 1) FC_PRODUCT(MR, 2) FC_PRODUCT(MR, 3)
#define FC_PRODUCT_ENTRIES(MR)                                                                                         \
    { FC_NAME(fc_product_##MR##x1), FC_NAME(fc_product_##MR##x2), FC_NAME(fc_product_##MR##x3) }

FC_PRODUCT_ROW(1)
FC_PRODUCT_ROW(2)
FC_PRODUCT_ROW(3)
FC_PRODUCT_ROW(4)
#if VREGS == 32
FC_PRODUCT_ROW(5)
FC_PRODUCT_ROW(6)
FC_PRODUCT_ROW(7)
FC_PRODUCT_ROW(8)
#endif
