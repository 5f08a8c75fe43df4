// Reads the block that howfar.explore.page_data packs, and gets what it lacks.
import { stride } from "./geometry";

export type Kind = "number" | "category" | "flag";
type Numbers = Float32Array | Uint32Array | Uint16Array | Int16Array | Uint8Array;

export interface Column {
  name: string;
  title: string;
  kind: Kind;
  about: string;
  categories: string[];
  /** One value a row; where it is unknown NaN, −1 of a category, 255 of a flag. */
  values: Float32Array;
}

const FLAGS = ["no", "yes"];
/** The column that a search by text fills. */
export const SIMILARITY = "similarity";

/** What the values of a flag or a category stand for. */
export function words(column: Column): string[] {
  return column.kind === "flag" ? FLAGS : column.categories;
}

export interface Dataset {
  name: string;
  colour: string;
}

/** What a page knows of one image that it asks for by row, where its block does not hold the names of all. */
interface About {
  name: string;
  nearest: number[];
  mask: boolean;
  /** Whether there is a prediction, for each model. */
  predictions: boolean[];
}

/** Gets bytes of a name from the server or the kernel: all of them, or from one to another. */
export type Ask = (name: string, from?: number, to?: number) => Promise<ArrayBuffer>;

/** What a page asks for its pictures: which rows have them, and what was picked before. */
export interface Asked {
  /** What a request that writes has to show to a server; "" where a kernel answers. */
  token: string;
  picks: number[];
  /** Whether images can be searched by a text; else why not. */
  search: true | string;
  /** Rows that have a mask; with the names of a long run each row is asked for. */
  masks?: number[];
  /** Rows that have a prediction, for each model; of a run without models for the one whose predictions it knows. */
  predictions?: number[][];
}

interface PlaneHead {
  name: string;
  title: string;
  axes: [string, string];
  about: string;
  /** For each panel its left, right, bottom and top. */
  bounds: [number, number, number, number][];
}

export interface PlaneOf extends PlaneHead {
  x: Float32Array;
  y: Float32Array;
}

/** Ways to lay images out in a plane, which share their rows and panels. */
export interface Places {
  row: Uint32Array;
  panel: Uint16Array;
  planes: PlaneOf[];
}

/** One trained model of an adaptation study, whose performances and predictions can be looked at in place of another's. */
export interface Model {
  name: string;
  seed: number;
  threshold: number | null;
  performance: Float32Array;
  distance: Float32Array;
}

export interface Small {
  photograph: string;
  mask: string;
  /** One for each model. */
  predictions: string[];
  width: number;
  height: number;
}

interface Entry {
  at: number;
  length: number;
  type: string;
  /** Rows of the whole array, where the block holds the first of them alone, in the order of levels. */
  rows?: number;
  low?: number;
  step?: number;
}

/** An array of which the rest is still to come. */
interface Part {
  name: string;
  entry: Entry;
  values: Float32Array;
  held: number;
}

interface Header {
  title: string;
  threshold: number | null;
  count: number;
  /** None where each row is asked for. */
  names: string[] | null;
  rows: number;
  datasets: Dataset[];
  panels: string[];
  planes: PlaneHead[];
  models: { name: string; seed: number; threshold: number | null }[];
  columns: { name: string; title: string; kind: Kind; about: string; categories?: string[] }[];
  ramp: string[];
  asked: Asked | null;
  arrays: Record<string, Entry>;
}

/** What the page knows of a run. Rows below `count` are of secondary datasets, the others of the primary. */
export class Data {
  readonly rows: number;
  /** The number of each row. */
  readonly everyRow: Uint32Array;
  readonly dataset: Uint16Array;
  readonly columns: Column[];
  readonly places: Places;
  readonly models: Model[];
  /** When all that the block lacks has come. */
  whole = Promise.resolve();
  /** Rows of P's images that are nearest to each image of a secondary dataset, `near` of them for each. */
  private readonly nearby: Numbers;
  private readonly waiting: Part[] = [];
  private readonly asked = new Map<number, About>();
  private readonly small = new Map<number, number>();
  private readonly kept = new Map<string, string>();

