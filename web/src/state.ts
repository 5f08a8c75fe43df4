// What all views share: which images pass the filters, how they are coloured, what is pointed at, and what is collected.
import type { Column, Data } from "./data";

export type Change = "filter" | "colour" | "point" | "tray" | "look" | "model" | "more" | "settled";
/** Milliseconds without movement after which all points are drawn again. */
const SETTLED = 150;
const ABSENT = 0xff9aa3ad;

export class State {
  /** 1 for each row of a secondary dataset that all filters let through. */
  readonly pass: Uint8Array;
  passing: number;
  /** A colour for each row, as little-endian RGBA. */
  readonly colours: Uint32Array;
  colourBy = "dataset";
  pointed = -1;
  hurried = false;
  private settling = 0;
  /** Position of the model whose performances and predictions are shown; 0 where the run has none to choose from. */
  model = 0;
  readonly tray: number[] = [];
  /** 1 for each row of the tray. */
  readonly held: Uint8Array;
  private readonly filters = new Map<string, Uint8Array>();
  private readonly listeners: ((change: Change) => void)[] = [];

  constructor(readonly data: Data) {
    this.pass = new Uint8Array(data.count).fill(1);
    this.held = new Uint8Array(data.count);
    this.passing = data.count;
    this.colours = new Uint32Array(data.rows);
    if (data.models.length) this.fill();
    this.paint();
  }

  listen(listener: (change: Change) => void): void {
    this.listeners.push(listener);
  }

  tell(change: Change): void {
    for (const listener of this.listeners) listener(change);
  }

  /** Sets what a view lets through; null lets everything through. */
  filter(view: string, mask: Uint8Array | null): void {
    if (mask === null) {
      if (!this.filters.delete(view)) return;
    } else this.filters.set(view, mask);
    this.pass.fill(1);
    for (const each of this.filters.values()) {
      for (let row = 0; row < this.pass.length; row++) this.pass[row]! &= each[row]!;
    }
    let passing = 0;
    for (let row = 0; row < this.pass.length; row++) passing += this.pass[row]!;
    this.passing = passing;
    this.tell("filter");
  }

  get filtered(): boolean {
    return this.filters.size > 0;
  }

  filtersBy(view: string): boolean {
    return this.filters.has(view);
  }

  colour(name: string): void {
    this.colourBy = name;
    this.paint();
    this.tell("colour");
  }

  /** Shows another model: its performances, and its gain over the first of the same seed, take the place of those before. */
  choose(model: number): void {
    if (model === this.model) return;
    this.model = model;
    this.fill();
    this.paint();
    this.tell("model");
  }

  /** Lets views draw very many points roughly until nothing has moved for a moment. */
  hurry(): void {
    this.hurried = true;
    window.clearTimeout(this.settling);
    this.settling = window.setTimeout(() => {
      this.hurried = false;
      this.tell("settled");
    }, SETTLED);
  }

  /** Takes in values that have come. */
  grow(): void {
    if (this.data.models.length) this.fill();
    this.paint();
    this.tell("more");
  }

  private fill(): void {
    const { data } = this;
    const shown = data.models[this.model]!;
    const base = data.models.find(({ seed }) => seed === shown.seed)!;
    data.column("performance")?.values.set(shown.performance);
    data.column("distance")?.values.set(shown.distance);
    data.column("gain")?.values.set(shown.performance.map((value, row) => value - base.performance[row]!));
  }

  /** The value above which a pixel of the shown prediction counts as foreground, by default one half. */
  get threshold(): number {
    return this.data.models[this.model]?.threshold ?? this.data.header.threshold ?? 0.5;
  }

  point(row: number): void {
    if (row === this.pointed) return;
    this.pointed = row;
    this.tell("point");
  }

  collected(row: number): boolean {
    return this.held[row] === 1;
  }

  /** Takes what was collected elsewhere, in its order, in place of what is held. */
  hold(rows: number[]): void {
    this.tray.splice(0, this.tray.length, ...rows.filter((row) => row >= 0 && row < this.data.count));
    this.held.fill(0);
    for (const row of this.tray) this.held[row] = 1;
  }

  collect(rows: number[], wanted: boolean): void {
    for (const row of rows) {
      if (wanted && !this.held[row] && row < this.data.count) this.tray.push(row);
      if (!wanted && this.held[row]) this.tray.splice(this.tray.indexOf(row), 1);
      this.held[row] = Number(wanted);
    }
    this.tell("tray");
  }

