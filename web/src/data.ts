// Reads the block that howfar.explore.container packs.

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

/** What the values of a flag or a category stand for. */
export function words(column: Column): string[] {
  return column.kind === "flag" ? FLAGS : column.categories;
}

export interface Dataset {
  name: string;
  colour: string;
}

/** What a page asks for its pictures: which rows have them, and what was picked before. */
export interface Asked {
  /** What a request that writes has to show to a server; "" where a kernel answers. */
  token: string;
  picks: number[];
  masks: number[];
  /** Rows that have a prediction, for each model; of a run without models for the one whose predictions it knows. */
  predictions: number[][];
}

/** Ways to lay images out in a plane, which share their rows and panels. */
export interface Places {
  row: Uint32Array;
  panel: Uint16Array;
  planes: { name: string; title: string; axes: [string, string]; about: string; x: Float32Array; y: Float32Array }[];
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
  low?: number;
  step?: number;
}

interface Header {
  title: string;
  threshold: number | null;
  count: number;
  names: string[];
  datasets: Dataset[];
  panels: string[];
  planes: { name: string; title: string; axes: [string, string]; about: string }[];
  models: { name: string; seed: number; threshold: number | null }[];
  columns: { name: string; title: string; kind: Kind; about: string; categories?: string[] }[];
  ramp: string[];
  asked: Asked | null;
  arrays: Record<string, Entry>;
}

/** What the page knows of a run. Rows below `count` are of secondary datasets, the others of the primary. */
export class Data {
  readonly rows: number;
  readonly dataset: Uint16Array;
  readonly columns: Column[];
  readonly places: Places;
  readonly models: Model[];
  /** Rows of P's images that are nearest to each image of a secondary dataset, `near` of them for each. */
  private readonly nearby: Uint32Array;
  private readonly small = new Map<number, number>();
  private readonly kept = new Map<string, string>();

  constructor(
    readonly header: Header,
    private readonly body: Uint8Array,
  ) {
    this.rows = header.names.length;
    this.dataset = Uint16Array.from(this.array("dataset"));
    this.columns = header.columns.map((column, index) => ({
      ...column,
      categories: column.categories ?? [],
      values: Float32Array.from(this.array(`column_${index}`)),
    }));
    this.places = {
      row: Uint32Array.from(this.array("place_row")),
      panel: Uint16Array.from(this.array("place_panel")),
      planes: header.planes.map((plane) => ({
        ...plane,
        x: Float32Array.from(this.array(`${plane.name}_x`)),
        y: Float32Array.from(this.array(`${plane.name}_y`)),
      })),
    };
    this.models = header.models.map((model, index) => ({
      ...model,
      performance: Float32Array.from(this.array(`model_${index}_performance`)),
      distance: Float32Array.from(this.array(`model_${index}_distance`)),
    }));
    this.nearby = Uint32Array.from(this.array("nearest"));
    this.array("small_row").forEach((row, index) => this.small.set(row, index));
  }

  /** The images of P that are nearest to an image by all components; none where the run does not say. */
  nearest(row: number): number[] {
    const each = this.count ? this.nearby.length / this.count : 0;
    return row < this.count ? [...this.nearby.subarray(row * each, (row + 1) * each)].filter((of) => of < this.rows) : [];
  }

  get count(): number {
    return this.header.count;
  }

  name(row: number): string {
    return this.header.names[row] ?? "";
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
    if (!entry) return new Float32Array(0);
    const values = typed(entry, this.body);
    if (entry.low === undefined || entry.step === undefined) return values;
    const { low, step } = entry;
    return Float32Array.from(values, (level) => (level === 65535 ? Number.NaN : low + level * step));
  }
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
