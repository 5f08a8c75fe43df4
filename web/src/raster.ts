// Draws round points into the pixels of a canvas. It needs no graphics card: 100,000 points take some milliseconds, where WebGL
// without a card takes longer; and unlike libraries over WebGL it compiles no code at run time, which the page's policy forbids.

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

export class Raster {
  private image: ImageData;
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
      const sides = value & 0xff00ff;
      const middle = value & 0xff00;
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
        // Red and blue are mixed in one number, as between them there is room for what is carried.
        const old = pixels[target]!;
        const rest = 256 - share;
        const rb = ((Math.imul(sides, share) + Math.imul(old & 0xff00ff, rest)) >>> 8) & 0xff00ff;
        const g = ((Math.imul(middle, share) + Math.imul(old & 0xff00, rest)) >>> 8) & 0xff00;
        pixels[target] = -16777216 | rb | g;
      }
    }
  }

  show(): void {
    this.context.putImageData(this.image, 0, 0);
  }
}