  constructor(
    readonly header: Header,
    private readonly body: Uint8Array,
  ) {
    this.rows = header.rows;
    this.everyRow = new Uint32Array(this.rows);
    for (let row = 0; row < this.rows; row++) this.everyRow[row] = row;
    this.dataset = new Uint16Array(this.rows);
    this.unroll("dataset", this.dataset);
    this.columns = header.columns.map((column, index) => ({
      ...column,
      categories: column.categories ?? [],
      values: this.part(`column_${index}`),
    }));
    if (header.asked?.search === true) {
      const about = "cosine of an image's and a text's embedding";
      this.columns.push({ name: SIMILARITY, title: "similarity to the text", kind: "number", about, categories: [], values: new Float32Array(this.rows).fill(Number.NaN) });
    }
    const planes = header.planes.map((plane) => ({ ...plane, x: this.part(`${plane.name}_x`), y: this.part(`${plane.name}_y`) }));
    const placed = planes[0]?.x.length ?? 0;
    this.places = { row: new Uint32Array(placed), panel: new Uint16Array(placed), planes };
    this.unroll("place_ahead", this.places.row);
    // It wraps as unsigned numbers do, so that a row may lie before its place.
    for (let at = 0; at < placed; at++) this.places.row[at]! += at;
    this.unroll("place_panel", this.places.panel);
    this.models = header.models.map((model, index) => ({
      ...model,
      performance: this.part(`model_${index}_performance`),
      distance: this.part(`model_${index}_distance`),
    }));
    this.nearby = this.array("nearest");
    this.array("small_row").forEach((row, index) => this.small.set(row, index));
  }

  /** The images of P that are nearest to an image by all components; none where the run does not say. */
  nearest(row: number): number[] {
    const each = this.count ? this.nearby.length / this.count : 0;
    const known = this.asked.get(row)?.nearest ?? (row < this.count ? [...this.nearby.subarray(row * each, (row + 1) * each)] : []);
    return known.filter((of) => of < this.rows);
  }

  /** Which of its columns and planes are whole: the share of their rows that the least of the first ones holds. */
  get held(): number {
    return Math.min(1, ...this.waiting.filter(({ held }) => held).map(({ held, values }) => held / values.length));
  }

  /** Whether some of a column's values are still to come. */
  coming(column: Column): boolean {
    return this.waiting.some(({ values }) => values === column.values);
  }

  /** Gets all that the block lacks: of the arrays that it begins twice as much each time, then the others; tells of each step. */
  complete(ask: Ask, came: () => void): Promise<void> {
    this.whole = this.arrive(ask, came);
    return this.whole;
  }

  private async arrive(ask: Ask, came: () => void): Promise<void> {
    // What is there is drawn first.
    await new Promise((done) => setTimeout(done, 300));
    while (this.waiting.length) {
      const begun = this.waiting.filter(({ held }) => held);
      for (const part of begun.length ? begun : this.waiting.slice(0, 1)) {
        const { name, entry, held, values } = part;
        const size = SIZES[entry.type] ?? 1;
        const to = held ? Math.min(2 * held, values.length) : values.length;
        take(part, typed({ ...entry, at: 0, length: to - held }, new Uint8Array(await ask(`column/${name}`, held * size, to * size))));
      }
      this.waiting.splice(0, this.waiting.length, ...this.waiting.filter(({ held, values }) => held < values.length));
      came();
    }
  }

  /** Gets names and further facts of rows that are about to be shown. */
  async ready(rows: number[], ask: Ask): Promise<void> {
    if (this.header.names) return;
    const lacking = rows.filter((row) => !this.asked.has(row));
    for (let at = 0; at < lacking.length; at += ROWS_ASKED) {
      const some = lacking.slice(at, at + ROWS_ASKED);
      const found = JSON.parse(new TextDecoder().decode(await ask(`rows/${some.join(",")}`))) as About[];
      found.forEach((about, index) => this.asked.set(some[index]!, about));
    }
  }

  /** What was asked for of a row. */
  about(row: number): About | undefined {
    return this.asked.get(row);
  }

  get count(): number {
    return this.header.count;
  }

  name(row: number): string {
    return this.header.names?.[row] ?? this.asked.get(row)?.name ?? "";
  }

  datasetOf(row: number): Dataset {
    return this.header.datasets[this.dataset[row] ?? 0] ?? { name: "", colour: "#888888" };
  }

