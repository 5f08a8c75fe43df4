// Draws points into the pixels of a canvas, some as dots, very many as their density. It needs no graphics card: 100,000 dots take
// some milliseconds, where WebGL without a card takes longer; and unlike libraries over WebGL it compiles no code at run time,
// which the page's policy forbids.

export interface Layer {
  /** Positions in pixels, one a point; a point that is not finite is left out. */
  x: Float32Array;
  y: Float32Array;
  /** Position of the pixel of each point, where all that is drawn of it lies on the canvas; below 0 else. */
  pixel: Int32Array;
  /** Which points to draw, in this order: the first `count` of these. */
  points: Uint32Array;
  count: number;
  /** A colour for all, as little-endian RGBA; or one for each row, and the row of each point. */
  colour: number | { of: Uint32Array; row: Uint32Array };
  radius: number;
  opacity: number;
  /** Whether pixels are drawn wholly or not at all, as befits very many small points: nothing is read or mixed. */
  hard: boolean;
}

/** Points of which so many lie over each other that their number is drawn. */
export interface Cloud {
  x: Float32Array;
  y: Float32Array;
  row: Uint32Array;
  /** Left and top in the units of the points, and pixels a unit. */
  from: [number, number];
  scale: [number, number];
  /** Rows below its length that pass are drawn over those that do not, and these over all others. */
  pass: Uint8Array;
  colours: Uint32Array;
  other: number;
  faded: number;
  /** 1 to draw all points, 2 for every second … */
  every: number;
  /** Pixels of a cell's side. */
  cell: number;
}

interface Stamp {
  dx: Int32Array;
  dy: Int32Array;
  /** 0 to 256. */
  cover: Int32Array;
  reach: number;
}

const stamps = new Map<string, Stamp>();

function stamp(radius: number, opacity: number, hard: boolean): Stamp {
  const key = `${radius} ${opacity} ${hard}`;
  const known = stamps.get(key);
  if (known) return known;
  const reach = Math.ceil(radius);
  const dx: number[] = [];
  const dy: number[] = [];
  const cover: number[] = [];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const inside = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(x, y)));
      if (hard ? inside >= 0.5 : inside > 0) {
        dx.push(x);
        dy.push(y);
        cover.push(hard ? 256 : Math.round(256 * inside * opacity));
      }
    }
  }
  const made = { dx: Int32Array.from(dx), dy: Int32Array.from(dy), cover: Int32Array.from(cover), reach };
  stamps.set(key, made);
  return made;
}

/** Points of a cell up to which its strength grows. */
const MOST = 4095;
/** How strongly a single point is drawn, of 256. */
const LEAST = 150;

/** How strongly to draw so many points in a cell, of 256, given the numbers of all cells: each `every`-th from the `first`. */
function strengths(numbers: Int32Array, first: number, every: number): Uint16Array {
  let most = 1;
  for (let at = first; at < numbers.length; at += every) if (numbers[at]! > most) most = numbers[at]!;
  const scale = (256 - LEAST) / Math.log(Math.max(8, Math.min(MOST, most)));
  return Uint16Array.from({ length: MOST + 1 }, (_, number) => Math.min(256, Math.round(LEAST + scale * Math.log(Math.max(1, number)))));
}

/** Mixes `share` of 256 of a colour into another. Red and blue are one number, as between them there is room for what is carried. */
function mixed(old: number, colour: number, share: number): number {
  const rest = 256 - share;
  const rb = ((Math.imul(colour & 0xff00ff, share) + Math.imul(old & 0xff00ff, rest)) >>> 8) & 0xff00ff;
  const g = ((Math.imul(colour & 0xff00, share) + Math.imul(old & 0xff00, rest)) >>> 8) & 0xff00;
  return -16777216 | rb | g;
}

export class Raster {
  private image: ImageData;
  private sums = new Int32Array(0);
  private behind = new Int32Array(0);
  /** Signed, so that the engine computes with whole numbers alone. */
  private pixels: Int32Array;

  constructor(private readonly context: CanvasRenderingContext2D) {
    this.image = context.createImageData(1, 1);
    this.pixels = new Int32Array(this.image.data.buffer);
  }

  /** Clears the canvas to an opaque colour. */
  clear(ground: number): void {
    const { width, height } = this.context.canvas;
    if (this.image.width !== width || this.image.height !== height) {
      this.image = this.context.createImageData(Math.max(1, width), Math.max(1, height));
      this.pixels = new Int32Array(this.image.data.buffer);
    }
    this.pixels.fill(ground);
  }

  /** Draws a line of one pixel across the canvas. */
  line(at: number, vertical: boolean, colour: number): void {
    const { width, height } = this.image;
    const place = Math.round(at);
    if (place < 0 || place >= (vertical ? width : height)) return;
    if (vertical) for (let y = 0; y < height; y++) this.pixels[y * width + place] = colour;
    else this.pixels.fill(colour, place * width, (place + 1) * width);
  }

