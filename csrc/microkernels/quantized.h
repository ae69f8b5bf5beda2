/* quantized.h: real numbers of float32 and the small integers that stand for them, (q - zero) * scale, element by element.
 *
 * Every step is rounded by itself, in the order in which DequantizeLinear, Add or Mul and QuantizeLinear of ONNX round one
 * after the other, so the results are theirs; a NaN becomes the lowest integer. An integer q is read from the low bits of 1.5 * 2^23 + q, and written so. */
#if !FC_F64

#define FC_WHOLE_BITS 0x4b400000u /* of 1.5 * 2^23 */

typedef struct fc_quantized_side {
    int real; /* not integers, but the numbers themselves */
    vbits flip, zero;
    vec scale;
} fc_quantized_side;

static inline fc_quantized_side fc_quantized_side_of(const fc_meaning *m) {
    const int sign = m->type == FC_INT8;
    return (fc_quantized_side){
        .real = m->type == FC_FLOAT32,
        .flip = vbits_all(sign ? 0x80 : 0), /* makes uint8 with a zero moved by 128 of int8 */
        .zero = vbits_all(FC_WHOLE_BITS - (uint32_t)(m->zero + (sign ? 128 : 0))),
        .scale = vbroadcast(m->scale),
    };
}

static inline vec fc_quantized_load(const fc_quantized_side *side, const void *p, int64_t at) {
    if (side->real) return vload((const float *)p + at);
    const vbits bits = (vbits_bytes((const uint8_t *)p + at) ^ side->flip) + side->zero;
    return vhold(vmul(vsub(vbits_real(bits), vbroadcast(12582912)), side->scale));
}

/* The bounds are whole numbers, so clipping before rounding is clipping after it. Of a NaN vmax makes the lower one. */
static inline void fc_quantized_store(const fc_quantized_side *side, vec low, vec high, void *p, int64_t at, vec v) {
    if (side->real) {
        vstore((float *)p + at, v);
        return;
    }
    const vec whole = vadd(vmin(vmax(vdiv(v, side->scale), low), high), vbroadcast(12582912));
    vbits_narrow((uint8_t *)p + at, vbits_of(whole) - side->zero);
}

/* b may be NULL: y stands for what a does. step: 1, or 0 where the first vector of b serves all of a. */
static void FC_NAME(fc_combine)(const fc_combine_desc *d, int64_t count, const void *a, const void *b, int64_t step,
                                void *y) {
    const fc_quantized_side first = fc_quantized_side_of(&d->a), second = fc_quantized_side_of(&d->b);
    fc_quantized_side out = fc_quantized_side_of(&d->y);
    out.zero = vbits_all((uint32_t)-d->y.zero); /* the low byte is all that is kept */
    const int lowest = d->y.type == FC_INT8 ? -128 : 0;
    const vec low = vbroadcast((real)(lowest - d->y.zero)), high = vbroadcast((real)(lowest + 255 - d->y.zero));
    for (int64_t i = 0; i < count; i += VLANES) {
        vec v = fc_quantized_load(&first, a, i);
        if (b) {
            const vec w = fc_quantized_load(&second, b, i * step);
            v = vhold(d->product ? vmul(v, w) : vadd(v, w));
        }
        fc_quantized_store(&out, low, high, y, i, v);
    }
}

#undef FC_WHOLE_BITS
#endif
