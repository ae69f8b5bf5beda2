/* fft_tile.h: the Fourier transform of one tile of up to three axes, and how its spectrum lies in memory.
 *
 * A tile is two planes of numbers, real and imaginary, each [depth][height][pitch]. Depth and height are transformed as
 * they lie, with neighbouring columns in the vector lanes. Width is transformed a block of `lanes` rows at a time: the
 * block is transposed into [width][re, im][lanes], where each lane is a row. Spectra stay in that form.
 * One long line is cut into rows of `width` points: transform the height, turn each number by its twist
 * exp(-2*pi*i*row*column/n), transform the width (the four-step transform, Bailey 1990): all in L1, all with unit
 * steps. */
#ifndef FC_CONV_FFT_TILE_H
#define FC_CONV_FFT_TILE_H

#include "conv/plan.h"

typedef struct fc_fft_tile {
    const fc_kernels *kernels;
    int64_t size[FC_SPATIAL];
    int64_t pitch, plane, elements; /* of one part of the tile */
    int64_t blocks, block;          /* of a spectrum, and the elements of one */
    fc_fft axis[FC_SPATIAL];
    void *twist; /* of a long line, as the spectrum of one plane; else NULL */
    int32_t *row_off, *column_off;
    int long_line;
} fc_fft_tile;

/* The tile of these sizes; height and width are multiples of the lanes. transformed[a] == 0: axis a is left alone. */
fc_status fc_fft_tile_init(fc_fft_tile *tile, const fc_kernels *kernels, const int64_t size[FC_SPATIAL],
                           const int transformed[FC_SPATIAL], int long_line);
void fc_fft_tile_release(fc_fft_tile *tile);

/* The least length from `least` up that the transforms take and `multiple` divides. */
int64_t fc_fft_length(int64_t least, int64_t multiple);

/* Elements of a spectrum: as many numbers as the tile has. */
static inline int64_t fc_fft_spectrum(const fc_fft_tile *tile) { return tile->blocks * tile->block; }

/* Depth and height, in place; unscaled. */
void fc_fft_columns(const fc_fft_tile *tile, void *re, void *im);
void fc_fft_columns_inverse(const fc_fft_tile *tile, void *re, void *im);

/* Width of one block of rows: out of the tile into a block of the spectrum, and back (which destroys the block). */
void fc_fft_rows(const fc_fft_tile *tile, const void *re, const void *im, int64_t block, void *spectrum);
void fc_fft_rows_inverse(const fc_fft_tile *tile, void *spectrum, int64_t block, void *re, void *im);

#endif