  /** Rows that pass, ordered by a column; unknown values last. */
  ordered(by: string, descending: boolean): Uint32Array<ArrayBuffer> {
    const rows = new Uint32Array(this.passing);
    let at = 0;
    for (let row = 0; row < this.pass.length; row++) if (this.pass[row]) rows[at++] = row;
    const column = this.data.column(by);
    if (column) return sorted(rows, column, descending);
    if (by === "image") {
      const collator = new Intl.Collator(undefined, { numeric: true });
      rows.sort((a, b) => collator.compare(this.data.name(a), this.data.name(b)) || a - b);
    }
    return descending ? rows.reverse() : rows;
  }

  private paint(): void {
    const { data, colours } = this;
    const column = data.column(this.colourBy);
    if (!column) {
      const palette = data.header.datasets.map(({ colour }) => packed(colour));
      for (let row = 0; row < colours.length; row++) colours[row] = palette[data.dataset[row]!]!;
    } else if (column.kind === "number") this.ramp(column);
    else {
      const palette = categoryColours(column, data).map(packed);
      for (let row = 0; row < colours.length; row++) colours[row] = palette[column.values[row]!] ?? ABSENT;
    }
  }

  private ramp(column: Column): void {
    const palette = this.data.header.ramp.map(packed);
    const [low, high] = range(column.values);
    const scale = high > low ? (palette.length - 1) / (high - low) : 0;
    for (let row = 0; row < this.colours.length; row++) {
      const value = column.values[row]!;
      this.colours[row] = Number.isNaN(value) ? ABSENT : palette[Math.round((value - low) * scale)]!;
    }
  }
}

/** Sorts rows by a column, by digits of its values' bits: a comparison of two million takes seconds. Equal values keep their order. */
function sorted(rows: Uint32Array<ArrayBuffer>, column: Column, descending: boolean): Uint32Array<ArrayBuffer> {
  const last = column.kind === "flag" ? 1 : Infinity;
  const first = column.kind === "category" ? 0 : -Infinity;
  const values = new Float32Array(1);
  const bits = new Int32Array(values.buffer);
  let keys = new Uint32Array(rows.length);
  for (let at = 0; at < rows.length; at++) {
    const value = column.values[rows[at]!]!;
    values[0] = value || 0;
    // The bits of a float order as the number does, once those of negative ones are turned around.
    const key = bits[0]! ^ ((bits[0]! >> 31) | 0x80000000);
    keys[at] = value >= first && value <= last ? (descending ? ~key : key) : 0xffffffff;
  }
  let [from, to, other] = [rows, new Uint32Array(rows.length), new Uint32Array(rows.length)];
  for (const shift of [0, 11, 22]) {
    const begin = new Uint32Array(2049);
    for (let at = 0; at < keys.length; at++) begin[((keys[at]! >>> shift) & 2047) + 1]!++;
    for (let digit = 0; digit < 2048; digit++) begin[digit + 1]! += begin[digit]!;
    for (let at = 0; at < keys.length; at++) {
      const place = begin[(keys[at]! >>> shift) & 2047]!++;
      to[place] = from[at]!;
      other[place] = keys[at]!;
    }
    [from, to, keys, other] = [to, from, other, keys];
  }
  return from;
}

/** The colour of a value that is unknown, or has none of its own. */
export const OTHERS = "#9aa3ad";
export const PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/** The colours of a category's values: the first six have one each, the others are grey. */
export function categoryColours(column: Column, data: Data): string[] {
  if (column.kind === "flag") return ["#0072b2", "#d55e00"];
  const counts = new Uint32Array(column.categories.length);
  for (let row = 0; row < data.count; row++) if (column.values[row]! >= 0) counts[column.values[row]!]!++;
  const rank = [...counts.keys()].sort((a, b) => counts[b]! - counts[a]! || a - b);
  const colours: string[] = new Array(counts.length).fill(OTHERS);
  rank.slice(0, PALETTE.length).forEach((value, index) => (colours[value] = PALETTE[index]!));
  return colours;
}

export function range(values: Float32Array, from = 0, to = values.length): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (let row = from; row < to; row++) {
    const value = values[row]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

/** Turns "#rrggbb" into the number that a little-endian pixel is. */
export function packed(colour: string): number {
  const value = Number.parseInt(colour.slice(1), 16);
  return (0xff000000 | ((value & 0xff) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

/** Whether a ground "#rrggbb" is a dark one. */
export function isDark(ground: string): boolean {
  const value = Number.parseInt(ground.slice(1), 16);
  return 0.3 * (value >> 16) + 0.6 * ((value >> 8) & 0xff) + 0.1 * (value & 0xff) < 128;
}
