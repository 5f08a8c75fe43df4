// Polygons, orders and round numbers that the views draw by.
type Point = [x: number, y: number];

/** Parts of a polygon's height, each of which knows the edges that cross it. */
const SLICES = 64;

/** Tells which places lie inside a polygon, by the parity of the edges to their right. */
export class Polygon {
  private readonly slices: Float64Array[];
  private readonly low: number;
  private readonly scale: number;

  constructor(corners: Point[]) {
    const ys = corners.map(([, y]) => y);
    this.low = Math.min(...ys);
    const height = Math.max(...ys) - this.low;
    this.scale = height > 0 ? (SLICES - 1) / height : 0;
    const edges: number[][] = Array.from({ length: SLICES }, () => []);
    corners.forEach(([x, y], index) => {
      const [px, py] = corners[index ? index - 1 : corners.length - 1]!;
      if (y === py) return;
      for (let slice = this.slice(Math.min(y, py)); slice <= this.slice(Math.max(y, py)); slice++) edges[slice]!.push(x, y, py, (px - x) / (py - y));
    });
    this.slices = edges.map((list) => Float64Array.from(list));
  }

  /** Whether a place between the polygon's lowest and highest lies inside it. */
  holds(x: number, y: number): boolean {
    const edges = this.slices[this.slice(y)]!;
    let inside = false;
    for (let at = 0; at < edges.length; at += 4) {
      const from = edges[at + 1]!;
      if (from > y !== edges[at + 2]! > y && x < edges[at]! + edges[at + 3]! * (y - from)) inside = !inside;
    }
    return inside;
  }

  private slice(y: number): number {
    return Math.floor((y - this.low) * this.scale);
  }
}

/** The largest quotient of Euclid's algorithm; infinity for numbers with a common divisor. */
function largestQuotient(a: number, b: number): number {
  let largest = 0;
  while (b) [largest, a, b] = [Math.max(largest, Math.floor(a / b)), b, a % b];
  return a === 1 ? largest : Infinity;
}

/** Steps from one row to the next in the order of levels, as howfar.explore.page_data has it: row i · step mod count is the i-th.
 *
 * Near the golden section of the count and with small quotients, they take the first rows, however many, evenly from all. */
export function stride(count: number): number {
  const first = Math.floor(count * 0.6180339887498949) || 1;
  let [best, least] = [first, Infinity];
  for (let step = first; step <= Math.max(first, Math.min(count - 1, first + 99)); step++) {
    const largest = largestQuotient(count, step);
    if (largest < least) [best, least] = [step, largest];
  }
  return best;
}

/** About `count` round numbers from low to high. */
export function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / Math.max(1, count);
  if (!(rough > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const made: number[] = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++) made.push(Number((at * step).toPrecision(12)));
  return made;
}

export function radiusOf(points: number): number {
  return points < 400 ? 4 : points < 2_500 ? 3 : points < 20_000 ? 2.2 : 1.4;
}