  draw(layer: Layer): void {
    const { width, height } = this.image;
    const { pixels } = this;
    const { dx, dy, cover, reach } = stamp(layer.radius, layer.opacity, layer.hard);
    const step = Int32Array.from(dx, (x, index) => dy[index]! * width + x);
    const parts = step.length;
    const { x: xs, y: ys, pixel, points, colour, count, hard } = layer;
    const one = typeof colour === "number" ? colour | 0 : null;
    const of = typeof colour === "number" ? points : colour.of;
    const row = typeof colour === "number" ? points : colour.row;
    for (let at = 0; at < count; at++) {
      const point = points[at]!;
      const here = pixel[point]!;
      if (hard && here >= 0) {
        const value = one === null ? of[row[point]!]! | 0 : one;
        for (let part = 0; part < parts; part++) pixels[here + step[part]!] = value;
        continue;
      }
      const px = xs[point]!;
      const py = ys[point]!;
      // Written so that a place that is no number fails it.
      if (!(px >= -reach && py >= -reach && px < width + reach && py < height + reach)) continue;
      const x = Math.round(px);
      const y = Math.round(py);
      const value = one === null ? of[row[point]!]! | 0 : one;
      const whole = x >= reach && y >= reach && x < width - reach && y < height - reach;
      const origin = (y * width + x) | 0;
      for (let part = 0; part < parts; part++) {
        if (!whole) {
          const ax = x + dx[part]!;
          const ay = y + dy[part]!;
          if (ax < 0 || ay < 0 || ax >= width || ay >= height) continue;
        }
        const target = origin + step[part]!;
        const share = cover[part]!;
        if (share === 256) {
          pixels[target] = value;
          continue;
        }
        pixels[target] = mixed(pixels[target]!, value, share);
      }
    }
  }

  /** Draws points as cells: in their mean colour, the stronger the more lie there, by the logarithm of their number. */
  density({ x, y, row, from, scale, pass, colours, other, faded, every, cell }: Cloud): void {
    const across = Math.ceil(this.image.width / cell);
    const down = Math.ceil(this.image.height / cell);
    const cells = across * down;
    // Red, green, blue and number of those that pass; numbers of those that do not, and of all others.
    if (this.sums.length !== 4 * cells) [this.sums, this.behind] = [new Int32Array(4 * cells), new Int32Array(2 * cells)];
    const { sums, behind } = this;
    const rows = new Int32Array(row.buffer, row.byteOffset, row.length);
    const signed = new Int32Array(colours.buffer);
    sums.fill(0);
    behind.fill(0);
    const [left, top] = from;
    const [right, up] = [scale[0] / cell, scale[1] / cell];
    const end = pass.length;
    for (let at = 0; at < rows.length; at += every) {
      const px = (x[at]! - left) * right;
      const py = (top - y[at]!) * up;
      // Written so that a place that is no number fails it.
      if (!(px >= 0 && py >= 0 && px < across && py < down)) continue;
      const of = rows[at]!;
      const place = (py | 0) * across + (px | 0);
      if (of >= end) behind[2 * place + 1]!++;
      else if (!pass[of]) behind[2 * place]!++;
      else {
        const colour = signed[of]!;
        sums[4 * place]! += colour & 255;
        sums[4 * place + 1]! += (colour >> 8) & 255;
        sums[4 * place + 2]! += (colour >> 16) & 255;
        sums[4 * place + 3]!++;
      }
    }
    const shares = [strengths(behind, 1, 2), strengths(behind, 0, 2), strengths(sums, 3, 4)] as const;
    for (let place = 0; place < cells; place++) {
      const [rest, lost, seen] = [behind[2 * place + 1]!, behind[2 * place]!, sums[4 * place + 3]!];
      if (rest) this.cover(place, across, cell, other, shares[0][Math.min(MOST, rest)]!);
      if (lost) this.cover(place, across, cell, faded, shares[1][Math.min(MOST, lost)]!);
      if (!seen) continue;
      const mean = (sums[4 * place]! / seen) | ((sums[4 * place + 1]! / seen) << 8) | ((sums[4 * place + 2]! / seen) << 16);
      this.cover(place, across, cell, mean, shares[2][Math.min(MOST, seen)]!);
    }
  }

  /** Mixes a colour into the pixels of a cell. */
  private cover(place: number, across: number, cell: number, colour: number, share: number): void {
    const { width, height } = this.image;
    const [left, top] = [(place % across) * cell, Math.floor(place / across) * cell];
    for (let y = top; y < Math.min(height, top + cell); y++) {
      for (let x = left; x < Math.min(width, left + cell); x++) this.pixels[y * width + x] = mixed(this.pixels[y * width + x]!, colour, share);
    }
  }

  show(): void {
    this.context.putImageData(this.image, 0, 0);
  }
}
