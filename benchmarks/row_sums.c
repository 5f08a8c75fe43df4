/* The peer of benchmarks/row_sums.py: sums of Euclidean distances by hand, in float32, four rows at a time.
   a: (m, z), rows; b: (z, n), components; m a multiple of 4. gcc -O3 -march=native -ffast-math -fopenmp -shared -fPIC */
#include <math.h>
#include <stddef.h>

#define TILE 512

void row_sums(const float *a, const float *b, double *out, long m, long n, int z)
{
#pragma omp parallel for schedule(dynamic, 16)
    for (long i = 0; i < m; i += 4) {
        double sum[4] = {0};
        for (long first = 0; first < n; first += TILE) {
            long width = n - first < TILE ? n - first : TILE;
            float squared[4][TILE] = {{0}};
            for (int c = 0; c < z; c++) {
                const float *column = b + (size_t)c * n + first;
                float a0 = a[i * z + c], a1 = a[(i + 1) * z + c], a2 = a[(i + 2) * z + c], a3 = a[(i + 3) * z + c];
                for (long j = 0; j < width; j++) {
                    float p = column[j], d0 = a0 - p, d1 = a1 - p, d2 = a2 - p, d3 = a3 - p;
                    squared[0][j] += d0 * d0;
                    squared[1][j] += d1 * d1;
                    squared[2][j] += d2 * d2;
                    squared[3][j] += d3 * d3;
                }
            }
            for (int r = 0; r < 4; r++) {
                float of_tile = 0;
                for (long j = 0; j < width; j++)
                    of_tile += sqrtf(squared[r][j]);
                sum[r] += of_tile;
            }
        }
        for (int r = 0; r < 4; r++)
            out[i + r] = sum[r];
    }
}
