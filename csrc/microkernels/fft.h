/* fft.h: complex Fourier transforms of columns: every lane transforms numbers of its own, so the code is plain
 * arithmetic on vectors and no lane meets another.
 *
 * Real and imaginary parts stand apart. forward decimates in frequency with radices 8, 4, 3 and 2 and leaves the
 * frequencies in the order of their reversed digits; inverse takes them in that order and decimates in time, with the
 * parts exchanged for the conjugate: F^-1 = S F S / n, where S exchanges real and imaginary. Products of spectra do not
 * mind the order, so nothing is ever reordered. A pass on sub-transforms of n = radix*m points multiplies point j of
 * branch q by exp(-2*pi*i*j*q/n): twiddle[(j*(radix-1) + q-1)*2] holds its parts, pass after pass (Cooley and Tukey
 * 1965; Gentleman and Sande 1966 for the forward order). */

typedef struct FC_NAME(fc_complex) {
    vec re, im;
} FC_NAME(fc_complex);
#define fc_complex FC_NAME(fc_complex)

static inline fc_complex fc_cadd(fc_complex a, fc_complex b) {
    return (fc_complex){vadd(a.re, b.re), vadd(a.im, b.im)};
}
static inline fc_complex fc_csub(fc_complex a, fc_complex b) {
    return (fc_complex){vsub(a.re, b.re), vsub(a.im, b.im)};
}
/* a - i*b and a + i*b */
static inline fc_complex fc_csubi(fc_complex a, fc_complex b) {
    return (fc_complex){vadd(a.re, b.im), vsub(a.im, b.re)};
}
static inline fc_complex fc_caddi(fc_complex a, fc_complex b) {
    return (fc_complex){vsub(a.re, b.im), vadd(a.im, b.re)};
}
static inline fc_complex fc_cmul(fc_complex a, vec re, vec im) {
    return (fc_complex){vsub(vmul(a.re, re), vmul(a.im, im)), vfma(a.re, im, vmul(a.im, re))};
}

static inline __attribute__((always_inline)) void fc_butterfly4(fc_complex *a0, fc_complex *a1, fc_complex *a2,
                                                                fc_complex *a3) {
    const fc_complex even = fc_cadd(*a0, *a2), odd = fc_csub(*a0, *a2);
    const fc_complex sum = fc_cadd(*a1, *a3), turn = fc_csub(*a1, *a3);
    *a0 = fc_cadd(even, sum);
    *a1 = fc_csubi(odd, turn);
    *a2 = fc_csub(even, sum);
    *a3 = fc_caddi(odd, turn);
}

/* The transform of `radix` points, in place and in order; radix is a constant where this is inlined. */
static inline __attribute__((always_inline)) void fc_butterfly(const int radix, fc_complex *a) {
    if (radix == 2) {
        const fc_complex b = a[1];
        a[1] = fc_csub(a[0], b);
        a[0] = fc_cadd(a[0], b);
    } else if (radix == 3) {
        const vec half = vbroadcast((real)-0.5), sine = vbroadcast((real)0.86602540378443864676);
        const fc_complex sum = fc_cadd(a[1], a[2]), turn = fc_csub(a[1], a[2]);
        const fc_complex middle = {vfma(half, sum.re, a[0].re), vfma(half, sum.im, a[0].im)};
        const fc_complex side = {vmul(sine, turn.re), vmul(sine, turn.im)};
        a[0] = fc_cadd(a[0], sum);
        a[1] = fc_csubi(middle, side);
        a[2] = fc_caddi(middle, side);
    } else if (radix == 4) {
        fc_butterfly4(&a[0], &a[1], &a[2], &a[3]);
    } else {
        const vec root = vbroadcast((real)0.70710678118654752440);
        fc_complex low[4], high[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            low[i] = fc_cadd(a[i], a[i + 4]);
            high[i] = fc_csub(a[i], a[i + 4]);
        }
        high[1] = (fc_complex){vmul(root, vadd(high[1].re, high[1].im)), vmul(root, vsub(high[1].im, high[1].re))};
        high[2] = (fc_complex){high[2].im, vsub(vzero(), high[2].re)};
        high[3] = (fc_complex){vmul(root, vsub(high[3].im, high[3].re)),
                               vsub(vzero(), vmul(root, vadd(high[3].re, high[3].im)))};
        fc_butterfly4(&low[0], &low[1], &low[2], &low[3]);
        fc_butterfly4(&high[0], &high[1], &high[2], &high[3]);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            a[2 * i] = low[i];
            a[2 * i + 1] = high[i];
        }
    }
}

/* One butterfly of points `apart` elements apart. Forward multiplies what comes out, inverse what goes in. */
static inline __attribute__((always_inline)) void fc_fft_point(const int radix, const int forward, const int twiddled,
                                                               real *re, real *im, int64_t apart, const real *w) {
    fc_complex a[8];
#pragma GCC unroll 8
    for (int q = 0; q < radix; ++q) a[q] = (fc_complex){vload(re + q * apart), vload(im + q * apart)};
    if (!forward && twiddled) {
#pragma GCC unroll 8
        for (int q = 1; q < radix; ++q) a[q] = fc_cmul(a[q], vbroadcast(w[2 * q - 2]), vbroadcast(w[2 * q - 1]));
    }
    fc_butterfly(radix, a);
    if (forward && twiddled) {
#pragma GCC unroll 8
        for (int q = 1; q < radix; ++q) a[q] = fc_cmul(a[q], vbroadcast(w[2 * q - 2]), vbroadcast(w[2 * q - 1]));
    }
#pragma GCC unroll 8
    for (int q = 0; q < radix; ++q) {
        vstore(re + q * apart, a[q].re);
        vstore(im + q * apart, a[q].im);
    }
}

