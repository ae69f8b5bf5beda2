/* winograd.h: how a correlation is cut into Winograd tiles; shared by the plan (winograd.c), the packing of weights and
 * the execution. */
#ifndef FC_CONV_WINOGRAD_H
#define FC_CONV_WINOGRAD_H

#include "conv/correlate.h"

enum { TILE_HEIGHT, TILE_WIDTH, TILE_AXES };

/* Images are numbered (batch, depth, residue of the row, residue of the column): with dilation, outputs of one residue
 * are an ordinary correlation of source positions of one residue. Tiles are numbered along the rows of all images; a block
 * is a run of block_tiles of them, read by the register tile in panels of nearly equal width. */
typedef struct fc_winograd {
    fc_correlation c;
    const fc_winograd_kernels *tile;
    int64_t points;
    int64_t dilation[TILE_AXES], residues[TILE_AXES], depths, images;
    int64_t rows, columns, tiles; /* tiles of one image, and of all */
    int64_t channel_blocks, filter_vectors, filter_blocks;
    int64_t block_tiles, blocks;
    int64_t span, spans;        /* blocks of filters that a task takes point by point, and such tasks of a block */
    int64_t piece;              /* channels whose weights a task transforms at a time, if it does */
    int64_t v_stride, m_stride; /* elements from point to point */
    int64_t v_bytes, m_bytes;   /* of one block of tiles, M for one block of filters */
    int64_t all_m_bytes, u_bytes, buffer_bytes;
    int64_t fill_rows, leave_rows; /* rows of tiles at a time, of one image */
    int shared;                    /* V of every block first, then blocks of filters are tasks as well */
    int transient;                 /* shared, and each task transforms the weights it needs */
    double stream_cycles;          /* of one core, for what does not come from L2 */
    int32_t *off;                  /* of the channels, in a panel of V */
} fc_winograd;

/* Elements from point to point: an odd number of cache lines, so that the points of a tile fall into different sets. */
int64_t fc_winograd_stride(int64_t elements, const fc_kernels *k);

/* Chooses the blocks. */
void fc_winograd_cut(const fc_conv_plan *plan, fc_winograd *w);

/* Multiply-adds of vectors, in cycles of two, that one step of the sums of a block of tiles takes for vr vectors. */
double fc_winograd_step(const fc_kernels *k, int64_t tiles, int64_t vr);

/* Elements of the transformed weights of one group, and where those of a block of filters start in them. */
int64_t fc_winograd_group_weights(const fc_winograd *w, const fc_kernels *k);
int64_t fc_winograd_weights_at(const fc_winograd *w, const fc_kernels *k, int64_t block);

/* Vectors in a block of filters: as many as the register tile takes, fewer in the last. */
static inline int fc_winograd_vectors(const fc_winograd *w, const fc_kernels *k, int64_t block) {
    return (int)fc_min(k->outer_vr, w->filter_vectors - block * k->outer_vr);
}

/* u[point][channel][vectors*lanes], for channels first .. first + channels of one block of filters of a group. */
void fc_winograd_pack_block(const fc_conv_plan *plan, const void *weights, int64_t group, int64_t block, int64_t first,
                            int64_t channels, void *u);
fc_status fc_winograd_pack(const fc_conv_plan *plan, const void *weights, void *packed, int threads);

fc_status fc_winograd_execute(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch);

#endif
