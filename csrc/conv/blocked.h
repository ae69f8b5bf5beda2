/* blocked.h: what the parts of the blocked row share: blocked_plan.c chooses the blocks, blocked_pack.c orders the
 * weights, blocked.c runs.
 *
 * Outputs are what the pass writes, in the order of its rows. Along each axis they belong to `spread` phases in turn
 * (backward_data with strides; 1 in a forward pass): output p is number p / spread of phase p % spread. All phases read
 * one lane tile, and their sums fall into place side by side. */
#ifndef FC_CONV_BLOCKED_H
#define FC_CONV_BLOCKED_H

#include "conv/correlate.h"
#include "conv/lane_tile.h"

/* How the weights of one vector of filters are read: runs of `count` elements `stride` apart, of `channels` channels
 * each, or (per_tap) of a piece's channels for one tap; element j of a run goes to row[j] of the packed weights of its
 * piece, counted from its first channel. */
typedef struct fc_weight_runs {
    int per_tap;
    int64_t channels, count, start;
    int32_t *row[2]; /* of whole pieces, and of the last one */
} fc_weight_runs;

/* The steps k of the sums of a phase run over [piece of channels][depth tap][height tap][channel][width tap]: rows of
 * taps that lie in zero padding are left out by starting a piece later or ending it sooner. */
typedef struct fc_blocked_phase {
    int64_t depth;     /* steps of a sum: channels x taps */
    int64_t first_tap; /* taps of the phases before */
    int32_t *off;      /* where step k reads in the tile */
    fc_weight_runs runs;
} fc_blocked_phase;

typedef struct fc_blocked {
    fc_correlation c;
    fc_blocked_phase *phase;
    int64_t spread[FC_SPATIAL], outputs[FC_SPATIAL];
    int64_t step[FC_SPATIAL];            /* between neighbouring outputs of a phase, in the source */
    int64_t low[FC_SPATIAL];             /* first source position that output 0 reads, over all phases */
    int64_t reach[FC_SPATIAL];           /* last one, relative to low */
    int64_t unit[FC_SPATIAL];            /* outputs kept together: of all phases, or of a pool's window */
    int64_t rows, columns;               /* of a block of outputs; multiples of unit */
    int64_t row_blocks, column_blocks;   /* of one image and depth */
    int64_t blocks;                      /* of one image and group */
    int64_t tile_size[FC_SPATIAL];       /* positions of a tile */
    int64_t pitch;                       /* elements of a position: lanes, or fewer channels */
    int64_t tile_bytes;                  /* aligned */
    int64_t vectors;                     /* of filters of one group */
    int64_t chunk_vectors, chunks;       /* of filters shared out to the tasks of one block */
    int64_t group_rows, segment_columns; /* outputs whose sums are complete before they leave together */
    int32_t *spots;                      /* where the outputs of a group start in the tile, or NULL */
    int64_t piece, pieces;               /* channels whose weights stay in L2 */
    int64_t taps;                        /* of all phases */
    int64_t sums_bytes, weights_bytes;   /* of one worker, aligned */
    int shared;                          /* tiles are filled beforehand for all tasks */
    int sweeps;                          /* rows of outputs are finished in registers, straight into the caller's */
    int skips;                           /* rows of taps in zero padding are left out */
    int packs;                           /* each task packs the weights it uses, which no other task does */
} fc_blocked;

static inline int64_t fc_blocked_piece(const fc_blocked *s, int64_t piece) {
    return fc_min(s->piece, s->c.channels - piece * s->piece);
}

/* Where the packed weights of a vector of filters start; blocks of up to outer_vr vectors follow each other as
 * [piece][phase][step][vectors of the block][lanes]. */
static inline int64_t fc_blocked_weights(const fc_blocked *s, int64_t group, int64_t vector, int64_t lanes) {
    return (group * s->vectors + vector) * lanes * s->c.channels * s->taps;
}

fc_status fc_blocked_plan(fc_conv_plan *plan);
void fc_blocked_release(fc_conv_plan *plan);

/* Allocates and fills phase->runs. */
fc_status fc_blocked_plan_runs(const fc_blocked *s, int64_t phase, int lanes, int64_t w_volume);

/* Packs one piece of a block of vr vectors of filters of one group. */
void fc_blocked_pack_piece(const fc_blocked *s, const fc_kernels *kernels, const void *w, int64_t group, int64_t vector,
                           int64_t vr, int64_t piece, void *packed);
fc_status fc_blocked_pack(const fc_conv_plan *plan, const void *w, void *packed, int threads);

#endif