/* One pass over one column: blocks of radix*m points; the first point of each has no twiddles. */
static inline __attribute__((always_inline)) void fc_fft_pass(const int radix, const int forward, real *re, real *im,
                                                              int64_t length, int64_t m, int64_t stride,
                                                              const real *w) {
    const int64_t block = radix * m;
    for (int64_t b = 0; b < length; b += block)
        fc_fft_point(radix, forward, 0, re + b * stride, im + b * stride, m * stride, w);
    for (int64_t j = 1; j < m; ++j) {
        const real *at = w + j * (radix - 1) * 2;
        for (int64_t b = j; b < length; b += block)
            fc_fft_point(radix, forward, 1, re + b * stride, im + b * stride, m * stride, at);
    }
}

static inline __attribute__((always_inline)) void fc_fft_any_pass(int radix, const int forward, real *re, real *im,
                                                                  int64_t length, int64_t m, int64_t stride,
                                                                  const real *w) {
    switch (radix) {
    case 8:
        fc_fft_pass(8, forward, re, im, length, m, stride, w);
        break;
    case 4:
        fc_fft_pass(4, forward, re, im, length, m, stride, w);
        break;
    case 3:
        fc_fft_pass(3, forward, re, im, length, m, stride, w);
        break;
    default:
        fc_fft_pass(2, forward, re, im, length, m, stride, w);
    }
}

static void FC_NAME(fc_fft_forward)(const fc_fft *fft, void *re_, void *im_, int64_t stride, int64_t columns) {
    real *re = re_, *im = im_;
    for (int64_t c = 0; c < columns; c += VLANES) {
        int64_t n = fft->length;
        const real *w = fft->twiddle;
        for (int p = 0; p < fft->passes; ++p) {
            const int radix = fft->radix[p];
            n /= radix;
            fc_fft_any_pass(radix, 1, re + c, im + c, fft->length, n, stride, w);
            w += n * (radix - 1) * 2;
        }
    }
}

static void FC_NAME(fc_fft_inverse)(const fc_fft *fft, void *re_, void *im_, int64_t stride, int64_t columns) {
    real *re = re_, *im = im_;
    for (int64_t c = 0; c < columns; c += VLANES) {
        int64_t m = 1;
        const real *w = (const real *)fft->twiddle + fft->twiddles;
        for (int p = fft->passes - 1; p >= 0; --p) {
            const int radix = fft->radix[p];
            w -= m * (radix - 1) * 2;
            fc_fft_any_pass(radix, 0, im + c, re + c, fft->length, m, stride, w);
            m *= radix;
        }
    }
}

static void FC_NAME(fc_fft_multiply)(void *a_, const void *b_, int64_t count, int conjugate) {
    real *a = a_;
    const real *b = b_;
    for (int64_t i = 0; i < count; ++i, a += 2 * VLANES, b += 2 * VLANES) {
        const fc_complex x = {vload(a), vload(a + VLANES)};
        const vec re = vload(b), im = vload(b + VLANES);
        const fc_complex y = fc_cmul(x, re, conjugate ? vsub(vzero(), im) : im);
        vstore(a, y.re);
        vstore(a + VLANES, y.im);
    }
}

/* Four numbers at a time, so that the sums over channels do not wait for each other. */
static void FC_NAME(fc_fft_accumulate)(void *y_, const void *a_, int64_t a_step, const void *b_, int64_t b_step,
                                       int64_t depth, int64_t count) {
    real *y = y_;
    const real *a = a_, *b = b_;
    for (int64_t i = 0; i < count; i += 4, y += 8 * VLANES, a += 8 * VLANES, b += 8 * VLANES) {
        fc_complex sum[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) sum[v] = (fc_complex){vzero(), vzero()};
        for (int64_t c = 0; c < depth; ++c) {
#pragma GCC unroll 4
            for (int v = 0; v < 4; ++v) {
                const real *x = a + c * a_step + 2 * v * VLANES, *w = b + c * b_step + 2 * v * VLANES;
                const vec x_re = vload(x), x_im = vload(x + VLANES), w_re = vload(w), w_im = vload(w + VLANES);
                sum[v].re = vsub(vfma(x_re, w_re, sum[v].re), vmul(x_im, w_im));
                sum[v].im = vfma(x_im, w_re, vfma(x_re, w_im, sum[v].im));
            }
        }
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) {
            vstore(y + 2 * v * VLANES, sum[v].re);
            vstore(y + (2 * v + 1) * VLANES, sum[v].im);
        }
    }
}

static void FC_NAME(fc_store_rows)(void *dst_, int64_t dst_row, int64_t dst_stride, const void *src_, int64_t src_row,
                                   int64_t rows, int64_t count, const fc_finish *finish) {
    const real *src = src_;
    real *dst = dst_;
    for (int64_t r = 0; r < rows; ++r, src += src_row, dst += dst_row) {
        for (int64_t q = 0; q < count; q += VLANES) {
            const int part = count - q < VLANES ? (int)(count - q) : VLANES;
            const vec v = fc_finish_vec(vload(src + q), finish, 0);
            if (dst_stride == 1 && part == VLANES) {
                vstore(dst + q, v);
            } else if (dst_stride == 1) {
                vstore_part(dst + q, v, part);
            } else {
                real lanes[VLANES];
                vstore(lanes, v);
                for (int i = 0; i < part; ++i) dst[(q + i) * dst_stride] = lanes[i];
            }
        }
    }
}
#undef fc_complex