  column(name: string): Column | undefined {
    return this.columns.find((column) => column.name === name);
  }

  /** How many images have a small picture in the page. */
  get pictured(): number {
    return this.small.size;
  }

  /** The small pictures of an image as addresses; null where the page holds none. */
  smallOf(row: number): Small | null {
    const index = this.small.get(row);
    if (index === undefined) return null;
    return {
      photograph: this.address("photograph", index),
      mask: this.address("mask", index),
      predictions: Array.from({ length: Math.max(1, this.models.length) }, (_, model) => this.address(`prediction_${model}`, index)),
      width: this.array("small_width")[index] ?? 0,
      height: this.array("small_height")[index] ?? 0,
    };
  }

  private address(kind: string, index: number): string {
    const key = `${kind} ${index}`;
    const known = this.kept.get(key);
    if (known !== undefined) return known;
    const ends = this.array(`${kind}_ends`);
    const from = index > 0 ? (ends[index - 1] ?? 0) : 0;
    const to = ends[index] ?? from;
    const entry = this.header.arrays[kind];
    let made = "";
    if (entry && to > from) {
      const type = kind === "mask" ? "image/png" : "image/webp";
      made = `data:${type};base64,${base64(this.body.subarray(entry.at + from, entry.at + to))}`;
    }
    this.kept.set(key, made);
    return made;
  }

  private array(name: string): Numbers {
    const entry = this.header.arrays[name];
    return entry ? typed(entry, this.body) : new Float32Array(0);
  }

  /** Numbers of all rows; those that are still to come are NaN. */
  private part(name: string): Float32Array {
    const entry = this.header.arrays[name];
    const values = new Float32Array(entry?.rows ?? entry?.length ?? 0).fill(Number.NaN);
    if (!entry) return values;
    const part = { name, entry, values, held: 0 };
    take(part, typed(entry, this.body));
    if (part.held < values.length) this.waiting.push(part);
    return values;
  }

  /** Fills an array with values that are each repeated so many times. */
  private unroll(name: string, into: Uint16Array | Uint32Array): void {
    const lengths = this.array(`${name}_runs`);
    let at = 0;
    this.array(name).forEach((value, run) => into.fill(value, at, (at += lengths[run]!)));
  }
}

const SIZES: Record<string, number> = { float32: 4, uint32: 4, uint16: 2, int16: 2 };
const ROWS_ASKED = 500;

/** Puts the next numbers of an array to their rows. */
function take(part: Part, numbers: Numbers): void {
  const { values, entry } = part;
  const { low = 0, step } = entry;
  const rows = values.length;
  const by = entry.rows === undefined ? 1 : stride(rows);
  let row = (part.held * by) % rows;
  for (let at = 0; at < numbers.length; at++) {
    const value = numbers[at]!;
    values[row] = step === undefined ? value : value === 65535 ? Number.NaN : low + value * step;
    row += by;
    if (row >= rows) row -= rows;
  }
  part.held += numbers.length;
}

function typed(entry: Entry, body: Uint8Array): Numbers {
  const start = body.byteOffset + entry.at;
  switch (entry.type) {
    case "float32":
      return new Float32Array(body.buffer, start, entry.length);
    case "uint32":
      return new Uint32Array(body.buffer, start, entry.length);
    case "uint16":
      return new Uint16Array(body.buffer, start, entry.length);
    case "int16":
      return new Int16Array(body.buffer, start, entry.length);
    default:
      return new Uint8Array(body.buffer, start, entry.length);
  }
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

/** Decompresses and reads a block; raises where the browser cannot, or the block is another's. */
export async function read(block: Uint8Array<ArrayBuffer>): Promise<Data> {
  const stream = new Blob([block]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (new TextDecoder().decode(bytes.subarray(0, 4)) !== "HFX1") throw new Error("not a block of howfar's");
  const length = new DataView(bytes.buffer).getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Header;
  return new Data(header, bytes.subarray(8 + length));
}

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const decoded = atob(text.trim());
  const bytes = new Uint8Array(decoded.length);
  for (let at = 0; at < decoded.length; at++) bytes[at] = decoded.charCodeAt(at);
  return bytes;
}
